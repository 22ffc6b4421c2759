//! How the vectors are written: keys that follow from numbers, the claims and invariants, the encodings.

use killick_proof::fixtures::{NOW, key, uuid};
use killick_proof::json::Json;
use killick_proof::keys::{SigningKey, base64url, sha256};

/// Signs link `depth`; `signer(0)` is the trust anchor, `signer(n + 1)` the holder of link `n`.
pub(crate) fn signer(depth: u64) -> SigningKey {
    key(100 + depth)
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
}

pub(crate) fn compact(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

pub(crate) fn token(payload: &Json, key: &SigningKey) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"aat+jwt"}}"#, key.id());
    compact(&header, &payload.to_bytes(), key)
}

pub(crate) fn edit(payload: &mut Json, member: &str, value: Option<&str>) {
    let Json::Object(members) = payload else { panic!("a payload is an object") };
    match value {
        Some(text) => members.insert(member.to_owned(), json(text)),
        None => members.remove(member),
    };
}

pub(crate) fn details(tools: &str) -> String {
    format!(r#"[{{"type":"attenuating_agent_token","tools":{tools}}}]"#)
}

pub(crate) fn payload(depth: u64, tools: &str) -> Json {
    let jwk = signer(depth + 1).public().to_jwk();
    let issuer =
        if depth == 0 { "https://as.example".to_owned() } else { signer(depth).id().thumbprint_uri() };
    json(&format!(
        r#"{{"jti":"{}","iss":"{issuer}","iat":{},"exp":{},"cnf":{{"jwk":{jwk}}},"del_depth":{depth},"del_max_depth":3,"authorization_details":{}}}"#,
        uuid(depth),
        NOW.secs(),
        NOW.secs() + 3_600,
        details(tools),
    ))
}

/// A chain with these tools at each depth; `change` may alter a link's payload before it is signed.
pub(crate) fn chain_with(tools: &[&str], change: impl Fn(usize, &mut Json)) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for (depth, tools) in tools.iter().enumerate() {
        let mut payload = payload(depth as u64, tools);
        if let Some(parent) = chain.last() {
            let input = parent.rsplit_once('.').unwrap().0;
            edit(&mut payload, "par_hash", Some(&format!("\"{}\"", base64url(&sha256(input.as_bytes())))));
        }
        change(depth, &mut payload);
        chain.push(token(&payload, &signer(depth as u64)));
    }
    chain
}

pub(crate) fn chain(tools: &[&str]) -> Vec<String> {
    chain_with(tools, |_, _| {})
}

pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) note: String,
    pub(crate) chain: Vec<String>,
    pub(crate) now: u64,
    pub(crate) tool: String,
    pub(crate) args: String,
    pub(crate) pop: Option<String>,
    pub(crate) audience: Option<&'static str>,
    /// Which signers are trust anchors.
    pub(crate) anchors: Vec<u64>,
    pub(crate) lifetime_max: u64,
    pub(crate) code: Option<&'static str>,
}

