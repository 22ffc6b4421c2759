//! `killick_iban`: a valid bank account number (ISO 13616) in its electronic form.

use std::collections::BTreeSet;

use super::extension::texts;
use super::members::Members;
use crate::json::Json;
use crate::refusal::Refusal;

/// A valid IBAN: any, one of some countries, or one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Iban {
    /// Any valid one.
    Valid,
    /// One of these countries.
    OfCountries(BTreeSet<String>),
    /// One of these.
    OneOf(BTreeSet<String>),
}

impl Iban {
    pub(super) const KIND: &'static str = "killick_iban";
    pub(super) const MEMBERS: [&'static str; 2] = ["countries", "ibans"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let countries = members.filled_set("countries", Self::read_country)?;
        let ibans = members.filled_set("ibans", Self::read_iban)?;
        match (countries, ibans) {
            (None, None) => Ok(Self::Valid),
            (Some(countries), None) => Ok(Self::OfCountries(countries)),
            (None, Some(ibans)) => Ok(Self::OneOf(ibans)),
            (Some(_), Some(_)) => members.malformed("has both `countries` and `ibans`"),
        }
    }

    /// A country of the IBAN registry.
    pub(crate) fn read_country(text: &str) -> Result<String, String> {
        if structure(text).is_some() {
            return Ok(text.to_owned());
        }
        Err("a country is one of the IBAN registry, such as DE".to_owned())
    }

    /// A valid IBAN.
    pub(crate) fn read_iban(text: &str) -> Result<String, String> {
        if is_iban(text) {
            return Ok(text.to_owned());
        }
        Err("this is no valid IBAN in capitals without blanks".to_owned())
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        match self {
            Self::Valid => Vec::new(),
            Self::OfCountries(countries) => vec![("countries", texts(countries))],
            Self::OneOf(ibans) => vec![("ibans", texts(ibans))],
        }
    }

    pub(super) fn check(&self, text: &str) -> bool {
        is_iban(text)
            && match self {
                Self::Valid => true,
                Self::OfCountries(countries) => {
                    text.get(..2).is_some_and(|country| countries.contains(country))
                }
                Self::OneOf(ibans) => ibans.contains(text),
            }
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        match (self, parent) {
            (_, Self::Valid) => true,
            (Self::OneOf(ibans), parent) => ibans.iter().all(|iban| parent.check(iban)),
            (Self::OfCountries(own), Self::OfCountries(wider)) => own.is_subset(wider),
            _ => false,
        }
    }
}

/// Country, two check digits, and an account number of the country's structure, in capitals without blanks (ISO
/// 13616-1); the check digits by MOD 97-10 (ISO/IEC 7064), whose values are 02 to 98.
fn is_iban(text: &str) -> bool {
    let (Some(country), Some(check), Some(account)) = (text.get(..2), text.get(2..4), text.get(4..)) else {
        return false;
    };
    structure(country).is_some_and(|structure| has_structure(account, structure))
        && check.bytes().all(|b| b.is_ascii_digit())
        && ("02"..="98").contains(&check)
        && remainder(account.bytes().chain(text.bytes().take(4))) == 1
}

/// Of the number that the letters spell (A is 10, Z is 35), by 97.
fn remainder(letters: impl Iterator<Item = u8>) -> u32 {
    letters.fold(0, |sum, letter| match letter {
        b'0'..=b'9' => (sum * 10 + u32::from(letter - b'0')) % 97,
        _ => (sum * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    })
}

fn structure(country: &str) -> Option<&'static str> {
    let found = STRUCTURES.binary_search_by_key(&country, |(code, _)| code).ok()?;
    STRUCTURES.get(found).map(|(_, structure)| *structure)
}

/// Whether the account number is as the registry says: `4a6n8c` is four capitals, six digits, eight of either.
fn has_structure(account: &str, structure: &str) -> bool {
    let mut rest = account.as_bytes();
    let mut count = 0;
    for part in structure.bytes() {
        if part.is_ascii_digit() {
            count = count * 10 + usize::from(part - b'0');
            continue;
        }
        let Some((letters, after)) = rest.split_at_checked(count) else { return false };
        let fits = |b: &u8| match part {
            b'n' => b.is_ascii_digit(),
            b'a' => b.is_ascii_uppercase(),
            _ => b.is_ascii_digit() || b.is_ascii_uppercase(),
        };
        if !letters.iter().all(fits) {
            return false;
        }
        (rest, count) = (after, 0);
    }
    rest.is_empty()
}

/// The countries of the IBAN registry (SWIFT, the registration authority of ISO 13616) with the structure of their
/// account numbers, sorted.
const STRUCTURES: [(&str, &str); 89] = [
    ("AD", "8n12c"),
    ("AE", "19n"),
    ("AL", "8n16c"),
    ("AT", "16n"),
    ("AZ", "4a20c"),
    ("BA", "16n"),
    ("BE", "12n"),
    ("BG", "4a6n8c"),
    ("BH", "4a14c"),
    ("BI", "23n"),
    ("BR", "23n1a1c"),
    ("BY", "4c4n16c"),
    ("CH", "5n12c"),
    ("CR", "18n"),
    ("CY", "8n16c"),
    ("CZ", "20n"),
    ("DE", "18n"),
    ("DJ", "23n"),
    ("DK", "14n"),
    ("DO", "4c20n"),
    ("EE", "16n"),
    ("EG", "25n"),
    ("ES", "20n"),
    ("FI", "14n"),
    ("FK", "2a12n"),
    ("FO", "14n"),
    ("FR", "10n11c2n"),
    ("GB", "4a14n"),
    ("GE", "2a16n"),
    ("GI", "4a15c"),
    ("GL", "14n"),
    ("GR", "7n16c"),
    ("GT", "24c"),
    ("HN", "4a20n"),
    ("HR", "17n"),
    ("HU", "24n"),
    ("IE", "4a14n"),
    ("IL", "19n"),
    ("IQ", "4a15n"),
    ("IS", "22n"),
    ("IT", "1a10n12c"),
    ("JO", "4a4n18c"),
    ("KW", "4a22c"),
    ("KZ", "3n13c"),
    ("LB", "4n20c"),
    ("LC", "4a24c"),
    ("LI", "5n12c"),
    ("LT", "16n"),
    ("LU", "3n13c"),
    ("LV", "4a13c"),
    ("LY", "21n"),
    ("MC", "10n11c2n"),
    ("MD", "20c"),
    ("ME", "18n"),
    ("MK", "3n10c2n"),
    ("MN", "16n"),
    ("MR", "23n"),
    ("MT", "4a5n18c"),
    ("MU", "4a19n3a"),
    ("NI", "4a20n"),
    ("NL", "4a10n"),
    ("NO", "11n"),
    ("OM", "3n16c"),
    ("PK", "4a16c"),
    ("PL", "24n"),
    ("PS", "4a21c"),
    ("PT", "21n"),
    ("QA", "4a21c"),
    ("RO", "4a16c"),
    ("RS", "18n"),
    ("RU", "14n15c"),
    ("SA", "2n18c"),
    ("SC", "4a20n3a"),
    ("SD", "14n"),
    ("SE", "20n"),
    ("SI", "15n"),
    ("SK", "20n"),
    ("SM", "1a10n12c"),
    ("SO", "19n"),
    ("ST", "21n"),
    ("SV", "4a20n"),
    ("TL", "19n"),
    ("TN", "20n"),
    ("TR", "6n16c"),
    ("UA", "6n19c"),
    ("VA", "18n"),
    ("VG", "4a16n"),
    ("XK", "16n"),
    ("YE", "4a4n18c"),
];
