//! A chain that anybody touches: every byte of it, and every claim that an invariant of AAT draft section 4 speaks of. Each
//! change is refused, and the claims for the right reason.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

use std::collections::BTreeMap;

use killick_proof::chain::Anchors;
use killick_proof::constraint::{Constraint, Range};
use killick_proof::fixtures::{NOW, World, key, tools, uuid};
use killick_proof::json::{Json, Number};
use killick_proof::keys::{SigningKey, base64url, sha256};
use killick_proof::pop::{Pop, verify_pop};
use killick_proof::token::{Claims, Tools};
use killick_proof::verified::verify_chain;
use killick_proof::{Code, Refusal, UnixTime, Verified};

fn signer(depth: usize) -> SigningKey {
    key(300 + depth as u64)
}

fn pay(max: i64) -> Tools {
    let amount = Constraint::Range(Range { max: Some(Number::from_i64(max)), ..Range::default() });
    Tools::from([("pay".to_owned(), BTreeMap::from([("amount".to_owned(), amount)]))])
}

/// Link `depth` of a chain of three that pays less and less; under no profile.
fn claims(depth: usize) -> Claims {
    Claims {
        jti: uuid(depth as u64),
        iss: match depth {
            0 => "https://as.example".to_owned(),
            _ => signer(depth).id().thumbprint_uri(),
        },
        iat: NOW.secs() - 10 + depth as u64,
        exp: NOW.secs() + 600 - depth as u64,
        holder_key: signer(depth + 1).public().clone(),
        del_depth: depth as u64,
        del_max_depth: 3,
        par_hash: None,
        tools: Some(pay(300 - depth as i64)),
        killick: None,
    }
}

fn sign(payload: &Json, key: &SigningKey) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"aat+jwt"}}"#, key.id());
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(&payload.to_bytes()));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

fn set(payload: &mut Json, member: &str, value: Json) {
    let Json::Object(members) = payload else { return };
    members.insert(member.to_owned(), value);
}

/// The chain, every link signed after `change` was done to its payload; what stands below commits to what was signed.
fn chain_with(change: impl Fn(usize, &mut Json)) -> String {
    let mut chain: Vec<String> = Vec::new();
    for depth in 0..3 {
        let mut payload = claims(depth).to_json();
        if let Some(parent) = chain.last() {
            set(&mut payload, "par_hash", Json::from(Claims::parent_hash(parent)));
        }
        change(depth, &mut payload);
        chain.push(sign(&payload, &signer(depth)));
    }
    chain.join("~")
}

fn verify(chain: &str) -> Result<Verified<killick_proof::chain::Chain>, Refusal> {
    let keys = [signer(0).public().clone()];
    verify_chain(chain, &Anchors { keys: &keys, lifetime_secs_max: 86_400 }, NOW)
}

#[test]
fn every_byte_changed_to_many_others_is_refused() {
    let good = chain_with(|_, _| {});
    verify(&good).unwrap();
    let mut tried = 0_usize;
    for at in 0..good.len() {
        let here = good.as_bytes()[at];
        let flipped = (0..7).map(|bit| here ^ (1 << bit));
        // Beside every bit, some bytes that mean something in a chain, and some that move with the place.
        let moving = (0..6).map(|step| {
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(at * 11 + step * 13) % 64]
        });
        for other in flipped.chain(*b".~=+/ \n\0").chain(moving).filter(|other| *other != here) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = other;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(verify(&altered).is_err(), "byte {at} became {other:#04x}");
            tried += 1;
        }
        let (mut shorter, mut longer) = (good.clone(), good.clone());
        shorter.remove(at);
        longer.insert(at, char::from(here));
        assert!(verify(&shorter).is_err(), "byte {at} dropped");
        // A digit of a run may be doubled where it stands; that is no other chain.
        assert!(longer == good || verify(&longer).is_err(), "byte {at} doubled");
    }
    assert!(tried > 18 * good.len(), "{tried} changes of {} bytes", good.len());
}

/// One claim changed in one link, signed anew by the link's rightful signer: the attacker holds that key.
struct Changed {
    invariant: &'static str,
    what: &'static str,
    link: usize,
    member: &'static str,
    value: Json,
    code: Code,
}

fn text(text: &str) -> Json {
    Json::from(text)
}

fn number(text: &str) -> Json {
    Json::Number(Number::parse(text).unwrap())
}