impl Case {
    pub(crate) fn new(id: &'static str, note: &str, chain: Vec<String>, code: &'static str) -> Self {
        Self {
            id,
            note: note.to_owned(),
            chain,
            now: NOW.secs(),
            tool: "read:invoices".to_owned(),
            args: "{}".to_owned(),
            pop: None,
            audience: None,
            anchors: vec![0],
            lifetime_max: 86_400,
            code: (!code.is_empty()).then_some(code),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        let verdict = if self.code.is_none() { "permit" } else { "deny" };
        let optional = |text: Option<&str>| text.map_or(Json::Null, Json::from);
        let jwk = |number: &u64| json(&signer(*number).public().to_jwk().to_string());
        Json::object([
            ("id", Json::from(self.id)),
            ("note", Json::from(self.note.as_str())),
            ("beyond_draft", Json::from(BEYOND_DRAFT.contains(&self.id))),
            ("chain", Json::Array(self.chain.iter().map(|token| Json::from(token.as_str())).collect())),
            ("anchors", Json::Array(self.anchors.iter().map(jwk).collect())),
            ("now", Json::from(self.now)),
            ("lifetime_max", Json::from(self.lifetime_max)),
            ("tool", Json::from(self.tool.as_str())),
            ("args", Json::from(self.args.as_str())),
            ("pop", optional(self.pop.as_deref())),
            ("audience", optional(self.audience)),
            ("expected", Json::object([("verdict", Json::from(verdict)), ("code", optional(self.code))])),
        ])
    }
}

/// Refused by us although the draft alone would permit them: what headers may say, and which keys are keys.
pub(crate) const BEYOND_DRAFT: &[&str] = &[
    "small-order-key",
    "typ-other",
    "typ-number",
    "kid-path",
    "kid-number",
    "kid-stranger",
    "header-jwk",
    "header-jku",
    "header-x5u",
    "header-x5c",
    "pop-other-typ",
];

pub(crate) const READ: &str = r#"{"read:invoices":{}}"#;
pub(crate) const BOTH: &str = r#"{"execute:payments":{},"read:invoices":{}}"#;

/// The claims and the invariants I1 to I5.
pub(crate) fn invariants() -> Vec<Case> {
    let three = [BOTH, READ, READ];
    let derived = |member: &'static str, value: Option<&'static str>| {
        chain_with(&three, move |depth, payload| {
            if depth == 1 {
                edit(payload, member, value)
            }
        })
    };
    let root = |member: &'static str, value: Option<&'static str>| {
        chain_with(&[READ], move |_, payload| edit(payload, member, value))
    };
    let at = |offset: i64| NOW.secs().checked_add_signed(offset).unwrap().to_string();
    let derived_at = |member: &'static str, offset: i64| {
        let value = at(offset);
        chain_with(&three, move |depth, payload| {
            if depth == 1 {
                edit(payload, member, Some(&value))
            }
        })
    };
    let root_at = |member: &'static str, offset: i64| {
        let value = at(offset);
        chain_with(&[READ], move |_, payload| edit(payload, member, Some(&value)))
    };
    let full = chain(&three);
    let mut cases = vec![
        Case::new("root-alone", "the smallest chain", chain(&[READ]), ""),
        Case::new("three-links", "root, middle, leaf", full.clone(), ""),
        Case::new("four-links", "as deep as the root permits", chain(&[BOTH, READ, READ, READ]), ""),
        Case::new(
            "five-links",
            "I2: one deeper than the root permits",
            chain(&[BOTH, READ, READ, READ, READ]),
            "chain.depth",
        ),
        Case::new("empty", "step 1", vec![], "token.missing"),
        Case::new(
            "i1-other-signer",
            "I1: signed by a key that is not the parent's holder",
            {
                let mut forged = payload(1, READ);
                let input = full[0].rsplit_once('.').unwrap().0.as_bytes();
                edit(&mut forged, "par_hash", Some(&format!("\"{}\"", base64url(&sha256(input)))));
                vec![full[0].clone(), token(&forged, &key(666))]
            },
            "chain.signature",
        ),
        Case::new(
            "i1-other-issuer",
            "I1: right signature, another iss",
            derived(
                "iss",
                Some(
                    "\"urn:ietf:params:oauth:jwk-thumbprint:sha-256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
                ),
            ),
            "chain.issuer",
        ),
        Case::new(
            "i1-issuer-uri",
            "I1: the authority's URI in a derived token",
            derived("iss", Some("\"https://as.example\"")),
            "chain.issuer",
        ),
        Case::new("i2-depth-0", "I2: depth repeated", derived("del_depth", Some("0")), "chain.depth"),
        Case::new("i2-depth-2", "I2: depth skipped", derived("del_depth", Some("2")), "chain.depth"),
        Case::new(
            "i2-depth-negative",
            "I2: no natural number",
            derived("del_depth", Some("-1")),
            "chain.depth",
        ),
        Case::new("i2-depth-fraction", "I2: no integer", derived("del_depth", Some("1.5")), "chain.depth"),
        Case::new("i2-depth-text", "I2: no number", derived("del_depth", Some("\"1\"")), "chain.depth"),
        Case::new("i2-depth-1.0", "1.0 is the integer 1", derived("del_depth", Some("1.0")), ""),
        Case::new(
            "i2-max-raised",
            "I2: del_max_depth raised",
            derived("del_max_depth", Some("4")),
            "chain.depth",
        ),
        Case::new(
            "i2-below-own-depth",
            "I2: del_depth above own del_max_depth",
            derived("del_max_depth", Some("0")),
            "chain.depth",
        ),
        Case::new(
            "i2-terminal-parent",
            "I2: the middle may not delegate",
            derived("del_max_depth", Some("1")),
            "chain.depth",
        ),
        Case::new("i2-root-depth", "a root of depth 1", root("del_depth", Some("1")), "chain.depth"),
        Case::new(
            "i2-root-max-33",
            "above MAX_DELEGATION_DEPTH",
            root("del_max_depth", Some("33")),
            "chain.depth",
        ),
        Case::new("i2-root-max-32", "at MAX_DELEGATION_DEPTH", root("del_max_depth", Some("32")), ""),
        Case::new(
            "i3-exp-later",
            "I3: one second later than the parent",
            derived_at("exp", 3_601),
            "chain.lifetime",
        ),
        Case::new(
            "i3-iat-earlier",
            "I3: one second before the parent",
            derived_at("iat", -1),
            "chain.lifetime",
        ),
        Case::new("i3-iat-31s", "I3: beyond the skew", derived_at("iat", 31), "chain.lifetime"),
        Case::new(
            "i3-exp-passed",
            "I3: the link has expired, the root has not",
            derived_at("exp", 0),
            "token.expired",
        ),
        Case::new("i3-root-expired", "step 3e: exp == now", root_at("exp", 0), "token.expired"),
        Case::new("i3-root-iat-30s", "step 3f: within the skew", root_at("iat", 30), ""),
        Case::new("i3-root-iat-31s", "step 3f: beyond the skew", root_at("iat", 31), "clock.skew"),
        Case::new(
            "i3-root-lifetime",
            "step 3h: a second over the bound",
            root_at("exp", 86_401),
            "chain.lifetime",
        ),
        Case::new("i3-root-lifetime-max", "step 3h: at the bound", root_at("exp", 86_400), ""),
        Case::new(
            "i5-other-hash",
            "I5: hash of something else",
            derived("par_hash", Some("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"")),
            "chain.linkage",
        ),
        Case::new("i5-no-hash", "step 4b5", derived("par_hash", None), "chain.order"),
        Case::new(
            "i5-root-hash",
            "step 3d",
            root("par_hash", Some("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"")),
            "chain.order",
        ),
        Case::new("missing-jti", "step 3j", root("jti", None), "token.claims"),
        Case::new("empty-jti", "step 3j", root("jti", Some("\"\"")), "token.claims"),
        Case::new("number-jti", "step 2c", root("jti", Some("7")), "token.claims"),
        Case::new("missing-iss", "step 3k", root("iss", None), "token.claims"),
        Case::new("iss-no-uri", "step 3k", root("iss", Some("\"authority\"")), "token.claims"),
        Case::new("missing-cnf", "step 3l", root("cnf", None), "token.claims"),
        Case::new("missing-details", "step 3m", root("authorization_details", None), "token.claims"),
        Case::new("missing-max-depth", "step 3i", root("del_max_depth", None), "token.claims"),
        Case::new("missing-exp", "", root("exp", None), "token.claims"),
        Case::new("text-exp", "", root("exp", Some("\"9999999999\"")), "token.claims"),
        Case::new("no-entry-root", "step 3m", root("authorization_details", Some("[]")), "chain.entry_count"),
        Case::new(
            "other-types-ignored",
            "section 3.3",
            root(
                "authorization_details",
                Some(
                    r#"[{"type":"other","tools":{"x":1}},{"type":"attenuating_agent_token","tools":{"read:invoices":{}}}]"#,
                ),
            ),
            "",
        ),
        Case::new(
            "two-entries-root",
            "step 3m",
            root(
                "authorization_details",
                Some(
                    r#"[{"type":"attenuating_agent_token","tools":{"read:invoices":{}}},{"type":"attenuating_agent_token","tools":{}}]"#,
                ),
            ),
            "chain.entry_count",
        ),
        Case::new(
            "two-entries-link",
            "step 4n",
            derived(
                "authorization_details",
                Some(
                    r#"[{"type":"attenuating_agent_token","tools":{}},{"type":"attenuating_agent_token","tools":{"read:invoices":{}}}]"#,
                ),
            ),
            "chain.entry_count",
        ),
        Case::new("unknown-claims-ignored", "section 3.4", root("x-more", Some("{\"a\":1}")), ""),
        Case::new(
            "empty-middle",
            "an empty link cannot give back",
            derived("authorization_details", Some("[]")),
            "chain.widened",
        ),
        Case::new(
            "empty-leaf",
            "step 6a",
            {
                chain_with(&[BOTH, READ], |depth, payload| {
                    if depth == 1 {
                        edit(payload, "authorization_details", Some("[]"))
                    }
                })
            },
            "chain.entry_count",
        ),
    ];
    let sibling = chain_with(&[READ], |_, payload| edit(payload, "jti", Some("\"sibling\"")));
    cases.push(Case::new(
        "i5-sibling-parent",
        "I5: another root of the same holder",
        vec![sibling[0].clone(), full[1].clone()],
        "chain.linkage",
    ));
    cases.push(Case::new(
        "spliced",
        "a link of another chain",
        {
            let mut other = payload(2, READ);
            edit(&mut other, "par_hash", Some("\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""));
            vec![full[0].clone(), full[1].clone(), token(&other, &key(666))]
        },
        "chain.broken",
    ));
    cases.push(Case::new(
        "link-removed",
        "the narrowing step skipped",
        vec![full[0].clone(), full[2].clone()],
        "chain.broken",
    ));
    cases.push(Case::new("reversed", "leaf first", full.iter().rev().cloned().collect(), "chain.order"));
    cases.push(Case::new("leaf-alone", "no ancestors", vec![full[2].clone()], "chain.order"));
    cases.push(Case::new(
        "same-token-twice",
        "step 2c",
        vec![full[0].clone(), full[1].clone(), full[1].clone()],
        "chain.cycle",
    ));
    cases.push(Case::new(
        "same-jti-twice",
        "step 2c",
        chain_with(&[BOTH, READ], |_, payload| edit(payload, "jti", Some("\"one\""))),
        "chain.cycle",
    ));
    cases.push(Case::new(
        "self-issued-root",
        "no trust anchor",
        vec![token(&payload(0, READ), &key(666))],
        "token.issuer",
    ));
    for (id, jwk) in [
        (
            "private-key",
            r#"{"jwk":{"crv":"Ed25519","d":"AAAA","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#,
        ),
        ("symmetric-key", r#"{"jwk":{"k":"AAAA","kty":"oct"}}"#),
        ("p256-key", r#"{"jwk":{"crv":"P-256","kty":"EC","x":"AAAA","y":"AAAA"}}"#),
        (
            "small-order-key",
            r#"{"jwk":{"crv":"Ed25519","kty":"OKP","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}"#,
        ),
    ] {
        cases.push(Case::new(id, "step 3l", root("cnf", Some(jwk)), "token.key"));
    }
    let mut other_tool = Case::new("tool-not-granted", "step 6b", full.clone(), "tool.not_granted");
    other_tool.tool = "execute:payments".to_owned();
    cases.push(other_tool);
    let mut case = Case::new("tool-other-case", "section 3.3.1: exact strings", full, "tool.not_granted");
    case.tool = "Read:invoices".to_owned();
    cases.push(case);
    cases
}

/// Headers and encodings.
pub(crate) fn encodings() -> Vec<Case> {
    let good = payload(0, READ);
    let kid = signer(0).id().to_string();
    let with_header = |header: &str| vec![compact(header, &good.to_bytes(), &signer(0))];
    let mut cases = vec![
        Case::new("no-typ-no-kid", "the draft asks for neither", with_header(r#"{"alg":"EdDSA"}"#), ""),
        Case::new("alg-ed25519", "RFC 9864", with_header(r#"{"alg":"Ed25519"}"#), ""),
        Case::new("typ-jwt", "", with_header(r#"{"alg":"EdDSA","typ":"JWT"}"#), ""),
        Case::new("typ-other", "", with_header(r#"{"alg":"EdDSA","typ":"at+jwt"}"#), "token.typ"),
        Case::new("typ-number", "", with_header(r#"{"alg":"EdDSA","typ":1}"#), "token.typ"),
        Case::new("no-alg", "", with_header("{}"), "token.alg"),
        Case::new("alg-hs256", "", with_header(r#"{"alg":"HS256"}"#), "token.alg"),
        Case::new("alg-es256", "does not fit the key", with_header(r#"{"alg":"ES256"}"#), "token.alg"),
        Case::new("alg-case", "", with_header(r#"{"alg":"eddsa"}"#), "token.alg"),
        Case::new("crit", "", with_header(r#"{"alg":"EdDSA","crit":["x"],"x":1}"#), "token.crit"),
        Case::new("crit-empty", "", with_header(r#"{"alg":"EdDSA","crit":[]}"#), "token.crit"),
        Case::new(
            "header-jwk",
            "",
            with_header(&format!(r#"{{"alg":"EdDSA","jwk":{}}}"#, signer(0).public().to_jwk())),
            "token.issuer",
        ),
        Case::new(
            "header-jku",
            "",
            with_header(r#"{"alg":"EdDSA","jku":"https://a.example"}"#),
            "token.issuer",
        ),
        Case::new(
            "header-x5u",
            "",
            with_header(r#"{"alg":"EdDSA","x5u":"https://a.example"}"#),
            "token.issuer",
        ),
        Case::new("header-x5c", "", with_header(r#"{"alg":"EdDSA","x5c":["AAAA"]}"#), "token.issuer"),
        Case::new("kid-right", "", with_header(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#)), ""),
        Case::new("kid-path", "", with_header(r#"{"alg":"EdDSA","kid":"../../dev/null"}"#), "token.kid"),
        Case::new("kid-number", "", with_header(r#"{"alg":"EdDSA","kid":1}"#), "token.kid"),
        Case::new(
            "kid-stranger",
            "names no anchor",
            with_header(&format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, key(666).id())),
            "token.issuer",
        ),
        Case::new("alg-twice", "", with_header(r#"{"alg":"EdDSA","alg":"none"}"#), "json.duplicate_key"),
        Case::new("header-no-json", "", with_header("alg"), "token.encoding"),
    ];
    for (id, header) in [("alg-none", r#"{"alg":"none"}"#), ("alg-None", r#"{"alg":"None"}"#)] {
        let unsigned = format!("{}.{}.", base64url(header.as_bytes()), base64url(&good.to_bytes()));
        cases.push(Case::new(id, "no signature", vec![unsigned], "token.alg"));
    }
    let token = token(&good, &signer(0));
    let (input, signature) = token.rsplit_once('.').unwrap();
    let sized = |bytes: usize| vec![format!("{input}.{}", base64url(&vec![0; bytes]))];
    for (id, bytes) in
        [("signature-zero", 64), ("signature-short", 63), ("signature-long", 65), ("signature-empty", 0)]
    {
        cases.push(Case::new(id, "", sized(bytes), "token.sig"));
    }
    // The last character of 64 bytes carries four bits that must be zero.
    let mut loose = signature.to_owned();
    let last = loose.pop().unwrap();
    loose.push(char::from(last as u8 + 1));
    for (id, altered) in [
        ("stray-bits", format!("{input}.{loose}")),
        ("padding", format!("{token}==")),
        ("newline", format!("{token}\n")),
        ("four-parts", format!("{token}.{signature}")),
        ("two-parts", input.to_owned()),
        ("standard-alphabet", format!("{input}.{}+/", signature.split_at(84).0)),
    ] {
        cases.push(Case::new(id, "", vec![altered], "token.encoding"));
    }
    let text = String::from_utf8(good.to_bytes()).unwrap();
    let raw = |payload: String| vec![compact(r#"{"alg":"EdDSA"}"#, payload.as_bytes(), &signer(0))];
    let twice = format!(
        r#"{},"cnf":{}}}"#,
        text.trim_end_matches('}').to_owned() + "\"",
        good.get("cnf").unwrap().to_text()
    );
    // `trim_end_matches` eats the braces of the last member too, unless it is a string: `jti` is.
    cases.push(Case::new("cnf-twice", "", raw(twice.replace("\"\",", "\",")), "json.duplicate_key"));
    cases.push(Case::new("payload-bom", "", raw(format!("\u{feff}{text}")), "token.claims"));
    cases.push(Case::new("payload-trailing", "", raw(format!("{text}x")), "token.claims"));
    cases.push(Case::new("payload-array", "", raw("[]".to_owned()), "token.claims"));
    cases.push(Case::new(
        "payload-lone-surrogate",
        "",
        raw(text.replacen('{', "{\"x\":\"\\ud800\",", 1)),
        "token.claims",
    ));
    let huge = text.replacen('{', &format!("{{\"x\":\"{}\",", "a".repeat(65_536)), 1);
    cases.push(Case::new("too-large", "step 2a", raw(huge), "limit.size"));
    cases
}
