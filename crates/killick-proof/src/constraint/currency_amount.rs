//! `killick_currency_amount`: an amount of money with its currency, as a decimal text and an ISO 4217 code.
//!
//! The bounds are each currency's own: 500 of one are not 500 of another. Amounts are counted in the currency's
//! smallest unit and never pass through a float; a JSON number is refused as an amount, for the next reader may round it.

use std::collections::BTreeMap;

use super::members::Members;
use crate::json::{Json, View};
use crate::refusal::Refusal;
use crate::token::claims::shown;

/// Digits before the point: beyond every sum of money, and exact in 128 bits with four decimals.
const WHOLE_DIGITS_MAX: usize = 18;
/// The usual names of the two members of a value.
const AMOUNT: &str = "amount";
const CURRENCY: &str = "currency";

/// An amount within the bounds of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyAmount {
    limits: BTreeMap<Currency, Limits>,
    amount_member: String,
    currency_member: String,
}

/// An active ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Currency {
    code: &'static str,
    decimals: u8,
}

/// Bounds in the smallest unit; both belong to what is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    pub(crate) min: Option<u128>,
    pub(crate) max: Option<u128>,
}

impl CurrencyAmount {
    pub(super) const KIND: &'static str = "killick_currency_amount";
    pub(super) const MEMBERS: [&'static str; 3] = ["limits", "amount_member", "currency_member"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let Some(json) = members.get("limits") else { return members.malformed("lacks its `limits`") };
        let Some(entries) = json.as_object() else {
            return members.malformed("has `limits` that are no object");
        };
        let read_entry = |(code, limits): (&str, &View<'_>)| {
            let currency = members.named("limits", Currency::read(code))?;
            let limits = Members::of(limits, Self::KIND, &["min", "max"])?;
            let bound = |name: &str| {
                let text = limits.text(name)?;
                text.map(|text| limits.named(name, currency.read_amount(text))).transpose()
            };
            Ok((currency, Limits { min: bound("min")?, max: bound("max")? }))
        };
        // No more entries than there are currencies.
        let limits = entries.iter().map(read_entry).collect::<Result<_, Refusal>>()?;
        let amount_member = members.text("amount_member")?.unwrap_or(AMOUNT);
        let currency_member = members.text("currency_member")?.unwrap_or(CURRENCY);
        members.named("limits", Self::new(limits, amount_member, currency_member))
    }

    /// From its parts. Errs if no currency is named, a minimum is above its maximum, or both members have one name.
    pub(crate) fn new(
        limits: BTreeMap<Currency, Limits>,
        amount_member: &str,
        currency_member: &str,
    ) -> Result<Self, String> {
        if limits.is_empty() {
            return Err("at least one currency is to be named".to_owned());
        }
        let is_empty =
            |limits: &Limits| matches!((limits.min, limits.max), (Some(min), Some(max)) if min > max);
        if let Some((currency, _)) = limits.iter().find(|(_, limits)| is_empty(limits)) {
            return Err(format!("the minimum of {} is above its maximum", currency.code));
        }
        if amount_member == currency_member {
            return Err("amount and currency cannot be one member".to_owned());
        }
        let (amount_member, currency_member) = (amount_member.to_owned(), currency_member.to_owned());
        Ok(Self { limits, amount_member, currency_member })
    }

    /// The bounds by currency.
    pub(crate) const fn limits(&self) -> &BTreeMap<Currency, Limits> {
        &self.limits
    }

    /// The names of the members of amount and currency that are not the usual ones.
    pub(crate) fn unusual_members(&self) -> (Option<&str>, Option<&str>) {
        let unusual = |name: &'static str, own| (own != name).then_some(own);
        (unusual(AMOUNT, self.amount_member.as_str()), unusual(CURRENCY, self.currency_member.as_str()))
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        let limits = self.limits.iter().map(|(currency, limits)| {
            let bound = |name, bound: Option<u128>| Some((name, Json::from(currency.write_amount(bound?))));
            let bounds = [bound("min", limits.min), bound("max", limits.max)];
            (currency.code, Json::object(bounds.into_iter().flatten()))
        });
        let (amount, currency) = self.unusual_members();
        let mut members = vec![("limits", Json::object(limits))];
        members.extend(amount.map(|name| ("amount_member", Json::from(name))));
        members.extend(currency.map(|name| ("currency_member", Json::from(name))));
        members
    }

