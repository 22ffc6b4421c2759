//! Attenuating agent tokens: the invariants I1 to I6, and the profile's denies.

use std::collections::BTreeMap;

use killick_proof::fixtures::{NOW, World, agent_key, key, uuid};
use killick_proof::grammar::ActionPattern;
use killick_proof::json::Json;
use killick_proof::keys::{base64url, sha256};
use killick_proof::pop::{Pop, verify_pop};
use killick_proof::token::{Claims, Origin};
use killick_proof::verified::verify_agent_chain;
use killick_proof::{Refusal, UnixTime};

use crate::forge::*;
use crate::rows::Row;

const READ: &str = r#"{"read:invoices":{}}"#;
const PAY: &str = r#"{"pay":{"amount":{"constraint_type":"range","max":100}}}"#;

fn root() -> String {
    World::new().root_token("invoice-bot", tools(READ))
}

/// A link below the root with these members changed.
fn link_with(changes: &[(&str, &str)]) -> String {
    let root = root();
    let mut link = payload(&root, FIRST, tools(READ));
    changes.iter().for_each(|(member, value)| edit(&mut link, member, Some(value)));
    append(&root, FIRST, &link)
}

fn read(chain: &str) -> Result<(), Refusal> {
    call(chain, "read:invoices", "{}").map(drop)
}

#[test]
fn aat_01_i1_other_signer() {
    let mut row = Row::new("AAT-01");
    let (root, evil) = (root(), key(666));
    let mut link = payload(&root, FIRST, tools(READ));
    row.permits("signed by the holder", read(&append(&root, FIRST, &link)));
    row.denies("copied iss", read(&format!("{root}~{}", sign(HEADER, &link.to_bytes(), &evil))));
    edit(&mut link, "iss", Some(&format!("\"{}\"", evil.id().thumbprint_uri())));
    row.denies("own iss", read(&format!("{root}~{}", sign(HEADER, &link.to_bytes(), &evil))));
}

#[test]
fn aat_02_i1_wrong_issuer() {
    let mut row = Row::new("AAT-02");
    let other = format!("\"{}\"", agent_key("payment-bot").id().thumbprint_uri());
    row.denies("another agent's key", read(&link_with(&[("iss", &other)])));
    row.denies("the authority", read(&link_with(&[("iss", "\"https://authority.acme.example\"")])));
}

#[test]
fn aat_03_i2_depth() {
    let mut row = Row::new("AAT-03");
    for depth in ["0", "2", "-1", "1.5", "\"1\""] {
        row.denies(depth, read(&link_with(&[("del_depth", depth)])));
    }
    row.permits("1", read(&link_with(&[("del_depth", "1")])));
}

#[test]
fn aat_04_i2_max_depth_raised() {
    let mut row = Row::new("AAT-04");
    let terminal = link_with(&[("del_max_depth", "1")]);
    row.permits("the leaf itself", read(&terminal));
    for max in ["3", "2", "1"] {
        let mut link = payload(&terminal, SECOND, tools(READ));
        edit(&mut link, "del_max_depth", Some(max));
        row.denies(max, read(&append(&terminal, SECOND, &link)));
    }
    row.denies("above the root's", read(&link_with(&[("del_max_depth", "4")])));
}

#[test]
fn aat_05_i3_later_expiry() {
    let mut row = Row::new("AAT-05");
    let exp = NOW.secs() + 3_600;
    row.denies("a second later", read(&link_with(&[("exp", &(exp + 1).to_string())])));
    row.permits("the same", read(&link_with(&[("exp", &exp.to_string())])));
}

#[test]
fn aat_06_i3_window() {
    let mut row = Row::new("AAT-06");
    let now = NOW.secs();
    let at = |iat: u64, exp: u64| read(&link_with(&[("iat", &iat.to_string()), ("exp", &exp.to_string())]));
    row.denies("before the parent", at(now - 1, now + 60));
    row.denies("31 s ahead", at(now + 31, now + 60));
    row.denies("no time at all", at(now + 10, now + 10));
    row.permits("29 s ahead", at(now + 29, now + 60));
}

