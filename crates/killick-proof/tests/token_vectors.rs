//! The golden vectors of `vectors/token/`: chains of anybody's tokens, and what the draft says of them.
//!
//! The files are what counts; other implementations run them too. They were written by the ignored test at the end,
//! from keys that follow from numbers, so that writing them again changes nothing:
//! `cargo test -p killick-proof --test token_vectors -- --ignored`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

use std::path::{Path, PathBuf};

use killick_proof::chain::Anchors;
use killick_proof::fixtures::{NOW, key, uuid};
use killick_proof::json::Json;
use killick_proof::keys::{PublicKey, SigningKey, base64url, sha256};
use killick_proof::pop::verify_pop;
use killick_proof::verified::verify_chain;
use killick_proof::{Refusal, UnixTime};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/token")
}

#[test]
fn every_vector_gets_its_verdict_and_code() {
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = Json::parse_file(&path);
        for case in file.get("cases").unwrap().as_array().unwrap() {
            let id = text(case, "id").unwrap();
            let expected = text(case.get("expected").unwrap(), "code");
            let got = run(case).err();
            let code = got.as_ref().map(|refusal| refusal.code().as_str());
            let verdict = if code.is_none() { "permit" } else { "deny" };
            let same = code == expected && text(case.get("expected").unwrap(), "verdict") == Some(verdict);
            if !same {
                wrong.push(format!("{}: {id}: {expected:?} expected, got {got:?}", path.display()));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 100, "{count} vectors");
}

fn run(case: &Json) -> Result<(), Refusal> {
    let list = |name: &str| case.get(name).unwrap().as_array().unwrap();
    let number = |name: &str| case.get(name).unwrap().as_number().unwrap().as_u64().unwrap();
    let chain: Vec<&str> = list("chain").iter().map(|token| token.as_str().unwrap()).collect();
    let keys: Vec<PublicKey> = list("anchors")
        .iter()
        .map(|jwk| PublicKey::from_jwk(&serde_json::from_slice(&jwk.to_bytes()).unwrap()).unwrap())
        .collect();
    let anchors = Anchors { keys: &keys, lifetime_secs_max: number("lifetime_max") };
    let now = UnixTime::from_secs(number("now"));
    let tool = text(case, "tool").unwrap();
    let chain = verify_chain(&chain.join("~"), &anchors, now)?;
    let args = Json::parse(text(case, "args").unwrap().as_bytes())?;
    let args = args.as_object().unwrap();
    chain.check(tool, args)?;
    if let Some(pop) = text(case, "pop") {
        verify_pop(pop, &chain, tool, args, text(case, "audience"), now)?;
    }
    Ok(())
}

fn text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Json::as_str)
}

trait ParseFile {
    fn parse_file(path: &Path) -> Json;
}

impl ParseFile for Json {
    fn parse_file(path: &Path) -> Json {
        Json::parse(&std::fs::read(path).unwrap()).unwrap()
    }
}

// --- how they are written ------------------------------------------------------------------------------------------

/// Signs link `depth`; `signer(0)` is the trust anchor, `signer(n + 1)` the holder of link `n`.
fn signer(depth: u64) -> SigningKey {
    key(100 + depth)
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
}

fn compact(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

fn token(payload: &Json, key: &SigningKey) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"aat+jwt"}}"#, key.id());
    compact(&header, &payload.to_bytes(), key)
}

fn edit(payload: &mut Json, member: &str, value: Option<&str>) {
    let Json::Object(members) = payload else { panic!("a payload is an object") };
    match value {
        Some(text) => members.insert(member.to_owned(), json(text)),
        None => members.remove(member),
    };
}

fn details(tools: &str) -> String {
    format!(r#"[{{"type":"attenuating_agent_token","tools":{tools}}}]"#)
}

fn payload(depth: u64, tools: &str) -> Json {
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
fn chain_with(tools: &[&str], change: impl Fn(usize, &mut Json)) -> Vec<String> {
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

fn chain(tools: &[&str]) -> Vec<String> {
    chain_with(tools, |_, _| {})
}

struct Case {
    id: &'static str,
    note: String,
    chain: Vec<String>,
    now: u64,
    tool: String,
    args: String,
    pop: Option<String>,
    audience: Option<&'static str>,
    code: Option<&'static str>,
}

impl Case {
    fn new(id: &'static str, note: &str, chain: Vec<String>, code: &'static str) -> Self {
        Self {
            id,
            note: note.to_owned(),
            chain,
            now: NOW.secs(),
            tool: "read:invoices".to_owned(),
            args: "{}".to_owned(),
            pop: None,
            audience: None,
            code: (!code.is_empty()).then_some(code),
        }
    }

    fn to_json(&self) -> Json {
        let verdict = if self.code.is_none() { "permit" } else { "deny" };
        let optional = |text: Option<&str>| text.map_or(Json::Null, Json::from);
        Json::object([
            ("id", Json::from(self.id)),
            ("note", Json::from(self.note.as_str())),
            ("beyond_draft", Json::from(BEYOND_DRAFT.contains(&self.id))),
            ("chain", Json::Array(self.chain.iter().map(|token| Json::from(token.as_str())).collect())),
            ("anchors", Json::Array(vec![json(&signer(0).public().to_jwk().to_string())])),
            ("now", Json::from(self.now)),
            ("lifetime_max", Json::from(86_400_u64)),
            ("tool", Json::from(self.tool.as_str())),
            ("args", Json::from(self.args.as_str())),
            ("pop", optional(self.pop.as_deref())),
            ("audience", optional(self.audience)),
            ("expected", Json::object([("verdict", Json::from(verdict)), ("code", optional(self.code))])),
        ])
    }
}

/// Refused by us although the draft alone would permit them: what headers may say, and which keys are keys.
const BEYOND_DRAFT: [&str; 7] =
    ["small-order-key", "typ-other", "typ-number", "kid-path", "kid-number", "kid-stranger", "pop-other-typ"];

const READ: &str = r#"{"read:invoices":{}}"#;
const BOTH: &str = r#"{"execute:payments":{},"read:invoices":{}}"#;

/// The claims and the invariants I1 to I5.
fn invariants() -> Vec<Case> {
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
fn encodings() -> Vec<Case> {
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

/// I4: one constraint above another, and values against it. `pay` takes `x`.
fn subsumption() -> Vec<Case> {
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
fn chain_deep(constraints: &[String]) -> Vec<String> {
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
fn arguments() -> Vec<Case> {
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

/// Section 5.
fn proofs() -> Vec<Case> {
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

#[test]
#[ignore = "writes the vectors"]
fn write_the_vectors() {
    for (name, cases) in [
        ("invariants", invariants()),
        ("encodings", encodings()),
        ("subsumption", subsumption()),
        ("arguments", arguments()),
        ("proofs", proofs()),
    ] {
        let cases: Vec<String> =
            cases.iter().map(|case| format!("    {}", case.to_json().to_text())).collect();
        let text = format!("{{\n  \"cases\": [\n{}\n  ]\n}}\n", cases.join(",\n"));
        std::fs::write(folder().join(format!("{name}.json")), text).unwrap();
    }
}