    pub(super) fn check(&self, value: &Json) -> bool {
        let Some((code, amount)) = self.parts(value) else { return false };
        let Some((currency, limits)) = self.limits.iter().find(|(currency, _)| currency.code == code) else {
            return false;
        };
        let Ok(amount) = currency.read_amount(amount) else { return false };
        limits.min.is_none_or(|min| amount >= min) && limits.max.is_none_or(|max| amount <= max)
    }

    /// Currency and amount, of an object of just these two texts or of a text `EUR 12.50`.
    fn parts<'a>(&self, value: &'a Json) -> Option<(&'a str, &'a str)> {
        match value {
            Json::String(text) => text.split_once(' '),
            Json::Object(members) if members.len() == 2 => {
                let member = |name: &str| members.get(name).and_then(Json::as_str);
                Some((member(&self.currency_member)?, member(&self.amount_member)?))
            }
            _ => None,
        }
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        let has_same_members =
            self.amount_member == parent.amount_member && self.currency_member == parent.currency_member;
        let is_within = |(currency, own): (&Currency, &Limits)| {
            parent.limits.get(currency).is_some_and(|wider| own.is_within(wider))
        };
        has_same_members && self.limits.iter().all(is_within)
    }
}

impl Limits {
    fn is_within(&self, wider: &Self) -> bool {
        let min_holds = wider.min.is_none_or(|min| self.min.is_some_and(|own| own >= min));
        let max_holds = wider.max.is_none_or(|max| self.max.is_some_and(|own| own <= max));
        min_holds && max_holds
    }
}

impl Currency {
    /// By its code in capitals.
    pub(crate) fn read(code: &str) -> Result<Self, String> {
        for (decimals, codes) in
            [(2, TWO_DECIMALS), (0, NO_DECIMALS), (3, THREE_DECIMALS), (4, FOUR_DECIMALS)]
        {
            if let Some(code) = codes.split(' ').find(|known| *known == code) {
                return Ok(Self { code, decimals });
            }
        }
        Err(format!("`{}` is no currency of ISO 4217 in use", shown(code)))
    }

    /// The code.
    pub(crate) const fn code(self) -> &'static str {
        self.code
    }

    /// The amount in the smallest unit: digits without sign, blank or leading zero, and at most as many decimals as the
    /// currency has.
    pub(crate) fn read_amount(self, text: &str) -> Result<u128, String> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let decimals = usize::from(self.decimals);
        let is_plain = is_number(whole)
            && whole.len() <= WHOLE_DIGITS_MAX
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(|fraction| is_number(fraction) && fraction.len() <= decimals);
        let units = format!("{whole}{:0<decimals$}", fraction.unwrap_or_default());
        let wrong = || {
            let code = self.code;
            format!(
                "an amount of {code} is digits with at most {decimals} decimals, without sign or leading zero"
            )
        };
        if is_plain { units.parse().map_err(|_| wrong()) } else { Err(wrong()) }
    }

    /// As [`Currency::read_amount`] reads it, with all its decimals.
    pub(crate) fn write_amount(self, units: u128) -> String {
        let decimals = usize::from(self.decimals);
        let digits = format!("{units:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

/// The currencies and funds of ISO 4217 in use in 2026, by their decimals ("minor units"); metals, testing codes and
/// units of account that have none are left out.
const TWO_DECIMALS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN \
    BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ \
    GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP \
    MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG \
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD \
    XCD XCG YER ZAR ZMW ZWG";
const NO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";
const FOUR_DECIMALS: &str = "CLF UYW";
