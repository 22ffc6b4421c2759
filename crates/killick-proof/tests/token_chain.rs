//! Chains under the killick profile, narrowing, and what becomes of a chain that anybody touches.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

use std::collections::BTreeMap;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::bundle::AgentState;
use killick_proof::chain::Anchors;
use killick_proof::constraint::{Constraint, Range};
use killick_proof::fixtures::{self, NOW, World, agent_key, id, uuid};
use killick_proof::grammar::ActionPattern;
use killick_proof::json::{Json, Number};
use killick_proof::keys::SigningKey;
use killick_proof::pop::{Pop, verify_pop};
use killick_proof::token::{Claims, PrivateClaims, Tools};
use killick_proof::verified::{verify_agent_chain, verify_chain};
use killick_proof::{Code, Refusal, UnixTime, Verified};

fn pattern(text: &str) -> ActionPattern {
    ActionPattern::parse(text).unwrap()
}

fn up_to(max: i64) -> Constraint {
    Constraint::Range(Range { max: Some(Number::from_i64(max)), ..Range::default() })
}

fn pay(constraint: Constraint) -> Tools {
    Tools::from([("create:payment".to_owned(), BTreeMap::from([("amount".to_owned(), constraint)]))])
}

fn verify(world: &World, chain: &str) -> Result<Verified<killick_proof::chain::Chain>, Refusal> {
    verify_agent_chain(chain, &world.trust(), NOW)
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code()
}

/// A link below `parent`, all of it right; `change` may spoil it before `signer` signs it.
fn link(
    parent: &str,
    signer: &SigningKey,
    path: [&str; 2],
    tools: Tools,
    change: impl Fn(&mut Claims),
) -> String {
    let last = parent.rsplit('~').next().unwrap();
    let depth = parent.split('~').count() as u64;
    let mut claims = Claims {
        jti: uuid(1_000 + depth),
        iss: signer.id().thumbprint_uri(),
        iat: NOW.secs(),
        exp: NOW.secs() + 600,
        holder_key: agent_key(path[1]).public().clone(),
        del_depth: depth,
        del_max_depth: 3,
        par_hash: Some(Claims::parent_hash(last)),
        tools: Some(tools),
        killick: Some(PrivateClaims {
            issuer: id(&format!("/agent/{}", path[0])),
            holder: id(&format!("/agent/{}", path[1])),
            origin: None,
            deny: Vec::new(),
            catalogue: None,
        }),
    };
    change(&mut claims);
    format!("{parent}~{}", claims.sign(signer))
}

type Change<'a> = &'a dyn Fn(&mut Claims);

fn read_only() -> Tools {
    fixtures::tools(&["read:invoices"])
}

/// `invoice-bot` → `invoice-bot/reader` → `invoice-bot/reader/page`.
fn three_links(world: &World) -> String {
    let root = world.root_token("invoice-bot", read_only());
    let middle =
        link(&root, &agent_key("invoice-bot"), ["invoice-bot", "invoice-bot/reader"], read_only(), |_| {});
    let key = agent_key("invoice-bot/reader");
    link(&middle, &key, ["invoice-bot/reader", "invoice-bot/reader/page"], read_only(), |_| {})
}

#[test]
fn a_good_chain_says_who_and_what() {
    let world = World::new();
    let chain = verify(&world, &three_links(&world)).unwrap();
    let path: Vec<_> = chain.path().iter().map(|id| id.path()).collect();
    assert_eq!(path, ["/agent/invoice-bot", "/agent/invoice-bot/reader", "/agent/invoice-bot/reader/page"]);
    assert_eq!(chain.holder_key(), agent_key("invoice-bot/reader/page").public());
    assert_eq!(chain.origin().unwrap().owner, "ada@acme.example");
    assert_eq!(chain.keys().len(), 4);
    assert_eq!(chain.keys()[0], world.token_key.id());
    chain.check("read:invoices", &BTreeMap::new()).unwrap();
    assert_eq!(code(chain.check("read:orders", &BTreeMap::new())), Code::ToolNotGranted);
}

