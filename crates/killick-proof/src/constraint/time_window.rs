//! `killick_time_window`: an instant (RFC 3339) within a window, and within hours of the day if asked for.

use std::fmt;

use super::members::Members;
use crate::json::Json;
use crate::refusal::Refusal;

const DAY_SECS: i64 = 86_400;
const DAY_MINUTES: u16 = 1_440;
/// Longest text of an instant: a date, a time with nine decimals and an offset.
const INSTANT_BYTES_MAX: usize = 35;

/// An instant within a window; both its ends belong to it. An absent end does not bind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TimeWindow {
    pub(crate) not_before: Option<Instant>,
    pub(crate) not_after: Option<Instant>,
    pub(crate) daily: Option<Hours>,
}

/// A moment of the years 1 to 9999, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    /// Since 1970, in UTC, without leap seconds.
    secs: i64,
    nanos: u32,
}

/// From this minute of the day, in UTC, until before that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    // INVARIANT: from < to <= 1440, and not the whole day.
    from: u16,
    to: u16,
}

impl TimeWindow {
    pub(super) const KIND: &'static str = "killick_time_window";
    pub(super) const MEMBERS: [&'static str; 3] = ["not_before", "not_after", "daily"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let instant = |name: &str| {
            let text = members.text(name)?;
            text.map(|text| members.named(name, Instant::read(text))).transpose()
        };
        let daily = match members.get("daily") {
            None => None,
            Some(json) => {
                let hours = Members::of(json, Self::KIND, &["from", "to"])?;
                let (from, to) = (hours.required_text("from")?, hours.required_text("to")?);
                hours.named("daily", Hours::read(from, to))?
            }
        };
        members.named("not_before", Self::new(instant("not_before")?, instant("not_after")?, daily))
    }

    /// From its parts. Errs if it ends before it begins.
    pub(crate) fn new(
        not_before: Option<Instant>,
        not_after: Option<Instant>,
        daily: Option<Hours>,
    ) -> Result<Self, String> {
        if matches!((not_before, not_after), (Some(from), Some(to)) if from > to) {
            return Err("the window ends before it begins".to_owned());
        }
        Ok(Self { not_before, not_after, daily })
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        let instant = |name, instant: Option<Instant>| Some((name, Json::from(instant?.to_string())));
        let daily = self.daily.map(|hours| {
            let (from, to) = hours.texts();
            ("daily", Json::object([("from", Json::from(from)), ("to", Json::from(to))]))
        });
        let window = [instant("not_before", self.not_before), instant("not_after", self.not_after), daily];
        window.into_iter().flatten().collect()
    }

    pub(super) fn check(&self, text: &str) -> bool {
        let Ok(instant) = Instant::read(text) else { return false };
        self.not_before.is_none_or(|from| instant >= from)
            && self.not_after.is_none_or(|to| instant <= to)
            && self.daily.is_none_or(|hours| hours.hold(instant))
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        let begins = parent.not_before.is_none_or(|from| self.not_before.is_some_and(|own| own >= from));
        let ends = parent.not_after.is_none_or(|to| self.not_after.is_some_and(|own| own <= to));
        let hours = parent
            .daily
            .is_none_or(|wider| self.daily.is_some_and(|own| own.from >= wider.from && own.to <= wider.to));
        begins && ends && hours
    }
}

impl Hours {
    /// `None` for the whole day, which binds nothing. Each is `HH:MM`; the end may be `24:00`.
    pub(crate) fn read(from: &str, to: &str) -> Result<Option<Self>, String> {
        let (from, to) = (read_minute(from), read_minute(to));
        match (from, to) {
            (Some(0), Some(DAY_MINUTES)) => Ok(None),
            (Some(from), Some(to)) if from < to => Ok(Some(Self { from, to })),
            (Some(_), Some(_)) => Err("the hours end before they begin: midnight is not passed".to_owned()),
            _ => Err("hours are written `08:00`, up to `24:00`, in UTC".to_owned()),
        }
    }

