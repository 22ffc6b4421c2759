//! RFC 8785: the canonical form, against the RFC's own examples and by property.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is not as it must be")]

use killick_proof::Code;
use killick_proof::json::{Json, Number};
use proptest::prelude::*;

fn parse(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
}

#[test]
fn every_vector_holds() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/json/jcs.json");
    let file = Json::parse(&std::fs::read(path).unwrap()).unwrap();
    let cases = file.get("cases").unwrap().as_array().unwrap();
    assert!(cases.len() >= 30);
    for case in cases {
        let text = |name: &str| case.get(name).and_then(Json::as_str);
        let input = text("input").unwrap();
        let result = Json::parse(input.as_bytes()).and_then(|value| value.to_jcs());
        let (canonical, code) = match &result {
            Ok(bytes) => (Some(std::str::from_utf8(bytes).unwrap()), None),
            Err(refusal) => (None, Some(refusal.code().as_str())),
        };
        assert_eq!((canonical, code), (text("canonical"), text("code")), "{input}");
    }
}

/// RFC 8785 appendix B: the bits of a double, and its text. Those whose text is exact come back as themselves.
#[test]
fn numbers_of_appendix_b() {
    for (bits, text) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        assert_eq!(parse(text).to_jcs().unwrap(), text.as_bytes());
        assert_eq!(text.parse::<f64>().unwrap(), f64::from_bits(bits));
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        number().prop_map(Json::Number),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Json::Object),
        ]
    })
}

fn number() -> impl Strategy<Value = Number> {
    (any::<bool>(), "[0-9]{1,20}", prop::option::of("[0-9]{1,20}"), prop::option::of(-400_i32..400)).prop_map(
        |(negative, whole, fraction, exponent)| {
            let whole = whole.trim_start_matches('0');
            let mut text =
                format!("{}{}", if negative { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
            text.extend(fraction.map(|digits| format!(".{digits}")));
            text.extend(exponent.map(|exponent| format!("e{exponent}")));
            Number::parse(&text).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read_back(value in json()) {
        prop_assert_eq!(Json::parse(&value.to_bytes()).unwrap(), value);
    }

    #[test]
    fn the_canonical_form_is_its_own_canonical_form(value in json()) {
        match value.to_jcs() {
            Ok(bytes) => {
                let again = Json::parse(&bytes).unwrap();
                prop_assert_eq!(again.to_jcs().unwrap(), bytes);
                prop_assert_eq!(again, value);
            }
            Err(refusal) => prop_assert_eq!(refusal.code(), Code::ArgNumber),
        }
    }

    #[test]
    fn serde_reads_what_we_accept_as_the_same(text in r#"[\[\]{}:,"a\\u0-9. eE+\-tfn]{0,24}"#) {
        // An independent parser accepts all that we do, and finds the same in it.
        if let Ok(value) = Json::parse(text.as_bytes()) {
            let other: serde_json::Value = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
            if value.to_jcs().is_ok() && other != serde_json::Value::Null {
                let ours: serde_json::Value = serde_json::from_slice(&value.to_jcs().unwrap()).unwrap();
                prop_assert_eq!(ours.to_string().replace(".0", ""), other.to_string().replace(".0", ""));
            }
        }
    }

    #[test]
    fn anything_at_all_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::parse(&bytes);
    }

    #[test]
    fn order_agrees_with_integers(left in any::<i64>(), right in any::<i64>(), shift in 0_u32..30) {
        prop_assert_eq!(Number::from_i64(left).cmp(&Number::from_i64(right)), left.cmp(&right));
        let shifted = |value: i64| Number::parse(&format!("{value}e-{shift}")).unwrap();
        prop_assert_eq!(shifted(left).cmp(&shifted(right)), left.cmp(&right));
        prop_assert_eq!(Number::parse(&shifted(left).to_text()).unwrap(), shifted(left));
    }
}
