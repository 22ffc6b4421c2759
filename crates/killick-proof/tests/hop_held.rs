//! A chain that is held since it verified once gets the verdict that it would get if it were verified anew: what time
//! or the bundle changed is seen, and another chain than the one that was asked for counts for nothing.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::sync::Arc;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::call::{ChainSource, RawRequest, parse_call};
use killick_proof::chain::Chain;
use killick_proof::fixtures::{self, Ask, NOW, World, agent_key};
use killick_proof::grammar::ActionPattern;
use killick_proof::keys::{base64url, sha256};
use killick_proof::sign::{OutgoingRequest, sign_request_by_hash};
use killick_proof::verified::{verify_agent_chain, verify_call, verify_held_call};
use killick_proof::{Code, UnixTime, Verified};

/// What an authority does to its world.
type Change<'a> = &'a dyn Fn(&mut World);

/// `invoice-bot`'s token and what it hands to a sub-agent, which is good for half as long.
fn chain(world: &World) -> String {
    let root = world.root_token("invoice-bot", fixtures::tools(&["read:invoices"]));
    let parent = verify_agent_chain(&root, &world.trust(), NOW).unwrap();
    let attenuation = Attenuation {
        jti: fixtures::uuid(77),
        holder_key: agent_key("invoice-bot/part").public().clone(),
        holder: fixtures::id("/agent/invoice-bot/part"),
        tools: fixtures::tools(&["read:invoices"]),
        deny: vec![ActionPattern::parse("execute:*").unwrap()],
        exp_secs: NOW.plus_secs(1_800).secs(),
        del_max_depth: 1,
    };
    attenuate(&parent, &agent_key("invoice-bot"), &attenuation, NOW).unwrap()
}

/// A request of the sub-agent at `at`.
fn request(world: &World, chain: &str, at: UnixTime) -> RawRequest {
    let ask = Ask { at, ..Ask::get("/invoices/INV-7") };
    world.request_signed_with(&agent_key("invoice-bot/part"), chain, &ask)
}

/// The same, naming the chain by its hash.
fn request_by_hash(world: &World, chain: &str, at: UnixTime) -> RawRequest {
    let mut raw = request(world, chain, at);
    let outgoing = OutgoingRequest {
        method: "GET",
        target_uri: &format!("{}/invoices/INV-7", fixtures::ORIGIN),
        content_type: None,
        body: b"",
        chain,
        audience: fixtures::GATEWAY,
        nonce: &fixtures::nonce(1),
        lifetime_secs: 30,
    };
    raw.headers.truncate(1);
    let fields = sign_request_by_hash(&outgoing, &agent_key("invoice-bot/part"), at);
    raw.headers.extend(fields.into_iter().map(|(name, value)| (name, value.into_bytes())));
    raw
}

/// The verdict with the chain held, and with it not held; they must be the same.
fn verdict(world: &World, held: &Arc<Verified<Chain>>, raw: RawRequest, now: UnixTime) -> Result<(), Code> {
    let trust = world.trust();
    let parse = || parse_call(raw.clone(), &world.public()).unwrap();
    let text = |hash: &[u8; 32]| (hash == held.hash()).then(|| held.compact().to_owned());
    let anew = verify_call(parse(), &trust, &text, now);
    let quick = verify_held_call(parse(), &trust, &|_| Some(Arc::clone(held)), &text, now);
    let (anew, quick) = (anew.map(|_| ()), quick.map(|_| ()));
    assert_eq!(quick, anew, "held or not, one verdict");
    quick.map_err(|refusal| refusal.code())
}