#[test]
fn every_single_byte_mutation_is_refused() {
    let world = World::new();
    let trust = world.trust();
    let good = three_links(&world);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~=+/ \n\0\x7f";
    let mut tried = 0;
    for at in 0..good.len() {
        // Every place with three other bytes: which ones moves with the place, so that all are met.
        for step in 0..3 {
            let mut bytes = good.clone().into_bytes();
            let other = alphabet[(at * 7 + step * 9) % alphabet.len()];
            if bytes[at] == other {
                continue;
            }
            bytes[at] = other;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(verify_agent_chain(&altered, &trust, NOW).is_err(), "byte {at} became {other}");
            tried += 1;
        }
        let (mut shorter, mut longer) = (good.clone(), good.clone());
        shorter.remove(at);
        longer.insert(at, 'A');
        assert!(verify_agent_chain(&shorter, &trust, NOW).is_err(), "byte {at} dropped");
        assert!(verify_agent_chain(&longer, &trust, NOW).is_err(), "a byte put in at {at}");
    }
    assert!(tried > 4_000);
}

#[test]
fn the_word_for_an_altered_token_is_its_signature() {
    let world = World::new();
    let good = three_links(&world);
    let alter = |index: usize| {
        let mut tokens: Vec<String> = good.split('~').map(str::to_owned).collect();
        let token = &tokens[index];
        let (head, rest) = token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        // Widen what it grants, and keep the signature.
        let decoded = base64_decode(payload);
        let text = String::from_utf8(decoded).unwrap().replace("read:invoices", "read:everything");
        tokens[index] = format!("{head}.{}.{signature}", killick_proof::keys::base64url(text.as_bytes()));
        tokens.join("~")
    };
    assert_eq!(code(verify(&world, &alter(0))), Code::TokenSig);
    assert_eq!(code(verify(&world, &alter(1))), Code::ChainSignature);
    assert_eq!(code(verify(&world, &alter(2))), Code::ChainSignature);
}

fn base64_decode(text: &str) -> Vec<u8> {
    let value = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .iter()
            .position(|x| *x == c)
            .unwrap()
    };
    let bits: Vec<u8> = text
        .bytes()
        .flat_map(|c| {
            let v = value(c);
            (0..6).rev().map(move |i| (v >> i & 1) as u8)
        })
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

