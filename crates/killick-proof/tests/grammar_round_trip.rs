//! The human syntax: what it means, where it is wrong, and that printing and parsing are inverse.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

mod constraint_space;

use std::collections::BTreeMap;

use constraint_space::{Draws, TOPICS};
use killick_proof::constraint::{Constraint, Range};
use killick_proof::grammar::{
    ActionPattern, ActionSchemas, ArgumentSchema, BundleRef, Compiled, Grant, describe,
};
use killick_proof::json::{Json, Number};
use proptest::prelude::*;

/// A small catalogue: `name` required, `name?` optional.
struct Catalogue;

const ACTIONS: [(&str, &[&str]); 6] = [
    ("read:invoices", &["limit?", "status?"]),
    ("read:invoice", &["id"]),
    ("read:health", &[]),
    ("create:payment-draft", &["amount", "currency", "iban", "memo?"]),
    ("execute:payments", &["draft"]),
    ("cancel:shipment", &["id"]),
];

impl ActionSchemas for Catalogue {
    fn actions(&self) -> Vec<String> {
        ACTIONS.iter().map(|(action, _)| (*action).to_owned()).collect()
    }

    fn arguments(&self, action: &str) -> Option<Vec<ArgumentSchema>> {
        let (_, names) = ACTIONS.iter().find(|(name, _)| *name == action)?;
        let schema = |name: &&str| ArgumentSchema {
            name: name.trim_end_matches('?').to_owned(),
            required: !name.ends_with('?'),
        };
        Some(names.iter().map(schema).collect())
    }
}

fn compile(text: &str) -> Compiled {
    Grant::parse(text)
        .and_then(|grant| grant.compile(&Catalogue))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The JSON form of one action's constraints.
fn map(compiled: &Compiled, action: &str) -> BTreeMap<String, String> {
    compiled.tools[action]
        .iter()
        .map(|(name, constraint)| (name.clone(), constraint.to_json().to_text()))
        .collect()
}

fn entries<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(name, json)| (name.to_owned(), json.to_owned())).into()
}

const ANYTHING: &str = r#"{"constraint_type":"wildcard"}"#;
const LEFT_OUT: &str = r#"{"constraint_type":"exact","value":null}"#;