fn details(tools: &str) -> Json {
    Json::parse(format!(r#"[{{"type":"attenuating_agent_token","tools":{tools}}}]"#).as_bytes()).unwrap()
}

fn table() -> Vec<Changed> {
    let now = NOW.secs();
    let at = |offset: i64| Json::from(now.checked_add_signed(offset).unwrap());
    let mut rows = Vec::new();
    let mut add = |invariant, what, link, member, value, code| {
        rows.push(Changed { invariant, what, link, member, value, code });
    };
    // I1: iss == jwk_thumbprint_uri(parent.cnf.jwk).
    for (link, other) in [(1, 2), (2, 1), (2, 3)] {
        let issuer = Json::from(signer(other).id().thumbprint_uri());
        add("I1", "another key's thumbprint", link, "iss", issuer, Code::ChainIssuer);
    }
    for link in [1, 2] {
        let right = signer(link).id().thumbprint_uri();
        add("I1", "the authority's URI", link, "iss", text("https://as.example"), Code::ChainIssuer);
        add("I1", "a bare thumbprint", link, "iss", text(signer(link).id().as_str()), Code::TokenClaims);
        add(
            "I1",
            "another hash",
            link,
            "iss",
            Json::from(right.replace("sha-256", "sha-512")),
            Code::ChainIssuer,
        );
        add("I1", "another case", link, "iss", Json::from(right.replace("urn", "URN")), Code::ChainIssuer);
        add("I1", "no text", link, "iss", number("1"), Code::TokenClaims);
        add("I1", "padding", link, "iss", Json::from(format!("{right}=")), Code::ChainIssuer);
    }
    // I2.
    for (link, depth) in
        [(0, "1"), (0, "-1"), (1, "0"), (1, "2"), (1, "1.5"), (1, "-1"), (2, "1"), (2, "3"), (2, "33")]
    {
        add("I2", "del_depth", link, "del_depth", number(depth), Code::ChainDepth);
    }
    for (link, max) in [
        (0, "33"),
        (0, "0"),
        (0, "1"),
        (0, "-1"),
        (1, "4"),
        (1, "0"),
        (1, "1"),
        (2, "4"),
        (2, "1"),
        (2, "2.5"),
    ] {
        add("I2", "del_max_depth", link, "del_max_depth", number(max), Code::ChainDepth);
    }
    for link in 0..3 {
        for member in ["del_depth", "del_max_depth"] {
            add("I2", "a text", link, member, text("1"), Code::ChainDepth);
            add("I2", "null", link, member, Json::Null, Code::ChainDepth);
        }
    }
    // I3.
    for (link, member, value, code) in [
        (0, "exp", at(0), Code::TokenExpired),
        (0, "exp", at(-1), Code::TokenExpired),
        (0, "exp", at(86_391), Code::ChainLifetime),
        (0, "iat", at(31), Code::ClockSkew),
        (0, "iat", at(-85_801), Code::ChainLifetime),
        (1, "exp", at(601), Code::ChainLifetime),
        (1, "exp", at(0), Code::TokenExpired),
        (1, "iat", at(-11), Code::ChainLifetime),
        (1, "iat", at(31), Code::ChainLifetime),
        (2, "exp", at(600), Code::ChainLifetime),
        (2, "exp", at(0), Code::TokenExpired),
        (2, "iat", at(-10), Code::ChainLifetime),
        (2, "iat", at(31), Code::ChainLifetime),
        (2, "exp", number("1790000599.5"), Code::ChainLifetime),
        (2, "iat", number("1789999990.5"), Code::ChainLifetime),
    ] {
        add("I3", "a time beyond its bound", link, member, value, code);
    }
    // I4.
    let amount = |constraint: &str| details(&format!(r#"{{"pay":{{"amount":{constraint}}}}}"#));
    for link in [1, 2] {
        for (what, value) in [
            ("a tool more", details(r#"{"pay":{"amount":{"constraint_type":"range","max":1}},"read":{}}"#)),
            ("another tool", details(r#"{"Pay":{"amount":{"constraint_type":"range","max":1}}}"#)),
            (
                "an argument more",
                details(
                    r#"{"pay":{"amount":{"constraint_type":"range","max":1},"to":{"constraint_type":"wildcard"}}}"#,
                ),
            ),
            ("an argument less", details(r#"{"pay":{}}"#)),
            ("a higher bound", amount(r#"{"constraint_type":"range","max":301}"#)),
            ("a bound a hair higher", amount(r#"{"constraint_type":"range","max":300.0000000000000000001}"#)),
            ("no bound", amount(r#"{"constraint_type":"range"}"#)),
            ("the other bound", amount(r#"{"constraint_type":"range","min":0}"#)),
            ("null as a bound", amount(r#"{"constraint_type":"range","max":null}"#)),
            ("a wildcard", amount(r#"{"constraint_type":"wildcard"}"#)),
            ("a value beyond", amount(r#"{"constraint_type":"exact","value":301}"#)),
            ("a value of another type", amount(r#"{"constraint_type":"exact","value":"1"}"#)),
            ("a complement", amount(r#"{"constraint_type":"not_one_of","excluded":[301]}"#)),
            ("a pair not on the list", amount(r#"{"constraint_type":"one_of","values":[1]}"#)),
            (
                "an any",
                amount(r#"{"constraint_type":"any","constraints":[{"constraint_type":"range","max":1}]}"#),
            ),
            (
                "an all",
                amount(r#"{"constraint_type":"all","constraints":[{"constraint_type":"range","max":1}]}"#),
            ),
            ("an empty all", amount(r#"{"constraint_type":"all","constraints":[]}"#)),
        ] {
            add("I4", what, link, "authorization_details", value, Code::ChainWidened);
        }
        let unknown = amount(r#"{"constraint_type":"x-unknown","max":1}"#);
        add("I4", "an unknown type", link, "authorization_details", unknown, Code::ConstraintUnknown);
        let entry = r#"{"type":"attenuating_agent_token","tools":{}}"#;
        let two = Json::parse(format!("[{entry},{entry}]").as_bytes()).unwrap();
        add("I4", "two entries", link, "authorization_details", two, Code::ChainEntryCount);
    }
    add(
        "I4",
        "given back below nothing",
        1,
        "authorization_details",
        Json::Array(vec![]),
        Code::ChainWidened,
    );
    add("I4", "nothing in the leaf", 2, "authorization_details", Json::Array(vec![]), Code::ChainEntryCount);
    // I5.
    let root = sign(&claims(0).to_json(), &signer(0));
    let (input, _) = root.rsplit_once('.').unwrap();
    let payload = claims(0).to_json().to_bytes();
    let hash = |bytes: &[u8]| base64url(&sha256(bytes));
    for (what, value) in [
        ("of the whole compact token", hash(root.as_bytes())),
        ("of the payload's part", hash(input.split_once('.').unwrap().1.as_bytes())),
        ("of the decoded payload", hash(&payload)),
        ("with padding", format!("{}=", hash(input.as_bytes()))),
        ("of a sibling", hash(b"a sibling's signing input")),
        ("nothing", String::new()),
    ] {
        add("I5", what, 1, "par_hash", Json::from(value), Code::ChainLinkage);
    }
    add(
        "I5",
        "of the grandparent",
        2,
        "par_hash",
        Json::from(Claims::parent_hash(&root)),
        Code::ChainLinkage,
    );
    add("I5", "in a root", 0, "par_hash", Json::from(hash(b"x")), Code::ChainOrder);
    add("I5", "no text", 1, "par_hash", number("1"), Code::TokenClaims);
    // What every token must have.
    let other = signer(9).public().to_jwk();
    let private = format!(r#"{{"jwk":{{"crv":"Ed25519","d":"AAAA","kty":"OKP","x":{}}}}}"#, other["x"]);
    let cnf = |text: &str| Json::parse(text.as_bytes()).unwrap();
    for link in 0..3 {
        add("claims", "a private key", link, "cnf", cnf(&private), Code::TokenKey);
        add("claims", "no key", link, "cnf", cnf("{}"), Code::TokenClaims);
        add("claims", "no jti", link, "jti", text(""), Code::TokenClaims);
        add("claims", "exp a text", link, "exp", text("9999999999"), Code::TokenClaims);
        add("claims", "details no array", link, "authorization_details", cnf("{}"), Code::TokenClaims);
    }
    for link in 0..2 {
        let jwk = cnf(&format!(r#"{{"jwk":{other}}}"#));
        add("I1", "another holder: what it signed is not from there", link, "cnf", jwk, Code::ChainSignature);
    }
    rows
}

#[test]
fn every_claim_changed_is_refused_for_the_right_reason() {
    let mut by_invariant: BTreeMap<&str, usize> = BTreeMap::new();
    for row in table() {
        let chain = chain_with(|depth, payload| {
            if depth == row.link {
                set(payload, row.member, row.value.clone());
            }
        });
        let got = verify(&chain).map(drop).map_err(|refusal| refusal.code());
        let name = format!("{}: {} ({} of link {})", row.invariant, row.what, row.member, row.link);
        assert_eq!(got, Err(row.code), "{name}");
        *by_invariant.entry(row.invariant).or_default() += 1;
    }
    for (invariant, least) in [("I1", 15), ("I2", 25), ("I3", 15), ("I4", 35), ("I5", 8), ("claims", 15)] {
        assert!(by_invariant[invariant] >= least, "{invariant}: {}", by_invariant[invariant]);
    }
}

#[test]
fn every_claim_left_out_is_refused_for_the_right_reason() {
    for link in 0..3 {
        for (member, code) in [
            ("jti", Code::TokenClaims),
            ("iss", Code::TokenClaims),
            ("iat", Code::TokenClaims),
            ("exp", Code::TokenClaims),
            ("cnf", Code::TokenClaims),
            ("del_depth", Code::TokenClaims),
            ("del_max_depth", Code::TokenClaims),
            ("authorization_details", Code::TokenClaims),
            ("par_hash", Code::ChainOrder),
        ] {
            let chain = chain_with(|depth, payload| {
                let Json::Object(members) = payload else { return };
                if depth == link {
                    members.remove(member);
                }
            });
            let got = verify(&chain).map(drop).map_err(|refusal| refusal.code());
            // A root has no `par_hash` to lose.
            let expected = if (link, member) == (0, "par_hash") { Ok(()) } else { Err(code) };
            assert_eq!(got, expected, "{member} of link {link}");
        }
    }
}

#[test]
fn every_change_of_a_proof_is_refused_for_the_right_reason() {
    let chain = verify(&chain_with(|_, _| {})).unwrap();
    let args = BTreeMap::from([("amount".to_owned(), Json::from(5_u64))]);
    let right = Pop {
        jti: uuid(77),
        iat: NOW.secs(),
        token: uuid(2),
        tool: "pay".to_owned(),
        audience: Some("https://g1.example".to_owned()),
        args: args.clone(),
    };
    let judge = |pop: &str, now: UnixTime| {
        let audience = Some("https://g1.example");
        verify_pop(pop, &chain, "pay", &args, audience, now).map(drop).map_err(|refusal| refusal.code())
    };
    let holder = signer(3);
    let good = right.sign(&holder).unwrap();
    assert_eq!(judge(&good, NOW), Ok(()));
    type Change = fn(&mut Pop);
    let changes: [(&str, Change, Code); 9] = [
        ("another token", |pop| pop.token = uuid(1), Code::PopMismatch),
        ("another tool", |pop| pop.tool = "pay ".to_owned(), Code::PopTool),
        ("another audience", |pop| pop.audience = Some("https://g2.example".to_owned()), Code::PopAudience),
        ("no audience", |pop| pop.audience = None, Code::PopAudience),
        (
            "another amount",
            |pop| drop(pop.args.insert("amount".to_owned(), Json::from(50_u64))),
            Code::PopArguments,
        ),
        ("an argument more", |pop| drop(pop.args.insert("to".to_owned(), Json::Null)), Code::PopArguments),
        ("no arguments", |pop| pop.args.clear(), Code::PopArguments),
        ("made too early", |pop| pop.iat -= 31, Code::PopTime),
        ("made too late", |pop| pop.iat += 31, Code::PopTime),
    ];
    for (what, change, code) in changes {
        let mut pop = right.clone();
        change(&mut pop);
        assert_eq!(judge(&pop.sign(&holder).unwrap(), NOW), Err(code), "I6: {what}");
    }
    for other in [0, 1, 2, 9] {
        let pop = right.sign(&signer(other)).unwrap();
        assert_eq!(judge(&pop, NOW), Err(Code::PopMismatch), "I6: signed by key {other}");
    }
    assert_eq!(judge("", NOW), Err(Code::PopMissing));
    assert_eq!(judge(&good, NOW.plus_secs(30)), Ok(()));
    assert_eq!(judge(&good, UnixTime::from_micros(NOW.plus_secs(30).micros() + 1)), Err(Code::PopTime));
    for at in 0..good.len() {
        for bit in 0..7 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            assert!(
                judge(&String::from_utf8(bytes).unwrap(), NOW).is_err(),
                "bit {bit} of byte {at} of the proof"
            );
        }
    }
}

/// The same under the profile: what the token grants stays within what the agent was granted, whoever signs.
#[test]
fn a_changed_chain_is_refused_under_the_profile_too() {
    let world = World::new();
    let good = world.root_token("invoice-bot", tools(&["read:invoices"]));
    let trust = world.trust();
    killick_proof::verified::verify_agent_chain(&good, &trust, NOW).unwrap();
    for at in 0..good.len() {
        for bit in 0..7 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(killick_proof::verified::verify_agent_chain(&altered, &trust, NOW).is_err(), "byte {at}");
        }
    }
}
