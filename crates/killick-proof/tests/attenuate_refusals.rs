//! `attenuate` signs nothing that would not verify, and says which invariant stood against it, and which argument; and
//! it brings what may stand below the parent into the shape that the draft asks for, without widening it.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::collections::BTreeMap;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::chain::{Anchors, Chain};
use killick_proof::constraint::Constraint;
use killick_proof::fixtures::{self, NOW, World, id, uuid};
use killick_proof::grammar::{ActionPattern, Grant};
use killick_proof::json::Json;
use killick_proof::keys::SigningKey;
use killick_proof::token::Tools;
use killick_proof::verified::verify_chain;
use killick_proof::{Code, Refusal, Verified};

/// Tools from the human syntax, not closed over a catalogue.
fn tools(text: &str) -> Tools {
    let grant = Grant::parse(text).unwrap();
    grant.permits.into_iter().map(|(pattern, map)| (pattern.as_str().to_owned(), map)).collect()
}

struct Delegation {
    world: World,
    holder: SigningKey,
    parent: Verified<Chain>,
}

impl Delegation {
    fn below(root: &str) -> Self {
        let (world, holder) = (World::new(), fixtures::key(700));
        let mut claims = world.root_claims("invoice-bot", tools(root));
        claims.holder_key = holder.public().clone();
        let parent = verify(&world, &claims.sign(&world.token_key)).unwrap();
        Self { world, holder, parent }
    }

    fn wanted(&self, text: &str) -> Attenuation {
        Attenuation {
            jti: uuid(7_001),
            holder_key: fixtures::key(701).public().clone(),
            holder: id("/agent/invoice-bot/x"),
            tools: tools(text),
            deny: Vec::new(),
            exp_secs: NOW.secs() + 600,
            del_max_depth: 3,
        }
    }

    fn attenuate(&self, wanted: &Attenuation) -> Result<String, Refusal> {
        attenuate(&self.parent, &self.holder, wanted, NOW)
    }

    /// The constraint on `x` of `do:it` in the link that comes of it.
    fn fitted(&self, text: &str) -> Constraint {
        let longer = self.attenuate(&self.wanted(&format!("do:it(x {text})"))).unwrap();
        let chain = verify(&self.world, &longer).unwrap();
        chain.leaf().tools.as_ref().unwrap().get("do:it").unwrap().get("x").unwrap().clone()
    }
}

fn verify(world: &World, compact: &str) -> Result<Verified<Chain>, Refusal> {
    let keys = [world.token_key.public().clone()];
    verify_chain(compact, &Anchors { keys: &keys, lifetime_secs_max: 86_400 }, NOW)
}