#[test]
fn the_whiteboard_line_compiles_closed_over_the_catalogue() {
    let compiled = compile(
        r#"read:invoices; create:payment-draft(amount <= 500, currency in {EUR, USD}, iban == "DE89 3704"); execute:none; deny cancel:shipment"#,
    );
    assert_eq!(compiled.tools.keys().collect::<Vec<_>>(), ["create:payment-draft", "read:invoices"]);
    assert_eq!(map(&compiled, "read:invoices"), entries([("limit", LEFT_OUT), ("status", LEFT_OUT)]));
    assert_eq!(
        map(&compiled, "create:payment-draft"),
        entries([
            ("amount", r#"{"constraint_type":"range","max":500}"#),
            ("currency", r#"{"constraint_type":"one_of","values":["EUR","USD"]}"#),
            ("iban", r#"{"constraint_type":"exact","value":"DE89 3704"}"#),
            ("memo", LEFT_OUT),
        ])
    );
    assert_eq!(
        compiled.deny.iter().map(ActionPattern::as_str).collect::<Vec<_>>(),
        ["execute:*", "cancel:shipment"]
    );
}

#[test]
fn each_test_means_its_constraint() {
    for (test, json) in [
        ("", ANYTHING),
        ("== *", ANYTHING),
        ("<= 500", r#"{"constraint_type":"range","max":500}"#),
        ("<1e3", r#"{"constraint_type":"range","max":1000,"max_inclusive":false}"#),
        (">=-0.50", r#"{"constraint_type":"range","min":-0.5}"#),
        ("> 0 and <= 500", r#"{"constraint_type":"range","max":500,"min":0,"min_inclusive":false}"#),
        ("<= 500 and >= 1", r#"{"constraint_type":"range","max":500,"min":1}"#),
        ("in 1..500", r#"{"constraint_type":"range","max":500,"min":1}"#),
        ("in 0.5 .. 1.5", r#"{"constraint_type":"range","max":1.5,"min":0.5}"#),
        ("<= 9007199254740993", r#"{"constraint_type":"range","max":9007199254740993}"#),
        ("number", r#"{"constraint_type":"range"}"#),
        ("== EUR", r#"{"constraint_type":"exact","value":"EUR"}"#),
        ("== \"a \\u0062\"", r#"{"constraint_type":"exact","value":"a b"}"#),
        ("== 5", r#"{"constraint_type":"exact","value":5}"#),
        ("== \"5\"", r#"{"constraint_type":"exact","value":"5"}"#),
        ("== true", r#"{"constraint_type":"exact","value":true}"#),
        ("!= x", r#"{"constraint_type":"not_one_of","excluded":["x"]}"#),
        (
            "in {A, \"b c\", 1, null, [1, {\"k\": x}]}",
            r#"{"constraint_type":"one_of","values":["A","b c",1,null,[1,{"k":"x"}]]}"#,
        ),
        ("in {}", r#"{"constraint_type":"one_of","values":[]}"#),
        ("not in {A}", r#"{"constraint_type":"not_one_of","excluded":["A"]}"#),
        ("has {audit}", r#"{"constraint_type":"contains","required":["audit"]}"#),
        ("within {a, b}", r#"{"allowed":["a","b"],"constraint_type":"subset"}"#),
    ] {
        let grant = Grant::parse(&format!("a:b(x {test})")).unwrap_or_else(|error| panic!("{test}: {error}"));
        assert_eq!(grant.permits[0].1["x"].to_json().to_text(), json, "{test}");
        assert_eq!(Grant::parse(&grant.to_string()).unwrap(), grant, "{grant}");
    }
}

#[test]
fn each_extension_has_its_word() {
    for (test, members, canonical) in [
        (
            r#"url("https://hooks.acme.example")"#,
            r#"url","host":"hooks.acme.example","schemes":["https"]"#,
            r#"url("https://hooks.acme.example/")"#,
        ),
        (
            r#"url("wss,https://*.acme.example:8443/hooks/")"#,
            r#"url","host_suffix":"acme.example","path_prefix":"/hooks/","port":8443,"schemes":["https","wss"]"#,
            r#"url("https,wss://*.acme.example:8443/hooks/")"#,
        ),
        (r#"path ( "/srv/reports" )"#, r#"path","root":"/srv/reports""#, r#"path("/srv/reports")"#),
        (r#"pattern("INV-*")"#, r#"pattern","pattern":"INV-*""#, r#"pattern("INV-*")"#),
        ("iban", r#"iban""#, "iban"),
        ("iban(NL, DE)", r#"iban","countries":["DE","NL"]"#, "iban(DE, NL)"),
        (
            r#"iban("DE89370400440532013000")"#,
            r#"iban","ibans":["DE89370400440532013000"]"#,
            r#"iban("DE89370400440532013000")"#,
        ),
        (
            "money(EUR<=500, USD in 1..200.5, JPY >= 3, CHF, amount: value, currency: \"c c\")",
            concat!(
                r#"currency_amount","amount_member":"value","currency_member":"c c","limits":{"CHF":{},"#,
                r#""EUR":{"max":"500.00"},"JPY":{"min":"3"},"USD":{"max":"200.50","min":"1.00"}}"#
            ),
            "money(CHF, EUR <= 500.00, JPY >= 3, USD in 1.00..200.50, amount: value, currency: \"c c\")",
        ),
        ("time", r#"time_window""#, "time"),
        (
            r#"time("2026-01-01T01:00:00+01:00".., daily "08:00".."18:00")"#,
            r#"time_window","daily":{"from":"08:00","to":"18:00"},"not_before":"2026-01-01T00:00:00Z""#,
            r#"time("2026-01-01T00:00:00Z".., daily "08:00".."18:00")"#,
        ),
        (
            r#"time(.."2026-12-31T23:59:59.50Z")"#,
            r#"time_window","not_after":"2026-12-31T23:59:59.5Z""#,
            r#"time(.."2026-12-31T23:59:59.5Z")"#,
        ),
        (r#"time(daily "00:00".."24:00")"#, r#"time_window""#, "time"),
        (
            "fields(name, dob!, \"two words\")",
            r#"fields","allowed":["dob","name","two words"],"required":["dob"]"#,
            "fields(dob!, name, \"two words\")",
        ),
        ("fields()", r#"fields","allowed":[]"#, "fields()"),
        (
            r#"cidr("2001:db8::/32", "10.0.0.0/8")"#,
            r#"cidr","networks":["10.0.0.0/8","2001:db8::/32"]"#,
            r#"cidr("10.0.0.0/8", "2001:db8::/32")"#,
        ),
    ] {
        let json = Json::parse(format!(r#"{{"constraint_type":"killick_{members}}}"#).as_bytes()).unwrap();
        let grant = Grant::parse(&format!("a:b(x {test})")).unwrap_or_else(|error| panic!("{test}: {error}"));
        assert_eq!(grant.permits[0].1["x"].to_json(), json, "{test}");
        assert_eq!(grant.to_string(), format!("a:b(x {canonical})"));
        assert_eq!(Grant::parse(&grant.to_string()).unwrap(), grant, "{grant}");
    }
    // They stand wherever a test does.
    let text = r#"a:b(from? cidr("10.0.0.0/8"), x iban and not in {A} or == B)"#;
    assert_eq!(Grant::parse(text).unwrap().to_string(), text);
}

#[test]
fn errors_in_extensions_point_at_the_item() {
    let mut wrong = Vec::new();
    for (test, column, suggestion) in [
        (r#"urll("https://acme.example/")"#, 7, Some("url")),
        ("url", 10, None),
        ("url(https)", 11, Some("\"")),
        ("url()", 10, None),
        (r#"url("acme.example")"#, 11, None),
        (r#"url("ftp://acme.example")"#, 11, None),
        (r#"url("https://ACME.example")"#, 11, None),
        (r#"url("https://10.0.0.1/")"#, 11, None),
        (r#"url("https://acme.example/../")"#, 11, None),
        (r#"url("https://acme.example:0/")"#, 11, None),
        (r#"path("srv")"#, 12, None),
        (r#"path("/srv/")"#, 12, None),
        (r#"path("/srv", "/etc")"#, 11, None),
        (r#"pattern("a**b")"#, 15, None),
        ("iban()", 11, None),
        ("iban(DE, QQ)", 16, None),
        (r#"iban(DE, "DE89370400440532013000")"#, 16, None),
        (r#"iban("DE89370400440532013001")"#, 12, None),
        ("iban(DE NL)", 15, Some(")")),
        ("money(EUR <= 1.001)", 20, None),
        ("money(EUR <= -1)", 20, None),
        ("money(EUR <= 05)", 20, None),
        ("money(EUR < 5)", 17, None),
        ("money(JPY <= 5.0)", 20, None),
        ("money(EUR, XAU)", 18, None),
        ("money(EUR, EUR)", 18, None),
        ("money(EUR in 5)", 21, Some("..")),
        ("money(EUR in 5..4)", 7, None),
        ("money(amount: value)", 7, None),
        ("money(EUR, amount: currency)", 7, None),
        ("money(EUR, sum: value)", 18, None),
        ("time()", 11, None),
        ("time(..)", 14, None),
        (r#"time("2026-01-01")"#, 12, None),
        (r#"time("2026-02-29T00:00:00Z"..)"#, 12, None),
        (r#"time("2026-01-02T00:00:00Z".."2026-01-01T00:00:00Z")"#, 7, None),
        (r#"time(daily "18:00".."08:00")"#, 12, None),
        (r#"time(daily "08:00")"#, 25, Some("..")),
        ("fields(a b)", 16, Some(")")),
        ("fields(a, -)", 17, None),
        (r#"cidr("10.0.0.1/8")"#, 12, None),
        (r#"cidr("10.0.0.0/8", "10.0.0.1")"#, 26, None),
        ("cidr()", 7, None),
    ] {
        let error = Grant::parse(&format!("a:b(x {test})")).expect_err(test);
        if (error.column, error.suggestion.as_deref()) != (column, suggestion) {
            wrong.push(format!("{test}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn optional_arguments_may_be_left_out() {
    let compiled = compile("read:invoices(limit? <= 100, status?)");
    let null = r#"{"constraint_type":"exact","value":null}"#;
    assert_eq!(
        map(&compiled, "read:invoices"),
        entries([
            (
                "limit",
                &format!(
                    r#"{{"constraint_type":"any","constraints":[{null},{{"constraint_type":"range","max":100}}]}}"#
                )
            ),
            ("status", &format!(r#"{{"constraint_type":"any","constraints":[{null},{ANYTHING}]}}"#)),
        ])
    );
    let limit = &compiled.tools["read:invoices"]["limit"];
    assert!(
        limit.check(&Json::Null) && limit.check(&Json::from(100_i64)) && !limit.check(&Json::from(101_i64))
    );
}

#[test]
fn wildcards_resolve_when_granted_and_leave_out_what_is_denied() {
    let compiled = compile("read:*; deny read:invoice");
    assert_eq!(compiled.tools.keys().collect::<Vec<_>>(), ["read:health", "read:invoices"]);
    assert_eq!(compile("*:*; execute:none; deny cancel:shipment").tools.len(), 4);
    // What is said of one action counts before what is said of many, in whichever order.
    for text in ["read:*; read:invoices(limit? <= 5)", "read:invoices(limit? <= 5); read:*"] {
        assert_ne!(compile(text).tools["read:invoices"]["limit"], Constraint::Exact(Json::Null), "{text}");
    }
    // Nothing that is granted has an open world, unless there is nothing to say.
    let open: Vec<_> = compile("*:*").tools.into_iter().filter(|(_, map)| map.is_empty()).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].0, "read:health");
}

#[test]
fn errors_point_at_the_column_and_suggest() {
    let mut wrong = Vec::new();
    for (text, column, suggestion) in [
        ("", 1, None),
        (";", 1, None),
        ("read", 1, None),
        ("dney cancel:shipment", 1, Some("deny")),
        ("read:invoices(limit = 5)", 21, Some("==")),
        ("read:invoices(limit =< 5)", 21, Some("<=")),
        ("read:invoices(limit ≥ 5)", 21, Some(">=")),
        ("read:invoices(limit <= five)", 24, None),
        ("read:invoices(limit <= 05)", 24, None),
        ("read:invoices(limit witin {1})", 21, Some("within")),
        ("read:invoices(limit <= 5", 25, Some(")")),
        ("read:invoices(limit <= 5 adn >= 1)", 26, Some("and")),
        ("read:invoices(limit, )", 22, None),
        ("read:invoices(limit, limit)", 22, None),
        ("read:invoices(status in {a b})", 28, Some("}")),
        ("read:invoices(status == 'a')", 25, Some("\"")),
        ("read:invoices(status == \"a)", 25, Some("\"")),
        ("read:invoices(status == {a})", 26, None),
        ("read:invoices(status == [a])", 25, Some("in {…}")),
        ("read:invoices(limit in 1)", 25, Some("..")),
        ("read:invoices, read:invoice", 14, Some(";")),
        ("read:invoices; read:invoices", 16, None),
        ("read:invoices read:invoice", 15, None),
        ("deny execute:none", 14, Some("execute:*")),
        ("deny execute:payments(draft == 1)", 22, None),
        ("read:inv*", 6, None),
        ("read:invoices:all", 6, None),
        ("läs:invoices", 1, None),
        // Found when compiled.
        ("read:invoces", 1, Some("read:invoices")),
        ("execute:none; read:invoices; create:paymentdraft", 30, Some("create:payment-draft")),
        ("read:invoices(limt? <= 5)", 15, Some("limit")),
        ("create:payment-draft(amount? <= 5)", 22, Some("amount")),
        ("write:*", 1, None),
        ("read:*(limit <= 5)", 8, None),
        ("execute:payments; execute:none", 1, None),
        ("read:invoices; deny cancel:shipmnt", 21, Some("cancel:shipment")),
        ("*:invoices(limit? <= 5); read:*", 26, None),
    ] {
        let error = Grant::parse(text).and_then(|grant| grant.compile(&Catalogue)).expect_err(text);
        if (error.column, error.suggestion.as_deref()) != (column, suggestion) {
            wrong.push(format!("{text}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A deny may speak of what does not exist yet.
    compile("read:invoices; deny launch:rockets");
}

#[test]
fn describe_says_what_was_written() {
    for text in [
        "read:invoices",
        "create:payment-draft(amount <= 500, currency in {EUR, USD}); execute:none; deny cancel:shipment",
        "read:invoices(limit? in 1..100, status?)",
        "cancel:shipment(id == \"S 1\"); read:invoice(id != \"17\" and not in {x})",
    ] {
        let compiled = compile(text);
        let described = describe(&compiled.tools, &compiled.deny);
        assert_eq!(compile(&described), compiled, "{described}");
    }
    let compiled = compile("read:invoices; execute:none");
    assert_eq!(describe(&compiled.tools, &compiled.deny), "read:invoices; execute:none");
    assert_eq!(describe(&BTreeMap::new(), &[]), "nothing");
    let foreign = BTreeMap::from([("https://a.example/tool".to_owned(), BTreeMap::new())]);
    assert_eq!(describe(&foreign, &[]), "\"https://a.example/tool\"");
}

#[test]
fn constraints_speak_for_themselves() {
    let range = Constraint::Range(Range { max: Number::parse("500"), ..Range::default() });
    assert_eq!(range.to_human("amount"), "amount <= 500");
    assert_eq!(Constraint::Wildcard.to_human("memo"), "memo");
    assert_eq!(
        Constraint::Any(vec![Constraint::Exact(Json::Null), range]).to_human("amount"),
        "amount? <= 500"
    );
    assert_eq!(Constraint::Exact(Json::from("true")).to_human("two words"), "\"two words\" == \"true\"");
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        (any::<i32>(), -40_i32..40).prop_map(|(digits, exponent)| Json::Number(
            Number::parse(&format!("{digits}e{exponent}")).unwrap()
        )),
        "[A-Za-z_][A-Za-z0-9_.-]{0,6}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..3).prop_map(Json::Object),
        ]
    })
}

fn number() -> impl Strategy<Value = Number> {
    (any::<i32>(), -30_i32..30)
        .prop_map(|(digits, exponent)| Number::parse(&format!("{digits}e{exponent}")).unwrap())
}

/// Numbers to draw from, as proptest makes and shrinks them.
fn rows() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..120)
}

/// Every constraint that the syntax can say; `and` and `or` join two or more.
fn constraint() -> impl Strategy<Value = Constraint> {
    let values = || prop::collection::vec(value(), 0..4);
    let scalar = value().prop_filter("a scalar", |value| !matches!(value, Json::Array(_) | Json::Object(_)));
    let leaf = prop_oneof![
        Just(Constraint::Wildcard),
        (prop::sample::select(TOPICS.to_vec()), rows())
            .prop_map(|(topic, row)| Draws::new(row).constraint(topic, 0)),
        scalar.prop_map(Constraint::Exact),
        (prop::option::of(number()), prop::option::of(number()), any::<bool>(), any::<bool>()).prop_map(
            |(min, max, low, high)| Constraint::Range(Range {
                min_exclusive: low && min.is_some(),
                max_exclusive: high && max.is_some(),
                min,
                max,
            })
        ),
        values().prop_map(Constraint::OneOf),
        values().prop_map(Constraint::NotOneOf),
        values().prop_map(Constraint::Contains),
        values().prop_map(Constraint::Subset),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Constraint::All),
            prop::collection::vec(inner, 2..4).prop_map(Constraint::Any),
        ]
    })
}

fn pattern() -> impl Strategy<Value = ActionPattern> {
    "([a-z][a-z0-9_.-]{0,5}|\\*):([a-z][a-z0-9_.-]{0,5}|\\*)"
        .prop_filter("`none` is a deny", |text| !text.ends_with(":none"))
        .prop_map(|text| ActionPattern::parse(&text).unwrap())
}

fn grant() -> impl Strategy<Value = Grant> {
    let argument = prop_oneof!["[a-zA-Z_][a-zA-Z0-9_-]{0,5}".boxed(), any::<String>().boxed()];
    let map = prop::collection::btree_map(argument, constraint(), 0..3);
    let permits = prop::collection::btree_map(pattern(), map, 0..3);
    let denies = prop::collection::btree_set(pattern(), 0..3);
    let bundle = ("[a-zA-Z][a-zA-Z0-9_.-]{0,5}", prop::option::of(1_u64..));
    let bundles = prop::collection::btree_map(bundle.0, bundle.1, 0..3);
    (bundles, permits, denies)
        .prop_filter("says something", |(bundles, permits, denies)| {
            !bundles.is_empty() || !permits.is_empty() || !denies.is_empty()
        })
        .prop_map(|(bundles, permits, denies)| {
            let mut grant = Grant::new(permits.into_iter().collect(), denies.into_iter().collect());
            grant.bundles = bundles.into_iter().map(|(name, version)| BundleRef { name, version }).collect();
            grant
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_printed_is_parsed_back(grant in grant()) {
        let text = grant.to_string();
        let again = Grant::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(&again, &grant, "{}", text);
        prop_assert_eq!(again.to_string(), text);
    }

    #[test]
    fn any_text_is_parsed_or_refused_at_a_column_in_it(text in "\\PC{0,40}") {
        if let Err(error) = Grant::parse(&text) {
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 2, "{error}");
        }
    }

    #[test]
    fn nearly_right_text_is_parsed_or_refused(text in "(read:invoices|create:x|deny a:b|execute:none)?[(]?[a-z?<>=!.{}()\\[\\]\", 0-9;:*-]{0,30}") {
        if let Ok(grant) = Grant::parse(&text) {
            prop_assert_eq!(Grant::parse(&grant.to_string()).unwrap(), grant);
        }
    }
}