#[test]
fn names_are_bound_to_keys() {
    let world = World::new();
    let root = world.root_token("invoice-bot", read_only());
    let bot = agent_key("invoice-bot");
    let derived = |path: [&str; 2], change: &dyn Fn(&mut Claims)| {
        let chain = link(&root, &bot, path, read_only(), change);
        verify(&world, &chain).map(drop)
    };
    // A child, and another registered agent under its own key.
    derived(["invoice-bot", "invoice-bot/a"], &|_| {}).unwrap();
    derived(["invoice-bot", "payment-bot"], &|_| {}).unwrap();
    let cases: [([&str; 2], Change<'_>); 5] = [
        (["payment-bot", "invoice-bot/a"], &|_| {}),
        (["invoice-bot", "invoice-bot-evil"], &|_| {}),
        (["invoice-bot", "payment-bot/a"], &|_| {}),
        // A registered name with a key of the delegator's choice.
        (["invoice-bot", "payment-bot"], &|claims| claims.holder_key = agent_key("evil").public().clone()),
        // A handover to a new key under the same name is the authority's to give.
        (["invoice-bot", "invoice-bot"], &|claims| claims.holder_key = agent_key("evil").public().clone()),
    ];
    for (path, change) in cases {
        assert_eq!(code(derived(path, change)), Code::ChainIdentity, "{path:?}");
    }
    let foreign = |claims: &mut Claims| {
        let holder = killick_proof::SpiffeId::parse("spiffe://other.example/agent/x").unwrap();
        claims.killick.as_mut().unwrap().holder = holder;
    };
    assert_eq!(code(derived(["invoice-bot", "x"], &foreign)), Code::ChainDomain);
}

#[test]
fn the_root_is_the_authoritys_for_a_registered_agent() {
    let world = World::new();
    let root = |change: &dyn Fn(&mut Claims)| {
        let mut claims = world.root_claims("invoice-bot", read_only());
        change(&mut claims);
        verify(&world, &claims.sign(&world.token_key)).map(drop)
    };
    root(&|_| {}).unwrap();
    fn private(claims: &mut Claims) -> &mut PrivateClaims {
        claims.killick.as_mut().unwrap()
    }
    let elsewhere = "https://authority.other.example";
    assert_eq!(code(root(&|claims| claims.iss = elsewhere.to_owned())), Code::TokenIssuer);
    assert_eq!(code(root(&|claims| private(claims).issuer = id("/agent/payment-bot"))), Code::ChainIdentity);
    assert_eq!(code(root(&|claims| private(claims).holder = id("/agent/nobody"))), Code::ChainIdentity);
    assert_eq!(code(root(&|claims| private(claims).holder = id("/agent/payment-bot"))), Code::ChainIdentity);
    assert_eq!(
        code(root(&|claims| claims.holder_key = agent_key("evil").public().clone())),
        Code::ChainIdentity
    );
    assert_eq!(code(root(&|claims| private(claims).origin = None)), Code::TokenClaims);
    assert_eq!(code(root(&|claims| claims.killick = None)), Code::TokenClaims);
    let other_model = |claims: &mut Claims| {
        private(claims).origin.as_mut().unwrap().model.version = "2020-01".to_owned();
    };
    assert_eq!(code(root(&other_model)), Code::IdentityModel);

    let mut expired = World::new();
    expired.document.agents[0].keys[0].not_after = NOW;
    let token = expired.root_token("invoice-bot", read_only());
    assert_eq!(code(verify(&expired, &token)), Code::IdentityExpired);
}

#[test]
fn our_claim_is_closed_and_ours_is_the_only_typ() {
    let world = World::new();
    let claims = world.root_claims("invoice-bot", read_only());
    let sign = |header: &str, payload: &Json| {
        let encode = |bytes: &[u8]| killick_proof::keys::base64url(bytes);
        let input = format!("{}.{}", encode(header.as_bytes()), encode(&payload.to_bytes()));
        format!("{input}.{}", encode(&world.token_key.sign(input.as_bytes())))
    };
    const HEADER: &str = r#"{"alg":"EdDSA","typ":"aat+jwt"}"#;
    let payload = claims.to_json();
    verify(&world, &sign(HEADER, &payload)).unwrap();
    for header in [r#"{"alg":"EdDSA"}"#, r#"{"alg":"EdDSA","typ":"JWT"}"#] {
        assert_eq!(code(verify(&world, &sign(header, &payload))), Code::TokenTyp, "{header}");
    }
    let text = payload.to_text();
    for (from, to) in [
        (r#""holder":"#, r#""more":1,"holder":"#),
        (r#""owner":"#, r#""sponsor":"x","owner":"#),
        (r#""holder":"spiffe://"#, r#""holder":"SPIFFE://"#),
        (r#""holder":"#, r#""deny":["execute:none"],"holder":"#),
        (r#""holder":"#, r#""deny":"execute:*","holder":"#),
        (r#""version":1"#, r#""version":"1""#),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        let altered = Json::parse(altered.as_bytes()).unwrap();
        assert_eq!(code(verify(&world, &sign(HEADER, &altered))), Code::TokenClaims, "{to}");
    }
}

#[test]
fn an_id_of_ours_is_a_uuid_of_version_7_in_one_spelling() {
    let world = World::new();
    let bot = agent_key("invoice-bot");
    let root = |jti: &str| {
        let mut claims = world.root_claims("invoice-bot", read_only());
        claims.jti = jti.to_owned();
        claims.sign(&world.token_key)
    };
    let good = uuid(1);
    verify(&world, &root(&good)).unwrap();
    let version_4 = format!("{}4{}", &good[..14], &good[15..]);
    for jti in [
        good.to_uppercase(),
        good.replace('-', ""),
        format!("urn:uuid:{good}"),
        version_4,
        "any text".to_owned(),
    ] {
        assert_eq!(code(verify(&world, &root(&jti))), Code::TokenClaims, "{jti}");
        let change = |claims: &mut Claims| claims.jti = jti.clone();
        let chain = link(&root(&good), &bot, ["invoice-bot", "invoice-bot/a"], read_only(), change);
        assert_eq!(code(verify(&world, &chain)), Code::TokenClaims, "{jti} in a link");
    }
}

#[test]
fn what_is_revoked_stays_revoked_for_every_link() {
    let chain = three_links(&World::new());
    let refused = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        code(verify(&world, &chain))
    };
    let jtis: Vec<String> =
        verify(&World::new(), &chain).unwrap().links().iter().map(|link| link.jti.clone()).collect();
    for jti in jtis {
        assert_eq!(refused(&|world| world.document.revocations.tokens.push(jti.clone())), Code::TokenRevoked);
    }
    for name in ["invoice-bot", "invoice-bot/reader", "invoice-bot/reader/page"] {
        let key = agent_key(name).id().clone();
        assert_eq!(refused(&|world| world.document.revocations.keys.push(key.clone())), Code::KeyRevoked);
        let agent = id(&format!("/agent/{name}"));
        assert_eq!(
            refused(&|world| world.document.revocations.agents.push(agent.clone())),
            Code::IdentityRevoked
        );
        assert_eq!(
            refused(&|world| world.document.revocations.subtrees.push(agent.clone())),
            Code::IdentityRevoked
        );
    }
    let root_key = World::new().token_key.id().clone();
    assert_eq!(refused(&|world| world.document.revocations.keys.push(root_key.clone())), Code::KeyRevoked);
    for model in ["claude-opus", "claude-opus@2026-05"] {
        assert_eq!(
            refused(&|world| world.document.revocations.models.push(model.to_owned())),
            Code::IdentityRevoked
        );
    }
    let owner = "ada@acme.example";
    assert_eq!(
        refused(&|world| world.document.revocations.owners.push(owner.to_owned())),
        Code::IdentityRevoked
    );
    assert_eq!(refused(&|world| world.document.revocations.all = true), Code::RevokedAll);
    assert_eq!(
        refused(&|world| world.document.agents[0].state = AgentState::Suspended),
        Code::IdentitySuspended
    );
    assert_eq!(
        refused(&|world| world.document.agents[0].state = AgentState::Offboarded),
        Code::IdentityRevoked
    );

    // Near twins that touch nothing of this chain.
    let mut world = World::new();
    world.document.revocations.tokens.push(uuid(7));
    world.document.revocations.agents.push(id("/agent/invoice-bot/other"));
    world.document.revocations.subtrees.push(id("/agent/invoice"));
    world.document.revocations.models.push("claude-opus@2026-04".to_owned());
    world.document.agents[1].state = AgentState::Offboarded;
    verify(&world, &chain).unwrap();
}

#[test]
fn no_link_sheds_a_deny() {
    let world = World::new();
    let root = |tools: Tools| {
        let mut claims = world.root_claims("invoice-bot", tools);
        claims.killick.as_mut().unwrap().deny = vec![pattern("execute:*")];
        claims.sign(&world.token_key)
    };
    let granted_and_denied = root(fixtures::tools(&["read:invoices", "execute:payments"]));
    assert_eq!(code(verify(&world, &granted_and_denied)), Code::ChainExplicitDeny);

    let root = root(read_only());
    let bot = agent_key("invoice-bot");
    for denies in [vec![], vec![pattern("execute:Payments")]] {
        let chain = link(&root, &bot, ["invoice-bot", "invoice-bot/a"], read_only(), |claims| {
            claims.killick.as_mut().unwrap().deny = denies.clone();
        });
        let chain = verify(&world, &chain).unwrap();
        assert_eq!(code(chain.check("execute:payments", &BTreeMap::new())), Code::ChainExplicitDeny);
        chain.check("read:invoices", &BTreeMap::new()).unwrap();
    }
    let own = link(&root, &bot, ["invoice-bot", "invoice-bot/a"], read_only(), |claims| {
        claims.killick.as_mut().unwrap().deny = vec![pattern("*:invoices")];
    });
    assert_eq!(code(verify(&world, &own)), Code::ChainExplicitDeny);
}

#[test]
fn the_origin_counts_from_the_root_alone() {
    let world = World::new();
    let root = world.root_claims("invoice-bot", read_only());
    let origin = root.killick.as_ref().unwrap().origin.clone().unwrap();
    let root = root.sign(&world.token_key);
    let with = |change: &dyn Fn(&mut PrivateClaims)| {
        let chain =
            link(&root, &agent_key("invoice-bot"), ["invoice-bot", "invoice-bot/a"], read_only(), |claims| {
                change(claims.killick.as_mut().unwrap());
            });
        verify(&world, &chain).map(drop)
    };
    with(&|private| private.origin = Some(origin.clone())).unwrap();
    let mut other = origin;
    other.task = Some("task-2".to_owned());
    assert_eq!(code(with(&|private| private.origin = Some(other.clone()))), Code::ChainOrigin);
}

fn attenuation(tools: Tools) -> Attenuation {
    Attenuation {
        jti: uuid(77),
        holder_key: agent_key("invoice-bot/a").public().clone(),
        holder: id("/agent/invoice-bot/a"),
        tools,
        deny: Vec::new(),
        exp_secs: NOW.secs() + 60,
        del_max_depth: 1,
    }
}

#[test]
fn attenuation_refuses_what_would_not_verify_and_says_why() {
    let world = World::new();
    let parent = verify(&world, &world.root_token("invoice-bot", pay(up_to(500)))).unwrap();
    let bot = agent_key("invoice-bot");
    let narrower = attenuate(&parent, &bot, &attenuation(pay(up_to(100))), NOW).unwrap();
    let chain = verify(&world, &narrower).unwrap();
    let amount = |value: i64| BTreeMap::from([("amount".to_owned(), Json::from(value))]);
    chain.check("create:payment", &amount(100)).unwrap();
    assert_eq!(code(chain.check("create:payment", &amount(101))), Code::ArgConstraint);

    let refused = |change: &dyn Fn(&mut Attenuation)| {
        let mut attenuation = attenuation(pay(up_to(100)));
        change(&mut attenuation);
        attenuate(&parent, &bot, &attenuation, NOW).unwrap_err()
    };
    let wider = refused(&|wanted| wanted.tools = pay(up_to(501)));
    assert_eq!(wider.code(), Code::ChainWidened);
    assert!(
        wider.detail().contains("I4") && wider.detail().contains("`amount` of `create:payment`"),
        "{wider}"
    );
    assert_eq!(refused(&|wanted| wanted.tools = read_only()).code(), Code::ChainWidened);
    assert_eq!(refused(&|wanted| wanted.exp_secs = NOW.secs() + 3_601).code(), Code::ChainLifetime);
    assert_eq!(refused(&|wanted| wanted.exp_secs = NOW.secs()).code(), Code::TokenExpired);
    assert_eq!(refused(&|wanted| wanted.del_max_depth = 4).code(), Code::ChainDepth);
    assert_eq!(refused(&|wanted| wanted.del_max_depth = 0).code(), Code::ChainDepth);
    assert_eq!(refused(&|wanted| wanted.jti = parent.leaf().jti.clone()).code(), Code::ChainCycle);
    assert_eq!(refused(&|wanted| wanted.jti = String::new()).code(), Code::TokenClaims);
    assert_eq!(refused(&|wanted| wanted.deny = vec![pattern("*:payment")]).code(), Code::ChainExplicitDeny);
    let foreign = killick_proof::SpiffeId::parse("spiffe://other.example/agent/x").unwrap();
    assert_eq!(refused(&|wanted| wanted.holder = foreign.clone()).code(), Code::ChainDomain);
    let stranger = attenuate(&parent, &agent_key("evil"), &attenuation(pay(up_to(1))), NOW).unwrap_err();
    assert_eq!(stranger.code(), Code::ChainIssuer);
}

#[test]
fn attenuation_keeps_the_parents_keys_and_shape() {
    let world = World::new();
    let optional = |inner: Constraint| Constraint::Any(vec![Constraint::Exact(Json::Null), inner]);
    let tools = Tools::from([(
        "create:payment".to_owned(),
        BTreeMap::from([
            (
                "amount".to_owned(),
                Constraint::All(vec![up_to(500), Constraint::NotOneOf(vec![Json::from(13_i64)])]),
            ),
            ("cc".to_owned(), optional(Constraint::Wildcard)),
            ("memo".to_owned(), Constraint::Wildcard),
        ]),
    )]);
    let parent = verify(&world, &world.root_token("invoice-bot", tools)).unwrap();
    let narrowed = Tools::from([(
        "create:payment".to_owned(),
        BTreeMap::from([("amount".to_owned(), up_to(100)), ("cc".to_owned(), Constraint::Exact(Json::Null))]),
    )]);
    let chain = attenuate(&parent, &agent_key("invoice-bot"), &attenuation(narrowed), NOW).unwrap();
    let chain = verify(&world, &chain).unwrap();
    let call = |amount: i64, cc: Json| {
        let args = [("amount", Json::from(amount)), ("cc", cc), ("memo", Json::from("m"))];
        chain.check("create:payment", &args.map(|(name, value)| (name.to_owned(), value)).into())
    };
    call(100, Json::Null).unwrap();
    assert_eq!(code(call(101, Json::Null)), Code::ArgConstraint);
    assert_eq!(code(call(13, Json::Null)), Code::ArgConstraint, "the parent's clause holds on");
    assert_eq!(code(call(1, Json::from("a@b"))), Code::ArgConstraint);
}

#[test]
fn no_sequence_of_attenuations_widens() {
    // A small generator of its own: each chain is some random narrowings deep, and each link is asked random calls.
    let world = World::new();
    let keys: Vec<SigningKey> = (0..5).map(|index| fixtures::key(500 + index)).collect();
    let anchors = [world.token_key.public().clone()];
    let anchors = Anchors { keys: &anchors, lifetime_secs_max: 86_400 };
    let mut random = Random(0x6b69_6c6c_6963_6b21);
    let (mut calls, mut permitted, mut longer_chains) = (0, 0, 0);
    for round in 0..150 {
        let mut root = world.root_claims("invoice-bot", random.tools());
        root.killick = None;
        root.jti = uuid(round);
        root.holder_key = keys[0].public().clone();
        root.del_max_depth = 4;
        let mut chains = vec![verify_chain(&root.sign(&world.token_key), &anchors, NOW).unwrap()];
        for (depth, pair) in keys.windows(2).enumerate() {
            let wanted = Attenuation {
                jti: uuid(10_000 + round * 10 + depth as u64),
                holder_key: pair[1].public().clone(),
                holder: id("/agent/x"),
                // Sometimes a narrowing of what the parent has, sometimes anything: then it may be refused.
                tools: random.narrowing(chains.last().unwrap().leaf().tools.as_ref().unwrap()),
                deny: vec![],
                exp_secs: NOW.secs() + 600,
                del_max_depth: 4,
            };
            if let Ok(longer) = attenuate(chains.last().unwrap(), &pair[0], &wanted, NOW) {
                chains.push(verify_chain(&longer, &anchors, NOW).expect("what attenuate signs verifies"));
                longer_chains += 1;
            } else {
                break;
            }
        }
        for _ in 0..200 {
            let (tool, args) = random.call();
            let verdicts: Vec<bool> = chains.iter().map(|chain| chain.check(&tool, &args).is_ok()).collect();
            assert!(verdicts.is_sorted_by(|parent, child| parent >= child), "{tool} {args:?}: {verdicts:?}");
            calls += verdicts.len();
            permitted += verdicts.iter().filter(|verdict| **verdict).count();
        }
    }
    assert!(
        calls > 40_000 && permitted > 1_000 && longer_chains > 100,
        "{calls} {permitted} {longer_chains}"
    );
}

struct Random(u64);

impl Random {
    /// xorshift64: what is drawn depends on the seed alone.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn value(&mut self) -> Json {
        const TEXTS: [&str; 9] = ["null", "0", "1", "2.0", "3", "\"a\"", "\"b\"", "[\"a\"]", "[1,\"b\"]"];
        Json::parse(TEXTS[self.below(TEXTS.len())].as_bytes()).unwrap()
    }

    fn values(&mut self) -> Vec<Json> {
        (0..self.below(4)).map(|_| self.value()).collect()
    }

    fn number(&mut self) -> Option<Number> {
        (self.below(3) > 0).then(|| Number::from_i64(self.below(4) as i64))
    }

    fn constraint(&mut self, depth: usize) -> Constraint {
        match self.below(if depth == 0 { 7 } else { 9 }) {
            0 => match self.value() {
                Json::Array(_) => Constraint::Wildcard,
                scalar => Constraint::Exact(scalar),
            },
            1 => Constraint::Range(Range {
                min: self.number(),
                max: self.number(),
                min_exclusive: false,
                max_exclusive: false,
            }),
            2 => Constraint::OneOf(self.values()),
            3 => Constraint::NotOneOf(self.values()),
            4 => Constraint::Contains(self.values()),
            5 => Constraint::Subset(self.values()),
            6 => Constraint::Wildcard,
            7 => Constraint::All((0..=self.below(3)).map(|_| self.constraint(depth - 1)).collect()),
            _ => Constraint::Any((0..=self.below(3)).map(|_| self.constraint(depth - 1)).collect()),
        }
    }

    fn map(&mut self) -> BTreeMap<String, Constraint> {
        let names = ["x", "y"];
        (0..self.below(3)).map(|index| (names[index].to_owned(), self.constraint(2))).collect()
    }

    fn tools(&mut self) -> Tools {
        ["a:b", "a:c", "d:e"].into_iter().map(|tool| (tool.to_owned(), self.map())).collect()
    }

    fn narrowing(&mut self, parent: &Tools) -> Tools {
        let mut tools = parent.clone();
        if self.below(3) == 0 {
            tools.pop_first();
        }
        for map in tools.values_mut() {
            for constraint in map.values_mut() {
                if self.below(2) == 0 {
                    *constraint = match &*constraint {
                        Constraint::OneOf(values) => {
                            Constraint::OneOf(values.iter().skip(1).cloned().collect())
                        }
                        Constraint::Wildcard => self.constraint(2),
                        Constraint::Any(clauses) => Constraint::Any(clauses[..1].to_vec()),
                        _ if self.below(4) == 0 => self.constraint(2),
                        other => other.clone(),
                    };
                }
            }
            if map.is_empty() && self.below(2) == 0 {
                *map = self.map();
            }
        }
        tools
    }

    fn call(&mut self) -> (String, BTreeMap<String, Json>) {
        let tool = ["a:b", "a:c", "d:e", "f:g"][self.below(4)].to_owned();
        let names = ["x", "y"];
        let args = (0..self.below(3)).map(|index| (names[index].to_owned(), self.value())).collect();
        (tool, args)
    }
}

#[test]
fn a_chain_in_the_future_or_the_past_is_refused_at_the_exact_second() {
    let world = World::new();
    let token = world.root_token("invoice-bot", read_only());
    let at =
        |micros: u64| verify_agent_chain(&token, &world.trust(), UnixTime::from_micros(micros)).map(drop);
    let exp = NOW.plus_secs(3_600).micros();
    // The agents' certificates end with the token, so that the token's own end is looked at first.
    at(exp - 1).unwrap();
    assert_eq!(code(at(exp)), Code::TokenExpired);
    at(NOW.micros() - 30_000_000).unwrap();
    assert_eq!(code(at(NOW.micros() - 30_000_001)), Code::ClockSkew);
}

#[test]
fn a_proof_of_possession_is_for_one_call_of_one_holder() {
    let world = World::new();
    let parent = verify(&world, &world.root_token("invoice-bot", pay(up_to(500)))).unwrap();
    let args = BTreeMap::from([("amount".to_owned(), Json::from(7_i64))]);
    let pop = Pop {
        jti: uuid(5),
        iat: NOW.secs(),
        token: parent.leaf().jti.clone(),
        tool: "create:payment".to_owned(),
        audience: Some(fixtures::GATEWAY.to_owned()),
        args: args.clone(),
    };
    let signed = pop.sign(&agent_key("invoice-bot")).unwrap();
    let show = |pop: &str, tool: &str, args: &BTreeMap<String, Json>, audience: Option<&str>| {
        verify_pop(pop, &parent, tool, args, audience, NOW)
    };
    assert_eq!(show(&signed, "create:payment", &args, Some(fixtures::GATEWAY)).unwrap(), pop);
    assert_eq!(show(&signed, "create:payment", &args, None).unwrap(), pop);
    assert_eq!(code(show("", "create:payment", &args, None)), Code::PopMissing);
    assert_eq!(code(show(&signed, "create:payments", &args, None)), Code::PopTool);
    assert_eq!(code(show(&signed, "create:payment", &BTreeMap::new(), None)), Code::PopArguments);
    assert_eq!(
        code(show(&signed, "create:payment", &args, Some("spiffe://acme.example/gateway/gw-2"))),
        Code::PopAudience
    );
    let stolen = pop.sign(&agent_key("evil")).unwrap();
    assert_eq!(code(show(&stolen, "create:payment", &args, None)), Code::PopMismatch);
    let inexact =
        BTreeMap::from([("amount".to_owned(), Json::Number(Number::parse("9007199254740993").unwrap()))]);
    assert_eq!(code(Pop { args: inexact, ..pop }.sign(&agent_key("invoice-bot"))), Code::ArgNumber);
    for at in 0..signed.len() {
        let mut bytes = signed.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        assert!(show(&altered, "create:payment", &args, Some(fixtures::GATEWAY)).is_err(), "byte {at}");
    }
}

#[test]
fn bounds_of_a_chain_are_exact() {
    let world = World::new();
    let anchors = [world.token_key.public().clone()];
    let anchors = Anchors { keys: &anchors, lifetime_secs_max: 86_400 };
    let keys: Vec<SigningKey> = (0..34).map(|index| fixtures::key(900 + index)).collect();
    let mut root = world.root_claims("invoice-bot", read_only());
    root.killick = None;
    root.holder_key = keys[0].public().clone();
    root.del_max_depth = 32;
    let mut chain = root.sign(&world.token_key);
    for depth in 1..=33_usize {
        chain = link(&chain, &keys[depth - 1], ["", ""].map(|_| "x"), read_only(), |claims| {
            claims.killick = None;
            claims.holder_key = keys[depth].public().clone();
            claims.del_max_depth = 32;
        });
        let verdict = verify_chain(&chain, &anchors, NOW).map(drop);
        if depth <= 32 {
            verdict.unwrap();
        } else {
            assert_eq!(code(verdict), Code::ChainDepth);
        }
    }
    assert_eq!(code(verify_chain("", &anchors, NOW)), Code::TokenMissing);
    assert_eq!(code(verify_chain("~", &anchors, NOW)), Code::TokenEncoding);
    assert_eq!(code(verify_chain(&format!("{chain}~"), &anchors, NOW)), Code::ChainDepth);
    assert_eq!(code(verify_chain(&"~".repeat(300_000), &anchors, NOW)), Code::LimitSize);
}
