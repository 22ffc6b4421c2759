//! The tests of the extension types. All have one shape: a word, and in brackets what it permits.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reader, error, is_name};
use crate::constraint::{
    Cidr, Currency, CurrencyAmount, Extension, Fields, Hours, Iban, Instant, Limits, Network, Path, Pattern,
    TimeWindow, Url,
};
use crate::grammar::GrammarError;

/// Where an item stood, and what it said.
type Placed<T> = (usize, T);

impl Reader {
    /// The test that begins with `word`, which stood at `start`; `None` if the word is none of an extension.
    pub(super) fn extension(&mut self, word: &str, start: usize) -> Result<Option<Extension>, GrammarError> {
        Ok(Some(match word {
            "url" => Extension::Url(self.only_text("\"https://acme.example/hooks/\"", Url::parse)?),
            "path" => Extension::Path(self.only_text("\"/srv/reports\"", Path::parse)?),
            "pattern" => Extension::Pattern(self.only_text("\"INV-*\"", Pattern::parse)?),
            "iban" => Extension::Iban(self.iban()?),
            "money" => Extension::CurrencyAmount(self.money(start)?),
            "time" => Extension::TimeWindow(self.time(start)?),
            "fields" => {
                self.open("name, dob")?;
                Extension::Fields(Fields::new(self.list(')', Self::field)?))
            }
            "cidr" => {
                self.open("\"10.0.0.0/8\"")?;
                let networks: BTreeSet<Network> =
                    self.list(')', |reader| reader.text_as(Network::read))?.into_iter().collect();
                Extension::Cidr(at(start, Cidr::new(networks))?)
            }
            _ => return Ok(None),
        }))
    }