#[test]
fn what_widens_is_refused_by_the_name_of_its_argument() {
    let root = r#"pay:it(amount <= 500, to? iban(DE, NL)); fetch:it(from url("https://*.acme.example/api/"));
        read:it(file path("/srv/reports"), name pattern("INV-*"), record fields(name, dob!));
        open:it(peer cidr("10.0.0.0/8"), when time(.."2026-12-31T00:00:00Z"), total money(EUR <= 500))"#;
    let delegation = Delegation::below(root);
    for (text, tool, argument) in [
        ("pay:it(amount <= 501)", "pay:it", "amount"),
        ("pay:it(amount)", "pay:it", "amount"),
        ("pay:it(to iban)", "pay:it", "to"),
        ("pay:it(to iban(DE, FR))", "pay:it", "to"),
        ("pay:it(currency == EUR)", "pay:it", "currency"),
        (r#"fetch:it(from url("https://acme.example/api/"))"#, "fetch:it", "from"),
        (r#"fetch:it(from url("https://a.acme.example/"))"#, "fetch:it", "from"),
        (r#"fetch:it(from url("https://a.acme.example:8443/api/"))"#, "fetch:it", "from"),
        (r#"fetch:it(from == "https://evil.example/api/")"#, "fetch:it", "from"),
        (r#"read:it(file path("/srv"))"#, "read:it", "file"),
        (r#"read:it(file path("/srv/reports-private"))"#, "read:it", "file"),
        (r#"read:it(name pattern("*"))"#, "read:it", "name"),
        ("read:it(record fields(name, dob))", "read:it", "record"),
        ("read:it(record fields(name, dob!, ssn))", "read:it", "record"),
        (r#"open:it(peer cidr("0.0.0.0/0"))"#, "open:it", "peer"),
        (r#"open:it(peer in {"10.0.0.1", "11.0.0.1"})"#, "open:it", "peer"),
        (r#"open:it(when time(.."2027-01-01T00:00:00Z"))"#, "open:it", "when"),
        ("open:it(total money(EUR <= 500.01))", "open:it", "total"),
        ("open:it(total money(EUR <= 1, USD <= 1))", "open:it", "total"),
        (r#"open:it(total path("/srv"))"#, "open:it", "total"),
    ] {
        let refusal = delegation.attenuate(&delegation.wanted(text)).unwrap_err();
        assert_eq!(refusal.code(), Code::ChainWidened, "{text}");
        let detail = refusal.detail();
        for part in ["I4".to_owned(), format!("`{tool}`"), format!("`{argument}`")] {
            assert!(detail.contains(&part), "{text}: {detail}");
        }
    }
    let refusal = delegation.attenuate(&delegation.wanted("pay:all")).unwrap_err();
    assert_eq!(refusal.code(), Code::ChainWidened);
    assert!(refusal.detail().contains("I4") && refusal.detail().contains("`pay:all`"), "{refusal}");
}

#[test]
fn the_other_invariants_are_named_too() {
    type Change<'a> = &'a dyn Fn(&mut Attenuation);
    let delegation = Delegation::below("pay:it(amount <= 500)");
    let cases: [(Change<'_>, Code, &str); 7] = [
        (&|wanted| wanted.del_max_depth = 4, Code::ChainDepth, "I2"),
        (&|wanted| wanted.del_max_depth = 0, Code::ChainDepth, "I2"),
        (&|wanted| wanted.exp_secs = NOW.secs() + 3_601, Code::ChainLifetime, "I3"),
        (&|wanted| wanted.exp_secs = NOW.secs(), Code::TokenExpired, "I3"),
        (
            &|wanted| wanted.deny = vec![ActionPattern::parse("pay:*").unwrap()],
            Code::ChainExplicitDeny,
            "`pay:it`",
        ),
        (&|wanted| wanted.jti = String::new(), Code::TokenClaims, "jti"),
        (
            &|wanted| {
                let nested = (0..40).fold(Constraint::Wildcard, |inner, _| Constraint::All(vec![inner]));
                wanted.tools.insert("pay:it".to_owned(), BTreeMap::from([("amount".to_owned(), nested)]));
            },
            Code::ConstraintDepth,
            "`amount`",
        ),
    ];
    for (change, code, part) in cases {
        let mut wanted = delegation.wanted("pay:it(amount <= 5)");
        delegation.attenuate(&wanted).unwrap();
        change(&mut wanted);
        let refusal = delegation.attenuate(&wanted).unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.detail().contains(part), "{refusal}");
    }
    let stranger = attenuate(&delegation.parent, &fixtures::key(702), &delegation.wanted("pay:it"), NOW);
    let refusal = stranger.unwrap_err();
    assert_eq!(refusal.code(), Code::ChainIssuer);
    assert!(refusal.detail().contains("I1"), "{refusal}");
}

#[test]
fn what_may_stand_below_is_brought_into_shape() {
    for (parent, wanted, fitted) in [
        // Below an `any`: a clause of it.
        (
            r#"? url("https://*.acme.example/")"#,
            r#"url("https://a.acme.example/")"#,
            r#"url("https://a.acme.example/")"#,
        ),
        ("? iban(DE, NL)", "iban(NL)", "iban(NL)"),
        ("? <= 5", "== 4", "== 4"),
        ("? <= 5", "== null or == 4", "x? == 4"),
        // Below an `all`: the parent's clauses and one more.
        (
            r#"path("/srv") and != "/srv/secret""#,
            r#"path("/srv/reports")"#,
            r#"path("/srv") and not in {"/srv/secret"} and path("/srv/reports")"#,
        ),
        ("iban and not in {A}", "iban(DE)", "iban and not in {A} and iban(DE)"),
        ("iban and not in {A}", "iban(DE) and iban(NL)", "iban and not in {A} and iban(DE) and iban(NL)"),
        // It fits as it is.
        ("iban and not in {A}", "not in {A, B} and iban(DE)", "not in {A, B} and iban(DE)"),
        // Below an `all` within an `any`.
        (
            r#"== none or (pattern("INV-*") and not in {"INV-1"})"#,
            r#"pattern("INV-2*")"#,
            r#"pattern("INV-*") and not in {INV-1} and pattern("INV-2*")"#,
        ),
        // A text below an extension.
        (r#"? cidr("10.0.0.0/8")"#, r#"== "10.0.0.1""#, r#"== "10.0.0.1""#),
        (r#"cidr("10.0.0.0/8")"#, r#"in {"10.0.0.1", "10.0.0.2"}"#, r#"in {"10.0.0.1", "10.0.0.2"}"#),
    ] {
        let delegation =
            Delegation::below(&format!("do:it(x{}{parent})", if parent.starts_with('?') { "" } else { " " }));
        let text = delegation.fitted(wanted).to_human("x");
        assert_eq!(text.trim_start_matches("x "), fitted, "{parent} {wanted}");
    }
}

#[test]
fn shaping_never_permits_more_than_was_asked_for() {
    let delegation = Delegation::below(r#"do:it(x == none or (pattern("INV-*") and not in {"INV-1"}))"#);
    let fitted = delegation.fitted(r#"pattern("INV-?")"#);
    let accepted = |text: &str| fitted.check(&Json::from(text));
    assert!(accepted("INV-2"));
    assert!(!accepted("none"), "not asked for");
    assert!(!accepted("INV-22"), "not asked for");
    assert!(!accepted("INV-1"), "the parent's other clause stays");
}
