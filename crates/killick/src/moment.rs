//! Points in time as people and programs write them: seconds since 1970, or `2026-05-01T12:00:00Z` (RFC 3339).

use killick_proof::UnixTime;

/// Reads a point in time. Errs with one sentence.
pub fn parse(text: &str) -> Result<UnixTime, String> {
    let wrong =
        || format!("`{text}` is no point in time; write seconds since 1970, or e.g. 2026-05-01T12:00:00Z");
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let secs: u64 = text.parse().map_err(|_| wrong())?;
        let time = UnixTime::from_secs(secs);
        // Beyond some 580,000 years it would be another time than the one that was written.
        return if time.secs() == secs { Ok(time) } else { Err(wrong()) };
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_microsecond()).map(UnixTime::from_micros).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let time = UnixTime::from_secs(1_618_884_473);
        assert_eq!(parse("1618884473"), Ok(time));
        assert_eq!(parse("2021-04-20T02:07:53Z"), Ok(time));
        assert_eq!(parse("2021-04-20T04:07:53+02:00"), Ok(time));
        assert_eq!(parse("2021-04-20T02:07:53.5Z"), Ok(UnixTime::from_micros(1_618_884_473_500_000)));
        for given in [
            "",
            "18446744073709551615",
            "-1",
            "+1",
            "1.5",
            "now",
            "2021-04-20",
            "2021-04-20T02:07:53",
            "1960-01-01T00:00:00Z",
        ] {
            assert!(parse(given).is_err(), "{given}");
        }
    }
}
