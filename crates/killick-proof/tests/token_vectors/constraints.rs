//! The vectors of constraints, arguments and proofs of possession.

use killick_proof::fixtures::{NOW, uuid};
use killick_proof::keys::{SigningKey, base64url, sha256};

use crate::cases::*;
use crate::text;

/// I4: one constraint above another, and values against it. `pay` takes `x`.
pub(crate) fn subsumption() -> Vec<Case> {
    let constrained = |constraint: &str| format!(r#"{{"pay":{{"x":{constraint}}}}}"#);
    let pair = |id: &'static str, parent: &str, child: &str, value: &str, code: &'static str| {
        let mut case = Case::new(id, "", chain(&[&constrained(parent), &constrained(child)]), code);
        case.note = format!("{child} below {parent}, called with {value}");
        case.tool = "pay".to_owned();
        case.args = format!(r#"{{"x":{value}}}"#);
        case
    };
    const EXACT_1: &str = r#"{"constraint_type":"exact","value":1}"#;
    const UP_TO_100: &str = r#"{"constraint_type":"range","max":100}"#;
    const BELOW_100: &str = r#"{"constraint_type":"range","max":100,"max_inclusive":false}"#;
    const FROM_0_TO_100: &str = r#"{"constraint_type":"range","max":100,"min":0}"#;
    const EUR_USD: &str = r#"{"constraint_type":"one_of","values":["EUR","USD"]}"#;
    const NOT_17: &str = r#"{"constraint_type":"not_one_of","excluded":["17"]}"#;
    const HAS_AUDIT: &str = r#"{"constraint_type":"contains","required":["audit"]}"#;
    const WITHIN_AB: &str = r#"{"constraint_type":"subset","allowed":["a","b"]}"#;
    const ANY_FILE: &str = r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"csv"}]}"#;
    const ALL_0_TO_100: &str = r#"{"constraint_type":"all","constraints":[{"constraint_type":"range","max":100},{"constraint_type":"range","min":0}]}"#;
    const WILDCARD: &str = r#"{"constraint_type":"wildcard"}"#;
    let mut cases = vec![
        pair("exact-same", EXACT_1, EXACT_1, "1", ""),
        pair("exact-1.0", EXACT_1, r#"{"constraint_type":"exact","value":1.0}"#, "1e0", ""),
        pair("exact-text", EXACT_1, r#"{"constraint_type":"exact","value":"1"}"#, "\"1\"", "chain.widened"),
        pair("exact-true", EXACT_1, r#"{"constraint_type":"exact","value":true}"#, "true", "chain.widened"),
        pair("exact-array", EXACT_1, r#"{"constraint_type":"exact","value":[1]}"#, "[1]", "chain.widened"),
        pair("exact-in-range", UP_TO_100, r#"{"constraint_type":"exact","value":100}"#, "100", ""),
        pair(
            "exact-at-open-end",
            BELOW_100,
            r#"{"constraint_type":"exact","value":100}"#,
            "100",
            "chain.widened",
        ),
        pair("exact-in-one-of", EUR_USD, r#"{"constraint_type":"exact","value":"EUR"}"#, "\"EUR\"", ""),
        pair(
            "exact-below-not-one-of",
            NOT_17,
            r#"{"constraint_type":"exact","value":"18"}"#,
            "\"18\"",
            "chain.widened",
        ),
        pair("range-tighter", FROM_0_TO_100, r#"{"constraint_type":"range","max":50,"min":1}"#, "50", ""),
        pair("range-no-min", FROM_0_TO_100, UP_TO_100, "-5", "chain.widened"),
        pair(
            "range-null-max",
            FROM_0_TO_100,
            r#"{"constraint_type":"range","max":null,"min":0}"#,
            "1e6",
            "chain.widened",
        ),
        pair("range-closes", BELOW_100, UP_TO_100, "100", "chain.widened"),
        pair("range-opens", UP_TO_100, BELOW_100, "99.99999999999999999", ""),
        pair(
            "range-not-a-double",
            BELOW_100,
            r#"{"constraint_type":"range","max":99.99999999999999999}"#,
            "100",
            "arg.constraint",
        ),
        pair(
            "range-2^53",
            r#"{"constraint_type":"range","max":9007199254740992}"#,
            r#"{"constraint_type":"range","max":9007199254740993}"#,
            "1",
            "chain.widened",
        ),
        pair("range-huge", UP_TO_100, UP_TO_100, "1e400", "arg.constraint"),
        pair("range-minus-zero", FROM_0_TO_100, FROM_0_TO_100, "-0", ""),
        pair("range-text", UP_TO_100, UP_TO_100, "\"50\"", "arg.constraint"),
        pair("range-nan", UP_TO_100, UP_TO_100, "NaN", "json.invalid"),
        pair("one-of-fewer", EUR_USD, r#"{"constraint_type":"one_of","values":["USD"]}"#, "\"USD\"", ""),
        pair(
            "one-of-more",
            EUR_USD,
            r#"{"constraint_type":"one_of","values":["EUR","CHF"]}"#,
            "\"CHF\"",
            "chain.widened",
        ),
        pair(
            "one-of-not-one-of",
            EUR_USD,
            r#"{"constraint_type":"not_one_of","excluded":["GBP"]}"#,
            "\"CHF\"",
            "chain.widened",
        ),
        pair("one-of-wildcard", EUR_USD, WILDCARD, "\"CHF\"", "chain.widened"),
        pair(
            "one-of-any",
            EUR_USD,
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"EUR"}]}"#,
            "\"EUR\"",
            "chain.widened",
        ),
        pair(
            "not-one-of-more",
            NOT_17,
            r#"{"constraint_type":"not_one_of","excluded":["17","18"]}"#,
            "\"19\"",
            "",
        ),
        pair(
            "not-one-of-fewer",
            NOT_17,
            r#"{"constraint_type":"not_one_of","excluded":[]}"#,
            "\"17\"",
            "chain.widened",
        ),
        pair("not-one-of-value", NOT_17, NOT_17, "\"17\"", "arg.constraint"),
        pair(
            "contains-more",
            HAS_AUDIT,
            r#"{"constraint_type":"contains","required":["audit","x"]}"#,
            r#"["x","audit"]"#,
            "",
        ),
        pair(
            "contains-fewer",
            HAS_AUDIT,
            r#"{"constraint_type":"contains","required":[]}"#,
            "[]",
            "chain.widened",
        ),
        pair("contains-scalar", HAS_AUDIT, HAS_AUDIT, "\"audit\"", "arg.constraint"),
        pair(
            "subset-fewer",
            WITHIN_AB,
            r#"{"constraint_type":"subset","allowed":["a"]}"#,
            r#"["a","a"]"#,
            "",
        ),
        pair(
            "subset-more",
            WITHIN_AB,
            r#"{"constraint_type":"subset","allowed":["a","b","c"]}"#,
            r#"["c"]"#,
            "chain.widened",
        ),
        pair("subset-empty-value", WITHIN_AB, WITHIN_AB, "[]", ""),
        pair(
            "any-fewer",
            ANY_FILE,
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"csv"}]}"#,
            "\"csv\"",
            "",
        ),
        pair(
            "any-more",
            ANY_FILE,
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"docx"}]}"#,
            "\"docx\"",
            "chain.widened",
        ),
        pair(
            "any-none",
            ANY_FILE,
            r#"{"constraint_type":"any","constraints":[]}"#,
            "\"exe\"",
            "chain.widened",
        ),
        pair(
            "any-all-none",
            ANY_FILE,
            r#"{"constraint_type":"all","constraints":[]}"#,
            "\"exe\"",
            "chain.widened",
        ),
        pair(
            "any-plain",
            ANY_FILE,
            r#"{"constraint_type":"exact","value":"pdf"}"#,
            "\"pdf\"",
            "chain.widened",
        ),
        pair(
            "all-kept",
            ALL_0_TO_100,
            r#"{"constraint_type":"all","constraints":[{"constraint_type":"range","min":5},{"constraint_type":"wildcard"},{"constraint_type":"range","max":7}]}"#,
            "6",
            "",
        ),
        pair(
            "all-dropped",
            ALL_0_TO_100,
            r#"{"constraint_type":"all","constraints":[{"constraint_type":"range","max":100}]}"#,
            "-5",
            "chain.widened",
        ),
        pair(
            "all-one-for-two",
            ALL_0_TO_100,
            r#"{"constraint_type":"all","constraints":[{"constraint_type":"exact","value":50}]}"#,
            "50",
            "chain.widened",
        ),
        pair(
            "all-two-for-two",
            ALL_0_TO_100,
            r#"{"constraint_type":"all","constraints":[{"constraint_type":"exact","value":50},{"constraint_type":"exact","value":50}]}"#,
            "50",
            "",
        ),
        pair("wildcard-kept", WILDCARD, WILDCARD, "{\"a\":[]}", ""),
        pair("wildcard-narrowed", WILDCARD, ANY_FILE, "\"csv\"", ""),
        pair(
            "unknown-type",
            WILDCARD,
            r#"{"constraint_type":"path_containment","root":"/"}"#,
            "\"/\"",
            "constraint.unknown",
        ),
        pair(
            "unknown-in-any",
            WILDCARD,
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"a"},{"constraint_type":"x-new"}]}"#,
            "\"a\"",
            "constraint.unknown",
        ),
        pair("no-type", WILDCARD, r#"{"value":1}"#, "1", "constraint.unknown"),
        pair("value-twice", WILDCARD, WILDCARD, r#"{"a":1,"a":2}"#, "json.duplicate_key"),
    ];
    // A greedy matching takes the widest child clause for the widest parent clause and strands the narrow ones.
    let clauses =
        |texts: Vec<String>| format!(r#"{{"constraint_type":"all","constraints":[{}]}}"#, texts.join(","));
    let parents =
        (0..12).rev().map(|i| format!(r#"{{"constraint_type":"range","max":{i},"min":0}}"#)).collect();
    let children = (0..12).map(|i| format!(r#"{{"constraint_type":"range","max":{i},"min":0}}"#)).collect();
    cases.push(pair("all-needs-matching", &clauses(parents), &clauses(children), "0", ""));
    let nested = |depth: usize| {
        (1..depth).fold(WILDCARD.to_owned(), |inner, level| {
            let kind = if level % 2 == 0 { "all" } else { "any" };
            format!(r#"{{"constraint_type":"{kind}","constraints":[{inner}]}}"#)
        })
    };
    let deep = |tools: [String; 2]| chain_deep(&tools);
    let mut at = Case::new("depth-32", "MAX_CONSTRAINT_DEPTH", deep([nested(32), nested(32)]), "");
    let mut beyond =
        Case::new("depth-33-root", "step 3n", deep([nested(33), nested(33)]), "constraint.depth");
    for case in [&mut at, &mut beyond] {
        case.tool = "pay".to_owned();
        case.args = r#"{"x":1}"#.to_owned();
    }
    cases.extend([at, beyond]);
    cases
}

/// As [`chain`], for constraints that are nested deeper than [`Json::parse`] reads.
pub(crate) fn chain_deep(constraints: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for (depth, constraint) in constraints.iter().enumerate() {
        let mut claims = payload(depth as u64, r#"{"pay":{"x":"HERE"}}"#);
        if let Some(parent) = chain.last() {
            let input = parent.rsplit_once('.').unwrap().0;
            edit(&mut claims, "par_hash", Some(&format!("\"{}\"", base64url(&sha256(input.as_bytes())))));
        }
        let text = claims.to_text().replace("\"HERE\"", constraint);
        let signer = signer(depth as u64);
        chain.push(compact(
            &format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, signer.id()),
            text.as_bytes(),
            &signer,
        ));
    }
    chain
}

/// Step 6b and the shape of the constraint map.
pub(crate) fn arguments() -> Vec<Case> {
    const PAY: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100}}}"#;
    const WITH_MEMO: &str =
        r#"{"pay":{"amount":{"constraint_type":"range","max":100},"memo":{"constraint_type":"wildcard"}}}"#;
    const OPEN: &str = r#"{"pay":{}}"#;
    const NOT_X: &str = r#"{"pay":{"account":{"constraint_type":"not_one_of","excluded":["x"]}}}"#;
    const OPTIONAL: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100},"cc":{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":null},{"constraint_type":"wildcard"}]}}}"#;
    const LEFT_OUT: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100},"cc":{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":null}]}}}"#;
    [
        ("within", vec![PAY], r#"{"amount":100}"#, ""),
        ("outside", vec![PAY], r#"{"amount":100.01}"#, "arg.constraint"),
        ("absent", vec![PAY], "{}", "arg.missing"),
        ("unlisted", vec![PAY], r#"{"amount":1,"memo":"x"}"#, "arg.unlisted"),
        ("open-world", vec![OPEN], r#"{"anything":[1]}"#, ""),
        ("closed-below-open", vec![OPEN, PAY], r#"{"amount":1}"#, ""),
        ("opened-below-closed", vec![PAY, OPEN], r#"{"amount":5000}"#, "chain.widened"),
        ("key-added", vec![PAY, WITH_MEMO], r#"{"amount":1,"memo":"x"}"#, "chain.widened"),
        ("key-dropped", vec![WITH_MEMO, PAY], r#"{"amount":1}"#, "chain.widened"),
        ("negative-constraint-absent", vec![NOT_X], "{}", "arg.missing"),
        ("negative-constraint-null", vec![NOT_X], r#"{"account":null}"#, ""),
        (
            "tool-added",
            vec![PAY, r#"{"pay":{"amount":{"constraint_type":"range","max":100}},"read:invoices":{}}"#],
            r#"{"amount":1}"#,
            "chain.widened",
        ),
        ("optional-omitted", vec![OPTIONAL], r#"{"amount":1,"cc":null}"#, ""),
        ("optional-given", vec![OPTIONAL], r#"{"amount":1,"cc":"a@b"}"#, ""),
        (
            "optional-forbidden-below",
            vec![OPTIONAL, LEFT_OUT],
            r#"{"amount":1,"cc":"a@b"}"#,
            "arg.constraint",
        ),
        ("optional-forbidden-below-omitted", vec![OPTIONAL, LEFT_OUT], r#"{"amount":1,"cc":null}"#, ""),
    ]
    .into_iter()
    .map(|(id, tools, args, code)| {
        let mut case = Case::new(id, "", chain(&tools), code);
        case.note = format!("{args} against {}", tools.last().unwrap());
        case.tool = "pay".to_owned();
        case.args = args.to_owned();
        case
    })
    .collect()
}

/// A call of `pay` under two links, with a proof whose payload `change` may alter before `holder` signs it.
pub(crate) fn proof(
    id: &'static str,
    change: impl Fn(String) -> String,
    holder: &SigningKey,
    code: &'static str,
) -> Case {
    const PAY: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100}}}"#;
    let mut case = Case::new(id, "", chain(&[PAY, PAY]), code);
    let claims = json(&format!(
        r#"{{"jti":"{}","iat":{},"aat_id":"{}","aat_tool":"pay","aat_aud":"https://g1.example","hta":{{"amount":1}}}}"#,
        uuid(902),
        NOW.secs(),
        uuid(1),
    ));
    let claims = change(String::from_utf8(claims.to_jcs().unwrap()).unwrap());
    case.tool = "pay".to_owned();
    case.args = r#"{"amount":1}"#.to_owned();
    case.pop = Some(compact(r#"{"alg":"EdDSA","typ":"aat-pop+jwt"}"#, claims.as_bytes(), holder));
    case.audience = Some("https://g1.example");
    case
}

/// Section 5.
pub(crate) fn proofs() -> Vec<Case> {
    const PAY: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100},"to":{"constraint_type":"wildcard"}},"read:invoices":{}}"#;
    let links = chain(&[PAY, PAY]);
    let leaf = payload(1, PAY);
    let claims = |changes: &[(&str, Option<&str>)]| {
        let mut claims = json(&format!(
            r#"{{"jti":"{}","iat":{},"aat_id":"{}","aat_tool":"pay","aat_aud":"https://g1.example","hta":{{"amount":1,"to":"x"}}}}"#,
            uuid(900),
            NOW.secs(),
            text(&leaf, "jti").unwrap(),
        ));
        changes.iter().for_each(|(member, value)| edit(&mut claims, member, *value));
        claims.to_jcs().unwrap()
    };
    let signed = |changes: &[(&str, Option<&str>)]| {
        compact(r#"{"alg":"EdDSA","typ":"aat-pop+jwt"}"#, &claims(changes), &signer(2))
    };
    let at = |offset: i64| NOW.secs().checked_add_signed(offset).unwrap().to_string();
    let case = |id: &'static str, pop: String, args: &str, code: &'static str| {
        let mut case = Case::new(id, "", links.clone(), code);
        case.tool = "pay".to_owned();
        case.args = args.to_owned();
        case.pop = Some(pop);
        case.audience = Some("https://g1.example");
        case
    };
    const ARGS: &str = r#"{"amount":1,"to":"x"}"#;
    let mut cases = vec![
        case("pop", signed(&[]), ARGS, ""),
        case("pop-other-spelling", signed(&[]), r#"{"to":"\u0078", "amount":1.0}"#, ""),
        case("pop-no-typ", compact(r#"{"alg":"EdDSA"}"#, &claims(&[]), &signer(2)), ARGS, ""),
        case(
            "pop-other-typ",
            compact(r#"{"alg":"EdDSA","typ":"aat+jwt"}"#, &claims(&[]), &signer(2)),
            ARGS,
            "token.typ",
        ),
        case("pop-alg-none", compact(r#"{"alg":"none"}"#, &claims(&[]), &signer(2)), ARGS, "token.alg"),
        case("pop-other-key", compact(r#"{"alg":"EdDSA"}"#, &claims(&[]), &signer(1)), ARGS, "pop.mismatch"),
        case("pop-other-token", signed(&[("aat_id", Some("\"x\""))]), ARGS, "pop.mismatch"),
        case(
            "pop-other-audience",
            signed(&[("aat_aud", Some("\"https://g2.example\""))]),
            ARGS,
            "pop.audience",
        ),
        case("pop-no-audience", signed(&[("aat_aud", None)]), ARGS, "pop.audience"),
        case("pop-other-tool", signed(&[("aat_tool", Some("\"read:invoices\""))]), ARGS, "pop.tool"),
        case("pop-near-tool", signed(&[("aat_tool", Some("\"pay \""))]), ARGS, "pop.tool"),
        case("pop-other-amount", signed(&[]), r#"{"amount":10,"to":"x"}"#, "pop.arguments"),
        case("pop-no-hta", signed(&[("hta", None)]), ARGS, "token.claims"),
        case("pop-no-jti", signed(&[("jti", None)]), ARGS, "token.claims"),
        case("pop-30s-old", signed(&[("iat", Some(&at(-30)))]), ARGS, ""),
        case("pop-31s-old", signed(&[("iat", Some(&at(-31)))]), ARGS, "pop.time"),
        case("pop-30s-ahead", signed(&[("iat", Some(&at(30)))]), ARGS, ""),
        case("pop-31s-ahead", signed(&[("iat", Some(&at(31)))]), ARGS, "pop.time"),
        case(
            "pop-inexact-number",
            signed(&[]),
            r#"{"amount":0.1000000000000000055511151231257827,"to":"x"}"#,
            "arg.number",
        ),
        case("pop-bad-chain-first", String::from("x"), r#"{"amount":101,"to":"x"}"#, "arg.constraint"),
    ];
    cases[0].note = "signed by the leaf's holder, for this call".to_owned();
    cases
}
