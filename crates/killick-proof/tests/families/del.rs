//! Attenuation and delegation.

use killick_proof::Code;
use killick_proof::fixtures::{self, Ask, NOW, World, agent_key, key};
use killick_proof::token::Claims;

use crate::forge::*;
use crate::rows::Row;

const READ: &str = r#"{"read:invoices":{}}"#;
const BOTH: &str = r#"{"read:invoices":{},"execute:payments":{}}"#;
const UP_TO_100: &str = r#"{"constraint_type":"range","max":100}"#;

/// `invoice-bot` → `a` → `b`, each with these tools.
fn three_links(tools_of: [&str; 3]) -> String {
    let two = two_links(tools_of[0], tools_of[1]);
    let link = payload(&two, SECOND, tools(tools_of[2]));
    append(&two, SECOND, &link)
}

#[test]
fn del_01_child_adds_a_tool() {
    let mut row = Row::new("DEL-01");
    let chain = two_links(READ, BOTH);
    row.denies("the tool", call(&chain, "execute:payments", "{}"));
    row.denies("any call", call(&chain, "read:invoices", "{}"));
    row.permits("narrower", call(&two_links(BOTH, READ), "read:invoices", "{}"));
}

#[test]
fn del_02_child_widens_a_number() {
    let mut row = Row::new("DEL-02");
    let wider = narrowed(UP_TO_100, r#"{"constraint_type":"range","max":1000}"#);
    row.denies("500", call(&wider, "pay", r#"{"x":500}"#));
    row.denies("50", call(&wider, "pay", r#"{"x":50}"#));
    row.permits(
        "narrower",
        call(&narrowed(UP_TO_100, r#"{"constraint_type":"range","max":99}"#), "pay", r#"{"x":50}"#),
    );
}

#[test]
fn del_03_child_drops_a_constraint() {
    let mut row = Row::new("DEL-03");
    const REGION: &str = r#"{"pay":{"region":{"constraint_type":"one_of","values":["eu"]},"x":{"constraint_type":"wildcard"}}}"#;
    for child in [r#"{"pay":{"x":{"constraint_type":"wildcard"}}}"#, r#"{"pay":{}}"#] {
        row.denies(child, call(&two_links(REGION, child), "pay", r#"{"region":"us","x":1}"#));
        row.denies(child, call(&two_links(REGION, child), "pay", r#"{"x":1}"#));
    }
}

#[test]
fn del_04_path_beside_the_prefix() {
    let mut row = Row::new("DEL-04");
    // The core types compare texts exactly (section 3.3.1): a path that resolves elsewhere is another text.
    const DOCS: &str = r#"{"constraint_type":"one_of","values":["/docs/a","/docs/b"]}"#;
    for path in ["/docs/../secret/a", "/docs/a/../../secret/a", "/docs//a", "/docs/%61", "/docs/a/"] {
        let child = format!(r#"{{"constraint_type":"exact","value":"{path}"}}"#);
        row.denies(path, call(&narrowed(DOCS, &child), "pay", &format!(r#"{{"x":"{path}"}}"#)));
    }
    row.permits(
        "one of them",
        call(
            &narrowed(DOCS, r#"{"constraint_type":"exact","value":"/docs/a"}"#),
            "pay",
            r#"{"x":"/docs/a"}"#,
        ),
    );
}

#[test]
fn del_05_negated_set_shrinks() {
    let mut row = Row::new("DEL-05");
    const NEITHER: &str = r#"{"constraint_type":"not_one_of","excluded":["x","y"]}"#;
    let chain = narrowed(NEITHER, r#"{"constraint_type":"not_one_of","excluded":["x"]}"#);
    row.denies("y", call(&chain, "pay", r#"{"x":"y"}"#));
    row.permits(
        "grown",
        call(
            &narrowed(NEITHER, r#"{"constraint_type":"not_one_of","excluded":["y","x","z"]}"#),
            "pay",
            r#"{"x":"a"}"#,
        ),
    );
}

#[test]
fn del_06_child_outlives_its_parent() {
    let mut row = Row::new("DEL-06");
    let world = World::new();
    let mut claims = world.root_claims("invoice-bot", tools(READ));
    claims.exp = NOW.secs() + 60;
    let root = claims.sign(&world.token_key);
    let mut link = payload(&root, FIRST, tools(READ));
    edit(&mut link, "exp", Some(&(NOW.secs() + 3_600).to_string()));
    let chain = append(&root, FIRST, &link);
    row.denies("when the parent has expired", call_at(&chain, "read:invoices", "{}", NOW.plus_secs(61)));
    // Before that it is refused as well, for what it is: AAT-05.
    assert_eq!(call(&chain, "read:invoices", "{}").unwrap_err().code(), Code::ChainLifetime);
}

#[test]
fn del_07_spliced() {
    let mut row = Row::new("DEL-07");
    let a = three_links([BOTH, BOTH, BOTH]);
    // The same holders, another grant: the link commits to the token it was made under. Other holders: nor would the key fit.
    let world = World::new();
    let mut other = payload(&world.root_token("invoice-bot", tools(READ)), FIRST, tools(READ));
    let root = world.root_token("invoice-bot", tools(READ));
    edit(&mut other, "cnf", Some(&format!(r#"{{"jwk":{}}}"#, agent_key("other").public().to_jwk())));
    let b = append(&root, FIRST, &other);
    let spliced = format!("{b}~{}", a.rsplit('~').next().unwrap());
    row.denies("link 2 of A below B", call(&spliced, "read:invoices", "{}"));
}

#[test]
fn del_08_link_removed() {
    let mut row = Row::new("DEL-08");
    let chain = three_links([BOTH, READ, READ]);
    let tokens: Vec<&str> = chain.split('~').collect();
    row.denies("removed", call(&format!("{}~{}", tokens[0], tokens[2]), "read:invoices", "{}"));
    let mut link = payload(tokens[0], FIRST, tools(BOTH));
    edit(&mut link, "del_depth", Some("1"));
    let forged = format!("{}~{}", tokens[0], sign(HEADER, &link.to_bytes(), &agent_key("invoice-bot/a/b")));
    row.denies("signed anew", call(&forged, "execute:payments", "{}"));
    row.permits("whole", call(&chain, "read:invoices", "{}"));
}

#[test]
fn del_09_self_issued_root() {
    let mut row = Row::new("DEL-09");
    let world = World::new();
    let claims = world.root_claims("invoice-bot", tools(BOTH));
    for own in [agent_key("invoice-bot"), key(666)] {
        let root = claims.sign(&own);
        row.denies("alone", call(&root, "execute:payments", "{}"));
        let link = payload(&root, FIRST, tools(BOTH));
        row.denies("delegated to itself", call(&append(&root, FIRST, &link), "execute:payments", "{}"));
    }
}

#[test]
fn del_10_delegation_is_off() {
    let mut row = Row::new("DEL-10");
    let world = World::new();
    let mut claims = world.root_claims("invoice-bot", tools(READ));
    claims.del_max_depth = 0;
    let root = claims.sign(&world.token_key);
    row.permits("the root itself", call(&root, "read:invoices", "{}"));
    for max in ["3", "1", "0"] {
        let mut link = payload(&root, FIRST, tools(READ));
        edit(&mut link, "del_max_depth", Some(max));
        row.denies(max, call(&append(&root, FIRST, &link), "read:invoices", "{}"));
    }
}

#[test]
fn del_11_depth_reset() {
    let mut row = Row::new("DEL-11");
    let two = two_links(READ, READ);
    for (member, value) in [("del_max_depth", "9"), ("del_depth", "0"), ("del_depth", "1")] {
        let mut link = payload(&two, SECOND, tools(READ));
        edit(&mut link, member, Some(value));
        row.denies(member, call(&append(&two, SECOND, &link), "read:invoices", "{}"));
    }
}

#[test]
fn del_12_actor_stripped() {
    let mut row = Row::new("DEL-12");
    let chain = two_links(READ, READ);
    let strip = |index: usize, member: &str| {
        let mut tokens: Vec<String> = chain.split('~').map(str::to_owned).collect();
        let parts: Vec<&str> = tokens[index].split('.').collect();
        let mut claims = match index {
            0 => World::new().root_claims("invoice-bot", tools(READ)).to_json(),
            _ => payload(chain.split('~').next().unwrap(), FIRST, tools(READ)),
        };
        edit(&mut claims, member, None);
        tokens[index] =
            format!("{}.{}.{}", parts[0], killick_proof::keys::base64url(&claims.to_bytes()), parts[2]);
        tokens.join("~")
    };
    row.denies("of the root", call(&strip(0, "killick"), "read:invoices", "{}"));
    row.denies("of the link", call(&strip(1, "killick"), "read:invoices", "{}"));
    row.denies("the issuer", call(&strip(1, "iss"), "read:invoices", "{}"));
}

#[test]
fn del_13_union_of_two_tokens() {
    let mut row = Row::new("DEL-13");
    let world = World::new();
    let (pay, read) = (fixtures::tools(&["execute:payments"]), fixtures::tools(&["read:invoices"]));
    let first = world.root_token("invoice-bot", pay);
    let mut raw = world.signed_request("invoice-bot", &first, &Ask::get("/invoices/1"));
    let second = world.root_token("invoice-bot", read);
    raw.headers.push(("Authorization".to_owned(), format!("AAT {second}").into_bytes()));
    row.denies("two fields", receive(&world, raw, NOW));
}

#[test]
fn del_14_pooled_budgets() {
    let mut row = Row::new("DEL-14");
    let child = |max: &str| narrowed(UP_TO_100, &format!(r#"{{"constraint_type":"range","max":{max}}}"#));
    row.denies("a child with more", call(&child("101"), "pay", r#"{"x":100}"#));
    // Each alone is within the parent's bound; that they are two is not the chain's to see. See the dispute.
    row.permits("one child", call(&child("100"), "pay", r#"{"x":100}"#));
}

#[test]
fn del_15_foreign_trust_domain() {
    let mut row = Row::new("DEL-15");
    let world = World::new();
    let root = world.root_token("invoice-bot", tools(READ));
    for holder in
        ["spiffe://other.example/agent/invoice-bot/a", "spiffe://acme.example.evil/agent/invoice-bot/a"]
    {
        let mut link = payload(&root, FIRST, tools(READ));
        let own = format!(r#"{{"issuer":"spiffe://acme.example/agent/invoice-bot","holder":"{holder}"}}"#);
        edit(&mut link, "killick", Some(&own));
        row.denies(holder, call(&append(&root, FIRST, &link), "read:invoices", "{}"));
    }
    assert!(Claims::parent_hash(&root).len() == 43);
}