#[test]
fn aat_07_i4_argument_added() {
    let mut row = Row::new("AAT-07");
    let child =
        r#"{"pay":{"amount":{"constraint_type":"range","max":100},"memo":{"constraint_type":"wildcard"}}}"#;
    row.denies("with memo", call(&two_links(PAY, child), "pay", r#"{"amount":1,"memo":"x"}"#));
    row.permits("without", call(&two_links(PAY, PAY), "pay", r#"{"amount":1}"#));
}

#[test]
fn aat_08_i4_map_emptied() {
    let mut row = Row::new("AAT-08");
    let chain = two_links(PAY, r#"{"pay":{}}"#);
    row.denies("5000", call(&chain, "pay", r#"{"amount":5000}"#));
    row.denies("1", call(&chain, "pay", r#"{"amount":1}"#));
}

#[test]
fn aat_09_i4_regained() {
    let mut row = Row::new("AAT-09");
    let empty = link_with(&[("authorization_details", "[]")]);
    let link = payload(&empty, SECOND, tools(READ));
    row.denies("carried again", read(&append(&empty, SECOND, &link)));
}

#[test]
fn aat_10_i4_two_entries() {
    let mut row = Row::new("AAT-10");
    let entry = |tools: &str| format!(r#"{{"type":"attenuating_agent_token","tools":{tools}}}"#);
    let (narrow, wide) = (entry("{}"), entry(READ));
    for details in [format!("[{narrow},{wide}]"), format!("[{wide},{narrow}]"), format!("[{wide},{wide}]")] {
        row.denies("child", read(&link_with(&[("authorization_details", &details)])));
        let world = World::new();
        let mut claims = world.root_claims("invoice-bot", tools(READ)).to_json();
        edit(&mut claims, "authorization_details", Some(&details));
        row.denies("root", read(&sign(HEADER, &claims.to_bytes(), &world.token_key)));
    }
}

#[test]
fn aat_11_i5_sibling_parent() {
    let mut row = Row::new("AAT-11");
    let world = World::new();
    let mut wide = world
        .root_claims("invoice-bot", tools(r#"{"pay":{"amount":{"constraint_type":"range","max":1000}}}"#));
    wide.jti = uuid(88);
    let wide = wide.sign(&world.token_key);
    let chain = two_links(PAY, PAY);
    let child = chain.rsplit('~').next().unwrap();
    row.denies("below the other root", call(&format!("{wide}~{child}"), "pay", r#"{"amount":1}"#));
    let link = payload(&wide, FIRST, tools(PAY));
    row.denies(
        "made to fit",
        call(&format!("{wide}~{}", sign(HEADER, &link.to_bytes(), &key(666))), "pay", r#"{"amount":1}"#),
    );
    row.permits("below its own", call(&chain, "pay", r#"{"amount":1}"#));
}

#[test]
fn aat_12_i5_other_bytes() {
    let mut row = Row::new("AAT-12");
    let root = root();
    let (input, _) = root.rsplit_once('.').unwrap();
    let payload = World::new().root_claims("invoice-bot", tools(READ)).to_json();
    let spaced = payload.to_text().replace(',', ", ");
    let hash = |bytes: &[u8]| base64url(&sha256(bytes));
    for hash in [
        hash(root.as_bytes()),
        hash(&payload.to_bytes()),
        hash(spaced.as_bytes()),
        format!("{}=", hash(input.as_bytes())),
    ] {
        row.denies(&hash, read(&link_with(&[("par_hash", &format!("\"{hash}\""))])));
    }
    row.permits(
        "the signing input",
        read(&link_with(&[("par_hash", &format!("\"{}\"", hash(input.as_bytes())))])),
    );
}

/// `invoice-bot` asks for a call, with a proof that `change` may alter before it is signed.
fn proved(tool: &str, args: &str, change: impl Fn(&mut Pop), audience: Option<&str>) -> Result<(), Refusal> {
    let world = World::new();
    let granted = tools(r#"{"read:invoices":{},"READ:INVOICES":{},"läs:fil":{},"pay":{}}"#);
    let chain = verify_agent_chain(&world.root_token("invoice-bot", granted), &world.trust(), NOW)?;
    let mut pop = Pop {
        jti: uuid(9),
        iat: NOW.secs(),
        token: chain.leaf().jti.clone(),
        tool: tool.to_owned(),
        audience: Some("https://g1.example".to_owned()),
        args: Json::parse(args.as_bytes())?.as_object().unwrap().clone(),
    };
    let asked: BTreeMap<String, Json> = pop.args.clone();
    change(&mut pop);
    verify_pop(&pop.sign(&agent_key("invoice-bot"))?, &chain, tool, &asked, audience, NOW).map(drop)
}

#[test]
fn aat_13_i6_near_equal_tool() {
    let mut row = Row::new("AAT-13");
    for tool in ["Read:invoices", "read:invoices ", "read:invoices\u{0}", "re\u{301}ad:invoices", "pay"] {
        row.denies(tool, proved(tool, "{}", |pop| pop.tool = "read:invoices".to_owned(), None));
    }
    row.denies("NFD", proved("la\u{308}s:fil", "{}", |pop| pop.tool = "läs:fil".to_owned(), None));
    row.permits("the same", proved("read:invoices", "{}", |_| {}, None));
}

#[test]
fn aat_14_i6_arguments() {
    let mut row = Row::new("AAT-14");
    let signed = |text: &'static str| {
        move |pop: &mut Pop| pop.args = Json::parse(text.as_bytes()).unwrap().as_object().unwrap().clone()
    };
    const SIGNED: &str = r#"{"amount":1,"to":"x"}"#;
    row.permits("another spelling", proved("pay", r#"{"to":"\u0078","amount":1.0}"#, signed(SIGNED), None));
    for asked in [
        r#"{"amount":10,"to":"x"}"#,
        r#"{"amount":1,"to":"x","cc":"y"}"#,
        r#"{"amount":"1","to":"x"}"#,
        r#"{"amount":1}"#,
    ] {
        row.denies(asked, proved("pay", asked, signed(SIGNED), None));
    }
}

#[test]
fn aat_15_i6_audience() {
    let mut row = Row::new("AAT-15");
    row.denies("for g1, at g2", proved("pay", "{}", |_| {}, Some("https://g2.example")));
    row.denies("dropped", proved("pay", "{}", |pop| pop.audience = None, Some("https://g2.example")));
    row.permits("for g1, at g1", proved("pay", "{}", |_| {}, Some("https://g1.example")));
}

#[test]
fn aat_16_same_jti() {
    let mut row = Row::new("AAT-16");
    let chain = link_with(&[]);
    let tokens: Vec<&str> = chain.split('~').collect();
    row.denies("a link again", read(&format!("{chain}~{}", tokens[1])));
    row.denies("the root again", read(&format!("{}~{chain}", tokens[0])));
    let jti = World::new().root_claims("invoice-bot", tools(READ)).jti;
    row.denies("the root's jti", read(&link_with(&[("jti", &format!("\"{jti}\""))])));
}

#[test]
fn aat_17_private_key() {
    let mut row = Row::new("AAT-17");
    const SECRET: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    for jwk in [
        format!(r#"{{"crv":"Ed25519","d":"{SECRET}","kty":"OKP","x":"{x}"}}"#),
        format!(r#"{{"kty":"oct","k":"{SECRET}"}}"#),
        format!(r#"{{"kty":"RSA","n":"{x}","e":"AQAB","p":"{SECRET}"}}"#),
    ] {
        let verdict = read(&link_with(&[("cnf", &format!(r#"{{"jwk":{jwk}}}"#))]));
        let told = format!("{verdict:?}");
        assert!(!told.contains(&SECRET[..8]), "{told}");
        row.denies(&jwk, verdict);
    }
}

#[test]
fn aat_18_single_token() {
    let mut row = Row::new("AAT-18");
    let world = World::new();
    for member in ["jti", "iss", "cnf", "authorization_details", "del_max_depth", "del_depth", "iat", "exp"] {
        let mut claims = world.root_claims("invoice-bot", tools(READ)).to_json();
        edit(&mut claims, member, None);
        row.denies(member, read(&sign(HEADER, &claims.to_bytes(), &world.token_key)));
    }
    row.permits("whole", read(&root()));
}

#[test]
fn aat_19_order() {
    let mut row = Row::new("AAT-19");
    let two = link_with(&[]);
    let chain = append(&two, SECOND, &payload(&two, SECOND, tools(READ)));
    row.permits("root first", read(&chain));
    let mut tokens: Vec<&str> = chain.split('~').collect();
    row.denies("root and leaf", read(&format!("{}~{}", tokens[0], tokens[2])));
    row.denies("the leaf alone", read(tokens[2]));
    tokens.reverse();
    row.denies("leaf first", read(&tokens.join("~")));
}

#[test]
fn aat_32_deny_shed() {
    let mut row = Row::new("AAT-32");
    let world = World::new();
    let mut claims = world.root_claims("invoice-bot", tools(READ));
    claims.killick.as_mut().unwrap().deny = vec![ActionPattern::parse("execute:*").unwrap()];
    let root = claims.sign(&world.token_key);
    let own = |more: &str| {
        format!(
            r#"{{"issuer":"spiffe://acme.example/agent/invoice-bot","holder":"spiffe://acme.example/agent/invoice-bot/a"{more}}}"#
        )
    };
    for more in ["", r#","deny":[]"#, r#","deny":["execute:Payments"]"#] {
        for granted in [READ, r#"{"read:invoices":{},"execute:payments":{}}"#] {
            let mut link = payload(&root, FIRST, tools(granted));
            edit(&mut link, "killick", Some(&own(more)));
            let chain = append(&root, FIRST, &link);
            let verdict = call(&chain, "execute:payments", "{}");
            if granted == READ {
                row.denies(more, verdict);
            } else {
                // Also the draft alone denies it: the root never granted it.
                assert!(verdict.is_err());
            }
        }
    }
}

#[test]
fn aat_33_alias() {
    let mut row = Row::new("AAT-33");
    let world = World::new();
    let mut claims = world.root_claims("invoice-bot", tools(READ));
    claims.killick.as_mut().unwrap().deny =
        ["cancel:shipment", "*:shipment-status"].map(|text| ActionPattern::parse(text).unwrap()).to_vec();
    let chain = claims.sign(&world.token_key);
    row.denies("by name", call(&chain, "cancel:shipment", "{}"));
    row.denies("by another name", call(&chain, "set:shipment", r#"{"status":"cancelled"}"#));
    row.denies("by another name that is denied too", call(&chain, "set:shipment-status", "{}"));
}

#[test]
fn aat_34_second_chain() {
    let mut row = Row::new("AAT-34");
    let world = World::new();
    let with_intent = |intent: &[u8], jti: u64| {
        let mut claims = world.root_claims("invoice-bot", tools(READ));
        claims.jti = uuid(jti);
        let origin: &mut Origin = claims.killick.as_mut().unwrap().origin.as_mut().unwrap();
        origin.intent = Some(base64url(&sha256(intent)));
        claims
    };
    let (first, second) = (with_intent(b"first", 1), with_intent(b"second", 2));
    let root = second.sign(&world.token_key);
    // The second chain under the first task's intent.
    let mut own = payload(&root, FIRST, tools(READ));
    let first_claims = first.to_json();
    let origin = first_claims.get("killick").and_then(|own| own.get("origin")).unwrap().to_text();
    let ours = format!(
        r#"{{"issuer":"spiffe://acme.example/agent/invoice-bot","holder":"spiffe://acme.example/agent/invoice-bot/a","origin":{origin}}}"#
    );
    edit(&mut own, "killick", Some(&ours));
    row.denies("another intent", read(&append(&root, FIRST, &own)));
    let chain = row.permits("its own", call(&root, "read:invoices", "{}"));
    assert_eq!(chain.origin().unwrap().intent.as_deref(), Some(base64url(&sha256(b"second")).as_str()));
    assert!(Claims::parent_hash(&root) != Claims::parent_hash(&first.sign(&world.token_key)));
    assert!(UnixTime::from_secs(second.exp) > NOW);
}
