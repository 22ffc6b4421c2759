//! The vectors at the bounds: times, depths, anchors, numbers, and the spellings that JSON and URIs leave open.

use killick_proof::fixtures::{NOW, key, uuid};
use killick_proof::json::Json;
use killick_proof::keys::{base64url, sha256};

use crate::cases::*;
use crate::constraints::proof;
use crate::text;

/// Times, depths, anchors, lifetimes: just within, at, and just beyond.
pub(crate) fn bounds() -> Vec<Case> {
    let now = NOW.secs();
    let root = |member: &'static str, value: &str| {
        let value = value.to_owned();
        chain_with(&[READ], move |_, payload| edit(payload, member, Some(&value)))
    };
    let link = |member: &'static str, value: &str| {
        let value = value.to_owned();
        chain_with(&[BOTH, READ], move |depth, payload| {
            if depth == 1 {
                edit(payload, member, Some(&value))
            }
        })
    };
    let at = |offset: i64, fraction: &str| format!("{}{fraction}", now.checked_add_signed(offset).unwrap());
    let mut cases = Vec::new();
    let mut add = |id: &'static str, note: &str, chain: Vec<String>, code: &'static str| {
        cases.push(Case::new(id, note, chain, code));
    };
    const FRACTION: &str = "RFC 7519 section 2: a NumericDate may have a fraction";
    add("exp-fraction-after-now", FRACTION, root("exp", &at(0, ".0000000000000000001")), "");
    add("exp-fraction-at-now", FRACTION, root("exp", &at(0, ".000")), "token.expired");
    add("iat-fraction-within-skew", FRACTION, root("iat", &at(29, ".9999999999999999999")), "");
    add("iat-fraction-beyond-skew", FRACTION, root("iat", &at(30, ".0000000000000000001")), "clock.skew");
    add("exp-with-exponent", "one number, however it is written", root("exp", &at(3_600, "000e-3")), "");
    add("exp-huge", "beyond every lifetime", root("exp", "1e400"), "chain.lifetime");
    add("iat-huge", "beyond every clock", root("iat", "1e400"), "clock.skew");
    add("iat-boolean", "no number", root("iat", "true"), "token.claims");
    add("exp-null", "no number", root("exp", "null"), "token.claims");
    add("link-exp-same", "I3: as long as its parent", link("exp", &at(3_600, "")), "");
    add("link-exp-fraction-later", "I3", link("exp", &at(3_600, ".0000000000000000001")), "chain.lifetime");
    add("link-exp-fraction-earlier", "I3", link("exp", &at(3_599, ".9999999999999999999")), "");
    add("link-iat-same", "I3: at the same moment", link("iat", &at(0, ".0")), "");
    add("link-iat-fraction-earlier", "I3", link("iat", &at(-1, ".9999999999999999999")), "chain.lifetime");
    add("link-iat-30s", "I3: within the skew", link("iat", &at(30, "")), "");
    add("link-exp-at-iat", "I3", link_times(10, 10), "chain.lifetime");
    add("link-exp-after-iat", "I3", link_times(10, 11), "");
    add("link-exp-null", "step 4b5", link("exp", "null"), "token.claims");
    add("link-no-iat", "step 4b5", without("iat"), "token.claims");
    add("link-no-exp", "step 4b5", without("exp"), "token.claims");
    add("link-no-iss", "step 4b5", without("iss"), "token.claims");
    add("link-no-jti", "step 4b1", without("jti"), "token.claims");
    add("link-no-cnf", "step 4b2", without("cnf"), "token.claims");
    add("link-no-details", "step 4b3", without("authorization_details"), "token.claims");
    add("link-details-object", "step 4b3", link("authorization_details", "{}"), "token.claims");
    add("link-no-depth", "step 4b4", without("del_depth"), "token.claims");
    add("link-no-max-depth", "step 4b4", without("del_max_depth"), "token.claims");
    add("link-hash-number", "step 4b5", link("par_hash", "7"), "token.claims");
    add("link-hash-empty", "I5", link("par_hash", "\"\""), "chain.linkage");
    add("root-hash-null", "step 3d: present, whatever it is", root("par_hash", "null"), "token.claims");
    add("depth-with-exponent", "10e-1 is the integer 1", link("del_depth", "10e-1"), "");
    add("depth-almost", "no integer", link("del_depth", "1.0000000000000000001"), "chain.depth");
    add("depth-minus-zero", "-0 is 0", root("del_depth", "-0"), "");
    add("depth-beyond-64-bits", "", link("del_depth", "18446744073709551617"), "chain.depth");
    add("max-depth-lowered", "I2", link("del_max_depth", "1"), "");
    add("terminal-root", "I2: del_max_depth 0", terminal_root(), "chain.depth");
    add("as-deep-as-can-be", "32 links below the root", deep(33), "");
    add("deeper-than-can-be", "33 links below the root", deep(34), "chain.depth");
    add(
        "same-scope",
        "section 6: nothing narrowed, to hand the token to another key",
        chain(&[READ, READ]),
        "",
    );
    add("same-holder", "the same key holds two links: step 2c counts tokens, not actors", same_holder(), "");
    add(
        "empty-then-empty",
        "an empty link may have an empty one below it",
        empty_below_empty(),
        "tool.not_granted",
    );
    let details =
        |text: &str| chain_with(&[READ], |_, payload| edit(payload, "authorization_details", Some(text)));
    add(
        "entry-without-tools",
        "section 3.3",
        details(r#"[{"type":"attenuating_agent_token"}]"#),
        "token.claims",
    );
    add(
        "entry-tools-array",
        "section 3.3",
        details(r#"[{"type":"attenuating_agent_token","tools":["read:invoices"]}]"#),
        "token.claims",
    );
    add(
        "entries-of-other-kinds",
        "ignored",
        {
            details(
                r#"[null,1,"attenuating_agent_token",{"type":7},{"type":"attenuating_agent_token","tools":{"read:invoices":{}}}]"#,
            )
        },
        "",
    );
    add(
        "constraints-array",
        "",
        details(r#"[{"type":"attenuating_agent_token","tools":{"read:invoices":[]}}]"#),
        "token.claims",
    );

    let mut second = Case::new("second-anchor", "any anchor may have signed", chain(&[READ]), "");
    second.anchors = vec![7, 0];
    let mut none = Case::new("no-anchor", "nobody is trusted", chain(&[READ]), "token.issuer");
    none.anchors = vec![];
    let mut other = Case::new("other-anchor", "another is trusted", chain(&[READ]), "token.issuer");
    other.anchors = vec![7];
    let mut holder =
        Case::new("holder-as-anchor", "a holder's key is no anchor", chain(&[READ, READ]), "token.issuer");
    holder.anchors = vec![1];
    let mut short = Case::new("lifetime-configured", "at the bound set here", chain(&[READ]), "");
    short.lifetime_max = 3_600;
    let mut shorter =
        Case::new("lifetime-configured-over", "a second over it", chain(&[READ]), "chain.lifetime");
    shorter.lifetime_max = 3_599;
    cases.extend([second, none, other, holder, short, shorter]);
    cases
}

fn without(member: &'static str) -> Vec<String> {
    chain_with(&[BOTH, READ], move |depth, payload| {
        if depth == 1 {
            edit(payload, member, None)
        }
    })
}

fn link_times(iat: u64, exp: u64) -> Vec<String> {
    chain_with(&[BOTH, READ], move |depth, payload| {
        if depth == 1 {
            edit(payload, "iat", Some(&(NOW.secs() + iat).to_string()));
            edit(payload, "exp", Some(&(NOW.secs() + exp).to_string()));
        }
    })
}

fn terminal_root() -> Vec<String> {
    chain_with(&[BOTH, READ], |_, payload| edit(payload, "del_max_depth", Some("0")))
}

fn deep(links: usize) -> Vec<String> {
    chain_with(&vec![READ; links], |_, payload| edit(payload, "del_max_depth", Some("32")))
}

fn same_holder() -> Vec<String> {
    let chain = chain(&[READ, READ]);
    // The middle's holder delegates to itself.
    let holder = signer(2);
    let mut again = payload(2, READ);
    let input = chain[1].rsplit_once('.').unwrap().0;
    edit(&mut again, "par_hash", Some(&format!("\"{}\"", base64url(&sha256(input.as_bytes())))));
    edit(&mut again, "cnf", Some(&format!(r#"{{"jwk":{}}}"#, holder.public().to_jwk())));
    vec![chain[0].clone(), chain[1].clone(), token(&again, &holder)]
}

fn empty_below_empty() -> Vec<String> {
    chain_with(&[BOTH, READ, "{}"], |depth, payload| {
        if depth == 1 {
            edit(payload, "authorization_details", Some("[]"))
        }
    })
}

/// Numbers are compared by exact value; where JCS is applied they must be exact as doubles.
pub(crate) fn numbers() -> Vec<Case> {
    let constrained = |constraint: &str| format!(r#"{{"pay":{{"x":{constraint}}}}}"#);
    let plain = |id: &'static str, note: &str, constraint: &str, value: &str, code: &'static str| {
        let mut case = Case::new(id, note, chain(&[&constrained(constraint)]), code);
        case.tool = "pay".to_owned();
        case.args = format!(r#"{{"x":{value}}}"#);
        case
    };
    const EXACT_1000: &str = r#"{"constraint_type":"exact","value":1000}"#;
    const EXACT_BIG: &str = r#"{"constraint_type":"exact","value":9007199254740993}"#;
    const ONE_OF: &str = r#"{"constraint_type":"one_of","values":[0.1,-0,2.50]}"#;
    const WITHIN: &str = r#"{"constraint_type":"subset","allowed":[1,[2.0],{"a":3e0}]}"#;
    let mut cases = vec![
        plain("thousand-exponent", "", EXACT_1000, "1e3", ""),
        plain("thousand-point", "", EXACT_1000, "1000.0", ""),
        plain("thousand-cents", "", EXACT_1000, "100000e-2", ""),
        plain("thousand-almost", "not rounded", EXACT_1000, "999.99999999999999999", "arg.constraint"),
        plain("thousand-text", "a text is no number", EXACT_1000, "\"1000\"", "arg.constraint"),
        plain(
            "thousand-true",
            "a boolean is no number",
            r#"{"constraint_type":"exact","value":1}"#,
            "true",
            "arg.constraint",
        ),
        plain("2^53+1", "", EXACT_BIG, "9007199254740993", ""),
        plain("2^53", "not rounded", EXACT_BIG, "9007199254740992", "arg.constraint"),
        plain("one-of-tenth", "", ONE_OF, "0.10", ""),
        plain("one-of-zero", "-0 is 0", ONE_OF, "0e5", ""),
        plain(
            "one-of-near-tenth",
            "the double of 0.1 written out",
            ONE_OF,
            "0.1000000000000000055511151231257827",
            "arg.constraint",
        ),
        plain("within-lists", "equality goes into arrays and objects", WITHIN, r#"[{"a":3.0},[2],1e0]"#, ""),
        plain("within-other-list", "", WITHIN, "[[2,2]]", "arg.constraint"),
        plain("leading-zero", "RFC 8259 section 6", EXACT_1000, "01000", "json.invalid"),
        plain("plus-sign", "RFC 8259 section 6", EXACT_1000, "+1000", "json.invalid"),
        plain("no-fraction", "RFC 8259 section 6", EXACT_1000, "1000.", "json.invalid"),
    ];
    let proved = |id: &'static str, note: &str, signed: &str, asked: &str, code: &'static str| {
        let any = constrained(r#"{"constraint_type":"wildcard"}"#);
        let links = chain(&[&any]);
        let mut case = Case::new(id, note, links, code);
        let leaf = payload(0, &any);
        let claims = format!(
            r#"{{"jti":"{}","iat":{},"aat_id":"{}","aat_tool":"pay","hta":{{"x":{signed}}}}}"#,
            uuid(901),
            NOW.secs(),
            text(&leaf, "jti").unwrap(),
        );
        case.tool = "pay".to_owned();
        case.args = format!(r#"{{"x":{asked}}}"#);
        case.pop = Some(compact(r#"{"alg":"EdDSA","typ":"aat-pop+jwt"}"#, claims.as_bytes(), &signer(1)));
        case
    };
    cases.extend([
        proved("hta-other-spelling", "one canonical form", "1e3", "1000.00", ""),
        proved("hta-1e21", "ECMAScript writes an exponent", "1000000000000000000000", "1e21", ""),
        proved("hta-small", "", "0.0000001", "1e-7", ""),
        proved("hta-2^53+1", "no double holds it", "9007199254740993", "9007199254740993", "arg.number"),
        proved(
            "hta-2^53+1-text",
            "so it travels as a text",
            "\"9007199254740993\"",
            "\"9007199254740993\"",
            "",
        ),
        proved("hta-1e400", "no double holds it", "1e400", "1e400", "arg.number"),
        proved(
            "hta-nested-number",
            "at any depth",
            "[{\"a\":0.30000000000000004441}]",
            "[{\"a\":0.3}]",
            "arg.number",
        ),
        proved("hta-member-order", "", r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#, ""),
        proved("hta-escapes", "", r#""\u20ac\/""#, r#""€/""#, ""),
        proved("hta-nfd", "nothing is normalised", "\"e\u{301}\"", "\"é\"", "pop.arguments"),
        proved("hta-null-for-nothing", "", "null", "0", "pop.arguments"),
    ]);
    cases
}

/// What may be written in several ways, and what may not.
pub(crate) fn spellings() -> Vec<Case> {
    let issuer = |id: &'static str, iss: &str, code: &'static str| {
        let iss = Json::from(iss).to_text();
        let chain = chain_with(&[READ], |_, payload| edit(payload, "iss", Some(&iss)));
        Case::new(id, "RFC 3986", chain, code)
    };
    let raw = |id: &'static str, note: &str, change: &dyn Fn(String) -> String, code: &'static str| {
        let text = String::from_utf8(payload(0, READ).to_bytes()).unwrap();
        let changed = change(text);
        Case::new(id, note, vec![compact(r#"{"alg":"EdDSA"}"#, changed.as_bytes(), &signer(0))], code)
    };
    let put = |member: &'static str| move |text: String| text.replacen('{', &format!("{{{member},"), 1);
    let mut cases = vec![
        issuer("iss-urn", "urn:example:as", ""),
        issuer("iss-scheme-only", "a:", ""),
        issuer("iss-ipv6", "https://[2001:db8::7]:8443/as?x#y", ""),
        issuer("iss-ipv6-open", "https://[2001:db8::7", "token.claims"),
        issuer("iss-blank", "https://as.example/a b", "token.claims"),
        issuer("iss-percent", "https://as.example/%41", ""),
        issuer("iss-bad-percent", "https://as.example/%4", "token.claims"),
        issuer("iss-two-fragments", "https://as.example/#a#b", "token.claims"),
        issuer("iss-bad-port", "https://as.example:8a/", "token.claims"),
        issuer("iss-not-ascii", "https://äs.example/", "token.claims"),
        issuer("iss-relative", "//as.example", "token.claims"),
        issuer("iss-empty", "", "token.claims"),
        raw("blanks", "RFC 8259 section 2", &|text| text.replace(',', " ,\r\n\t "), ""),
        raw(
            "escaped-name",
            "`jti` written with an escape is `jti`",
            &|text| text.replace("\"jti\"", "\"\\u006ati\""),
            "",
        ),
        raw("surrogate-pair", "", &put(r#""x":"\ud83d\ude00""#), ""),
        raw("claim-in-other-case", "is another claim", &put(r#""EXP":1"#), ""),
        raw(
            "unknown-claims",
            "sub, aud and scope are nothing of the draft's",
            &put(r#""sub":1,"aud":[],"scope":null"#),
            "",
        ),
        raw("exp-twice", "RFC 7519 section 4", &put(r#""exp":9999999999"#), "json.duplicate_key"),
        raw("jti-twice", "the escape does not hide it", &put(r#""\u006ati":"x""#), "token.claims"),
        raw(
            "tool-twice",
            "section 3.3.1",
            &|text| text.replace(READ, r#"{"read:invoices":{},"read:invoices":{}}"#),
            "json.duplicate_key",
        ),
        raw(
            "argument-twice",
            "",
            &|text| {
                text.replace(READ, r#"{"read:invoices":{"a":{"constraint_type":"wildcard"},"\u0061":{"constraint_type":"wildcard"}}}"#)
            },
            "json.duplicate_key",
        ),
        raw(
            "twin-in-unknown-claim",
            "nowhere in a token",
            &put(r#""x":[{"a":1,"a":1}]"#),
            "json.duplicate_key",
        ),
        raw("comment", "", &|text| format!("{text}//"), "token.claims"),
        raw("single-quotes", "", &put("'x':1"), "token.claims"),
        raw("nul", "a control character in a text", &put("\"x\":\"\0\""), "token.claims"),
    ];
    const UNICODE: &str = r#"{"läs:fil":{}}"#;
    let mut case = Case::new("tool-nfc", "exact characters", chain(&[UNICODE]), "");
    case.tool = "läs:fil".to_owned();
    cases.push(case);
    let mut case =
        Case::new("tool-nfd", "section 3.3.1: no normalisation", chain(&[UNICODE]), "tool.not_granted");
    case.tool = "la\u{308}s:fil".to_owned();
    cases.push(case);
    let mut case = Case::new("args-twice", "an argument given twice", chain(&[READ]), "json.duplicate_key");
    case.args = r#"{"a":1,"a":1}"#.to_owned();
    cases.push(case);

    // Section 5.2 asks the holder for canonical JSON; section 7 step 7f compares canonical forms, so that it is no ground for
    // a refusal.
    cases.push(proof("pop-not-canonical", |claims| claims.replace(',', ", "), &signer(2), ""));
    cases.push(proof("pop-unknown-claim", |claims| claims.replacen('{', "{\"x\":1,", 1), &signer(2), ""));
    cases.push(proof(
        "pop-claim-twice",
        |claims| claims.replacen('{', "{\"iat\":1,", 1),
        &signer(2),
        "json.duplicate_key",
    ));
    cases.push(proof("pop-stranger", |claims| claims, &key(666), "pop.mismatch"));
    cases.push(proof("pop-by-anchor", |claims| claims, &signer(0), "pop.mismatch"));
    let mut missing = proof("pop-empty", |claims| claims, &signer(2), "pop.missing");
    missing.pop = Some(String::new());
    cases.push(missing);
    let mut unbound =
        proof("pop-audience-not-asked", |claims| claims.replace("https://g1.example", "x"), &signer(2), "");
    unbound.audience = None;
    cases.push(unbound);
    let mut unbound =
        proof("pop-audience-number", |claims| claims.replace("\"https://g1.example\"", "1"), &signer(2), "");
    unbound.audience = None;
    cases.push(unbound);
    cases
}