    /// `("…")`
    fn only_text<T>(
        &mut self,
        example: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, GrammarError> {
        self.open(example)?;
        let start = self.at;
        match <[T; 1]>::try_from(self.list(')', |reader| reader.text_as(&read))?) {
            Ok([only]) => Ok(only),
            Err(_) => error(start, format!("one text is expected, such as {example}"), None),
        }
    }

    /// `iban`, `iban(DE, NL)`, `iban("DE89370400440532013000")`
    fn iban(&mut self) -> Result<Iban, GrammarError> {
        if !self.has_brackets() {
            return Ok(Iban::Valid);
        }
        let start = self.at;
        let items = self.list(')', Self::name_or_text)?;
        let are_countries = items.first().is_some_and(|(_, text)| text.len() == 2);
        let read = |(place, text): &Placed<String>| {
            at(*place, if are_countries { Iban::read_country(text) } else { Iban::read_iban(text) })
        };
        let items: BTreeSet<String> = items.iter().map(read).collect::<Result<_, _>>()?;
        match (items.is_empty(), are_countries) {
            (true, _) => error(start, "countries or account numbers are expected".to_owned(), None),
            (false, true) => Ok(Iban::OfCountries(items)),
            (false, false) => Ok(Iban::OneOf(items)),
        }
    }

    /// `money(EUR <= 500, USD in 1..200, CHF, amount: value, currency: currency_code)`
    fn money(&mut self, start: usize) -> Result<CurrencyAmount, GrammarError> {
        self.open("EUR <= 500")?;
        let mut limits = BTreeMap::new();
        let mut members =
            BTreeMap::from([("amount", "amount".to_owned()), ("currency", "currency".to_owned())]);
        for (place, item) in self.list(')', Self::money_item)? {
            match item {
                MoneyItem::Limits(currency, own) => {
                    if limits.insert(currency, own).is_some() {
                        return error(place, format!("{} is limited twice", currency.code()), None);
                    }
                }
                MoneyItem::Member(which, name) => drop(members.insert(which, name)),
            }
        }
        let member = |which| members.get(which).map_or(which, String::as_str);
        at(start, CurrencyAmount::new(limits, member("amount"), member("currency")))
    }

    fn money_item(&mut self) -> Result<Placed<MoneyItem>, GrammarError> {
        let (place, word) = self.name_or_text()?;
        self.space();
        if self.peek() == Some(':') {
            let which = match word.as_str() {
                "amount" => "amount",
                "currency" => "currency",
                _ => return error(place, "a member is `amount: …` or `currency: …`".to_owned(), None),
            };
            self.at += 1;
            let (_, name) = self.name_or_text()?;
            return Ok((place, MoneyItem::Member(which, name)));
        }
        let currency = at(place, Currency::read(&word))?;
        let mut limits = Limits::default();
        match self.take_while(|c| matches!(c, '<' | '>' | '=')).as_str() {
            "<=" => limits.max = Some(self.amount(currency)?),
            ">=" => limits.min = Some(self.amount(currency)?),
            "" if self.take_word("in") => {
                limits.min = Some(self.amount(currency)?);
                self.between()?;
                limits.max = Some(self.amount(currency)?);
            }
            "" => {}
            sign => {
                let message = format!("`{sign}` is no limit of money: write `<=`, `>=` or `in 1..500`");
                return error(self.at - sign.chars().count(), message, None);
            }
        }
        Ok((place, MoneyItem::Limits(currency, limits)))
    }

    fn amount(&mut self, currency: Currency) -> Result<u128, GrammarError> {
        self.space();
        let start = self.at;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let is_point = c == '.' && self.text.get(self.at + 1) != Some(&'.');
            if !c.is_ascii_digit() && !is_point {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        at(start, currency.read_amount(&text))
    }

    /// `time`, `time("2026-01-01T00:00:00Z".."2026-02-01T00:00:00Z", daily "08:00".."18:00")`
    fn time(&mut self, start: usize) -> Result<TimeWindow, GrammarError> {
        if !self.has_brackets() {
            return Ok(TimeWindow::default());
        }
        let items_at = self.at;
        let (mut window, mut daily) = (None, None);
        for (place, item) in self.list(')', Self::time_item)? {
            let is_second = match item {
                TimeItem::Window(from, to) => window.replace((from, to)).is_some(),
                TimeItem::Daily(hours) => daily.replace(hours).is_some(),
            };
            if is_second {
                return error(
                    place,
                    "one window and one span of hours; join more with `and`".to_owned(),
                    None,
                );
            }
        }
        if window.is_none() && daily.is_none() {
            return error(
                items_at,
                "a window is expected, such as \"2026-01-01T00:00:00Z\"..".to_owned(),
                None,
            );
        }
        let (from, to) = window.unwrap_or_default();
        at(start, TimeWindow::new(from, to, daily.flatten()))
    }

    fn time_item(&mut self) -> Result<Placed<TimeItem>, GrammarError> {
        self.space();
        let start = self.at;
        if self.take_word("daily") {
            let from = self.text_as(|text| Ok(text.to_owned()))?;
            self.between()?;
            let to = self.text_as(|text| Ok(text.to_owned()))?;
            return Ok((start, TimeItem::Daily(at(start, Hours::read(&from, &to))?)));
        }
        let from = if self.peek() == Some('.') { None } else { Some(self.text_as(Instant::read)?) };
        self.between()?;
        self.space();
        let to = if self.peek() == Some('"') { Some(self.text_as(Instant::read)?) } else { None };
        if from.is_none() && to.is_none() {
            return self.wrong("an instant is expected on one side of `..`");
        }
        Ok((start, TimeItem::Window(from, to)))
    }

    /// `name` or `name!`
    fn field(&mut self) -> Result<(String, bool), GrammarError> {
        let (_, name) = self.name_or_text()?;
        let must = self.peek() == Some('!');
        self.at += usize::from(must);
        Ok((name, must))
    }

    fn open(&mut self, example: &str) -> Result<(), GrammarError> {
        if self.has_brackets() {
            return Ok(());
        }
        self.wrong(&format!("brackets are expected, such as ({example})"))
    }

    /// Whether a bracket opens here; a list goes on from it.
    fn has_brackets(&mut self) -> bool {
        let start = self.at;
        self.space();
        let opens = self.peek() == Some('(');
        if !opens {
            self.at = start;
        }
        opens
    }

    fn between(&mut self) -> Result<(), GrammarError> {
        self.space();
        if self.peek() != Some('.') || self.text.get(self.at + 1) != Some(&'.') {
            return self.mend("the two ends are joined by `..`", "..");
        }
        self.at += 2;
        Ok(())
    }

    fn text_as<T>(&mut self, read: impl Fn(&str) -> Result<T, String>) -> Result<T, GrammarError> {
        self.space();
        let start = self.at;
        if self.peek() != Some('"') {
            return self.mend("a text in double quotes is expected", "\"");
        }
        let text = self.string()?;
        at(start, read(&text))
    }

    fn name_or_text(&mut self) -> Result<Placed<String>, GrammarError> {
        self.space();
        let start = self.at;
        if self.peek() == Some('"') {
            return Ok((start, self.string()?));
        }
        let word = self.word();
        if is_name(&word) {
            return Ok((start, word));
        }
        error(start, "a word, or a text in double quotes, is expected".to_owned(), None)
    }
}

enum MoneyItem {
    Limits(Currency, Limits),
    Member(&'static str, String),
}

enum TimeItem {
    Window(Option<Instant>, Option<Instant>),
    Daily(Option<Hours>),
}

fn at<T>(place: usize, result: Result<T, String>) -> Result<T, GrammarError> {
    result.or_else(|why| error(place, why, None))
}