    /// As [`Hours::read`] reads them.
    pub(crate) fn texts(self) -> (String, String) {
        let write = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        (write(self.from), write(self.to))
    }

    fn hold(self, instant: Instant) -> bool {
        let second = instant.secs.rem_euclid(DAY_SECS);
        (i64::from(self.from) * 60..i64::from(self.to) * 60).contains(&second)
    }
}

fn read_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

impl Instant {
    /// From RFC 3339 text. Its grammar (section 5.6) with capital `T` and `Z`, one to nine decimals, no leap second,
    /// which readers count differently, and no `-00:00`, which says that the zone is not known (section 4.3).
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let instant = read_instant(text);
        instant.ok_or_else(|| "an instant is written `2026-01-31T08:00:00Z` (RFC 3339)".to_owned())
    }
}

fn read_instant(text: &str) -> Option<Instant> {
    if text.len() > INSTANT_BYTES_MAX || !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_once('T')?;
    let (time, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, two_digits(date.next()?)?, two_digits(date.next()?)?);
    let is_year = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    let year: i64 = if is_year { year.parse().ok()? } else { return None };
    let (clock, nanos) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, read_fraction(fraction)?),
        None => (time, 0),
    };
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (two_digits(clock.next()?)?, two_digits(clock.next()?)?, two_digits(clock.next()?)?);
    let is_whole = date.next().is_none() && clock.next().is_none();
    let is_time = hour < 24 && minute < 60 && second < 60;
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_whole || !is_time || !is_date {
        return None;
    }
    let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    let secs = days_before(year, month, day) * DAY_SECS + of_day - read_offset(zone)?;
    (YEAR_1_SECS..YEAR_10000_SECS).contains(&secs).then_some(Instant { secs, nanos })
}

/// Seconds that the zone is ahead of UTC.
fn read_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, offset) = zone.split_at_checked(1)?;
    let (hour, minute) = offset.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let secs = i64::from(hour) * 3_600 + i64::from(minute) * 60;
    let is_known = hour < 24 && minute < 60 && zone != "-00:00";
    is_known.then_some(if sign == "-" { -secs } else { secs })
}

/// Nanoseconds of one to nine decimals.
fn read_fraction(digits: &str) -> Option<u32> {
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { format!("{digits:0<9}").parse().ok() } else { None }
}

fn two_digits(text: &str) -> Option<u16> {
    let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: u16) -> u16 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The first second of the year 1, and the one after the last of the year 9999.
const YEAR_1_SECS: i64 = days_before(1, 1, 1) * DAY_SECS;
const YEAR_10000_SECS: i64 = days_before(10_000, 1, 1) * DAY_SECS;

/// Days from 1970 to a date of the proleptic Gregorian calendar; years from 0 on.
const fn days_before(year: i64, month: u16, day: u16) -> i64 {
    /// Days from the first of January of the year 0 to that of 1970.
    const YEARS_TO_1970: i64 = 719_528;
    let mut days = year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let mut earlier = 1;
    while earlier < month {
        days += days_of(year, earlier) as i64;
        earlier += 1;
    }
    days + day as i64 - 1 - YEARS_TO_1970
}

impl fmt::Display for Instant {
    /// In UTC, with as many decimals as it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut day, second) = (self.secs.div_euclid(DAY_SECS), self.secs.rem_euclid(DAY_SECS));
        // The year before is near enough to begin with: 400 years have 146,097 days.
        let mut year = (day * 400).div_euclid(146_097) + 1_969;
        while days_before(year + 1, 1, 1) <= day {
            year += 1;
        }
        day -= days_before(year, 1, 1);
        let mut month = 1;
        while day >= i64::from(days_of(year, month)) {
            day -= i64::from(days_of(year, month));
            month += 1;
        }
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", day + 1)?;
        if self.nanos > 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}
