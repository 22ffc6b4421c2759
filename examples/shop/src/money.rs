//! Money: a JSON number of euros (or of the currency named beside it) with at most two decimals, kept as integer cents.
//!
//! A JSON number makes `amount <= 500` mean what people read. A double holds every such number below ten million
//! exactly enough that its shortest decimal text is the text that was sent, so the cents are exact.

use serde_json::{Number, Value};

use crate::error::ShopError;
use crate::limits::AMOUNT_CENTS_MAX;

/// Cents of an amount. Errs for what is no positive number with at most two decimals, or beyond the bound.
pub fn cents(value: &Value, name: &str) -> Result<i64, ShopError> {
    let bad = || ShopError::invalid(format!("`{name}` must be a positive number with at most two decimals"));
    let Value::Number(number) = value else { return Err(bad()) };
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let fraction: i64 = match fraction.as_bytes() {
        [] => 0,
        [tenths] if tenths.is_ascii_digit() => i64::from(tenths - b'0') * 10,
        [tenths, hundredths] if tenths.is_ascii_digit() && hundredths.is_ascii_digit() => {
            i64::from(tenths - b'0') * 10 + i64::from(hundredths - b'0')
        }
        _ => return Err(bad()),
    };
    let cents = whole
        .parse::<i64>()
        .ok()
        .and_then(|whole| whole.checked_mul(100))
        .and_then(|cents| cents.checked_add(fraction))
        .ok_or_else(bad)?;
    if (1..=AMOUNT_CENTS_MAX).contains(&cents) { Ok(cents) } else { Err(bad()) }
}

/// The amount as a JSON number: an integer where there are no cents.
pub fn amount(cents: i64) -> Value {
    if cents % 100 == 0 {
        return Value::from(cents / 100);
    }
    // Within the bound a double holds two decimals so that its shortest text is exact.
    let text = format!("{}.{:02}", cents / 100, (cents % 100).abs());
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (value, expected) in [
            (json!(500), 50_000),
            (json!(19.99), 1_999),
            (json!(0.1), 10),
            (json!(9_999_999.99), 999_999_999),
        ] {
            assert_eq!(cents(&value, "amount").unwrap(), expected);
            assert_eq!(amount(expected), value);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for value in
            [json!(-1), json!(0), json!(1.999), json!(1e300), json!("5"), json!(null), json!(10_000_001)]
        {
            assert!(cents(&value, "amount").is_err(), "{value}");
        }
    }
}