#[test]
fn what_changed_since_a_chain_was_kept_is_seen() {
    let world = World::new();
    let compact = chain(&world);
    let held = Arc::new(verify_agent_chain(&compact, &world.trust(), NOW).unwrap());
    let (root, leaf) = (held.links()[0].clone(), held.leaf().clone());
    let later = NOW.plus_secs(10);
    assert_eq!(verdict(&world, &held, request(&world, &compact, later), later), Ok(()));
    assert_eq!(verdict(&world, &held, request_by_hash(&world, &compact, later), later), Ok(()));

    // Time.
    let end = UnixTime::from_secs(leaf.exp);
    assert_eq!(verdict(&world, &held, request(&world, &compact, end), end), Err(Code::TokenExpired));
    let end = UnixTime::from_secs(root.exp);
    assert_eq!(verdict(&world, &held, request(&world, &compact, end), end), Err(Code::TokenExpired));
    let before = UnixTime::from_secs(NOW.secs() - 31);
    assert_eq!(verdict(&world, &held, request(&world, &compact, before), before), Err(Code::ClockSkew));

    // The bundle.
    let cases: [(Change<'_>, Code); 7] = [
        (&|world| world.document.revocations.all = true, Code::RevokedAll),
        (&|world| world.document.revocations.tokens.push(root.jti.clone()), Code::TokenRevoked),
        (&|world| world.document.revocations.tokens.push(leaf.jti.clone()), Code::TokenRevoked),
        (&|world| world.document.revocations.keys.push(leaf.holder_key.id().clone()), Code::KeyRevoked),
        (
            &|world| world.document.revocations.subtrees.push(fixtures::id("/agent/invoice-bot")),
            Code::IdentityRevoked,
        ),
        (&|world| world.document.token_keys = vec![fixtures::key(40).public().to_jwk()], Code::TokenIssuer),
        (&|world| world.document.agents.remove(0).keys.clear(), Code::ChainIdentity),
    ];
    for (change, code) in cases {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(verdict(&world, &held, request(&world, &compact, later), later), Err(code));
        assert_eq!(verdict(&world, &held, request_by_hash(&world, &compact, later), later), Err(code));
    }
}

#[test]
fn a_certificate_that_ended_ends_the_chain() {
    let mut world = World::new();
    let compact = chain(&world);
    let held = Arc::new(verify_agent_chain(&compact, &world.trust(), NOW).unwrap());
    let later = NOW.plus_secs(10);
    world.document.agents[0].keys[0].not_after = later;
    assert_eq!(verdict(&world, &held, request(&world, &compact, later), later), Err(Code::IdentityExpired));
    // A key that is listed twice is certified until the later of both, in whichever order.
    let twice = world.document.agents[0].keys[0].clone();
    for (first, second) in [(later, later.plus_secs(1)), (later.plus_secs(1), later)] {
        let mut keys = vec![twice.clone(), twice.clone()];
        keys[0].not_after = first;
        keys[1].not_after = second;
        world.document.agents[0].keys = keys;
        assert_eq!(verdict(&world, &held, request(&world, &compact, later), later), Ok(()));
    }
}

/// A store that answers with another chain, though one that is good, gains nobody anything.
#[test]
fn another_chain_than_the_one_asked_for_is_not_used() {
    let world = World::new();
    let trust = world.trust();
    let compact = chain(&world);
    let wider = world.root_token("invoice-bot", fixtures::tools(&["read:invoices", "execute:payments"]));
    let wider = Arc::new(verify_agent_chain(&wider, &trust, NOW).unwrap());
    let sent = parse_call(request(&world, &compact, NOW), &world.public()).unwrap();
    let call = verify_held_call(sent, &trust, &|_| Some(Arc::clone(&wider)), &|_| None, NOW).unwrap();
    assert_eq!(call.chain().compact(), compact);

    let named = parse_call(request_by_hash(&world, &compact, NOW), &world.public()).unwrap();
    let refused = verify_held_call(named, &trust, &|_| Some(Arc::clone(&wider)), &|_| None, NOW);
    assert_eq!(refused.unwrap_err().code(), Code::ChainUnknown);
}

/// A held chain does not vouch for who sends it, and the hash that it is looked up by is that of its text.
#[test]
fn a_held_chain_still_needs_its_holders_signature() {
    let world = World::new();
    let trust = world.trust();
    let compact = chain(&world);
    let held = Arc::new(verify_agent_chain(&compact, &trust, NOW).unwrap());
    let stranger =
        world.request_signed_with(&agent_key("payment-bot"), &compact, &Ask::get("/invoices/INV-7"));
    let call = parse_call(stranger, &world.public()).unwrap();
    let refused = verify_held_call(call, &trust, &|_| Some(Arc::clone(&held)), &|_| None, NOW);
    assert_eq!(refused.unwrap_err().code(), Code::PopMismatch);

    let named = parse_call(request_by_hash(&world, &compact, NOW), &world.public()).unwrap();
    let ChainSource::Hash(hash) = named.chain() else { unreachable!("it is named") };
    assert_eq!(base64url(hash), base64url(&sha256(compact.as_bytes())));
    let asked = std::cell::RefCell::new(Vec::new());
    let find = |hash: &[u8; 32]| {
        asked.borrow_mut().push(*hash);
        Some(Arc::clone(&held))
    };
    let sent = parse_call(request(&world, &compact, NOW), &world.public()).unwrap();
    let call = verify_held_call(sent, &trust, &find, &|_| None, NOW).unwrap();
    assert!(Arc::ptr_eq(&call.shared_chain(), &held), "the held chain itself was used");
    assert_eq!(*asked.borrow(), [*held.hash()]);
}
