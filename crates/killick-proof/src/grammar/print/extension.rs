//! The tests of the extension types, as the reader takes them.

use super::{name, quoted};
use crate::constraint::{Cidr, Currency, CurrencyAmount, Extension, Fields, Iban, Limits, TimeWindow};

pub(super) fn test(extension: &Extension) -> String {
    match extension {
        Extension::Url(url) => bracketed("url", [quoted(&url.to_string())]),
        Extension::Path(path) => bracketed("path", [quoted(path.root())]),
        Extension::Pattern(pattern) => bracketed("pattern", [quoted(pattern.text())]),
        Extension::Iban(iban) => print_iban(iban),
        Extension::CurrencyAmount(amount) => money(amount),
        Extension::TimeWindow(window) => time(window),
        Extension::Fields(allowed) => fields(allowed),
        Extension::Cidr(cidr) => networks(cidr),
    }
}

fn bracketed(word: &str, items: impl IntoIterator<Item = String>) -> String {
    format!("{word}({})", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn print_iban(iban: &Iban) -> String {
    match iban {
        Iban::Valid => "iban".to_owned(),
        Iban::OfCountries(texts) => bracketed("iban", texts.iter().cloned()),
        Iban::OneOf(texts) => bracketed("iban", texts.iter().map(|text| quoted(text))),
    }
}

fn money(amount: &CurrencyAmount) -> String {
    let limit = |(currency, limits): (&Currency, &Limits)| {
        let code = currency.code();
        let write = |units| currency.write_amount(units);
        match (limits.min, limits.max) {
            (None, None) => code.to_owned(),
            (None, Some(max)) => format!("{code} <= {}", write(max)),
            (Some(min), None) => format!("{code} >= {}", write(min)),
            (Some(min), Some(max)) => format!("{code} in {}..{}", write(min), write(max)),
        }
    };
    let (own, currency) = amount.unusual_members();
    let members = [("amount", own), ("currency", currency)];
    let members = members.into_iter().filter_map(|(which, own)| Some(format!("{which}: {}", name(own?))));
    bracketed("money", amount.limits().iter().map(limit).chain(members))
}

fn time(window: &TimeWindow) -> String {
    let instant =
        |instant: Option<_>| instant.map(|instant: crate::constraint::Instant| quoted(&instant.to_string()));
    let (from, to) = (instant(window.not_before), instant(window.not_after));
    let span = (from.is_some() || to.is_some())
        .then(|| format!("{}..{}", from.unwrap_or_default(), to.unwrap_or_default()));
    let daily = window.daily.map(|hours| {
        let (from, to) = hours.texts();
        format!("daily {}..{}", quoted(&from), quoted(&to))
    });
    let items: Vec<String> = span.into_iter().chain(daily).collect();
    if items.is_empty() { "time".to_owned() } else { bracketed("time", items) }
}

fn fields(allowed: &Fields) -> String {
    let item = |(own, must): (&str, bool)| format!("{}{}", name(own), if must { "!" } else { "" });
    bracketed("fields", allowed.names().map(item))
}

fn networks(cidr: &Cidr) -> String {
    bracketed("cidr", cidr.networks().iter().map(|network| quoted(&network.to_string())))
}
