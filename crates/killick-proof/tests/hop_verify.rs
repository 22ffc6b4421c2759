//! A hop, whole: signed by an agent, read, verified, admitted once; and changed in every way that the signature is there
//! to notice.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::LazyLock;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::bundle::{AgentState, TrustBundle};
use killick_proof::call::{AuthenticatedCall, RawRequest, parse_call};
use killick_proof::fixtures::{self, Ask, NOW, World};
use killick_proof::keys::{SigningKey, sha256};
use killick_proof::replay::ReplayWindow;
use killick_proof::sign::{OutgoingRequest, sign_request_by_hash};
use killick_proof::svid::new_root;
use killick_proof::verified::{verify_agent_chain, verify_call};
use killick_proof::{Code, Refusal, UnixTime};

const BODY: &str = r#"{"amount":500,"currency":"EUR"}"#;

fn verdict_of(world: &World, raw: RawRequest, now: UnixTime) -> Result<AuthenticatedCall, Refusal> {
    let call = parse_call(raw, &world.public())?;
    let call = verify_call(call, &world.trust(), &|_| None, now)?;
    ReplayWindow::new(UnixTime::from_micros(0)).admit(call, now)
}

fn verdict(raw: RawRequest) -> Result<(), Code> {
    static WORLD: LazyLock<(World, TrustBundle)> = LazyLock::new(|| {
        let world = World::new();
        let trust = world.trust();
        (world, trust)
    });
    let (world, trust) = &*WORLD;
    parse_call(raw, &world.public())
        .and_then(|call| verify_call(call, trust, &|_| None, NOW))
        .map(|_| ())
        .map_err(|refusal| refusal.code())
}

fn token() -> String {
    World::new().root_token("invoice-bot", fixtures::tools(&["read:invoices", "create:payment-draft"]))
}

fn ask() -> Ask<'static> {
    Ask::post("/payment-drafts?full=1", BODY)
}

fn request() -> RawRequest {
    World::new().signed_request("invoice-bot", &token(), &ask())
}

fn value<'a>(raw: &'a mut RawRequest, name: &str) -> &'a mut Vec<u8> {
    &mut raw.headers.iter_mut().find(|(field, _)| field.eq_ignore_ascii_case(name)).unwrap().1
}

#[test]
fn a_signed_call_is_authenticated() {
    let call = verdict_of(&World::new(), request(), NOW).unwrap();
    assert_eq!(call.agent(), &fixtures::id("/agent/invoice-bot"));
    assert_eq!(call.key(), fixtures::agent_key("invoice-bot").id());
    assert_eq!(call.admitted_at(), NOW);
    assert_eq!(call.call().method(), "POST");
    assert_eq!(call.chain().links().len(), 1);
    assert_eq!(call.chain().origin().unwrap().owner, "ada@acme.example");
}

#[test]
fn each_covered_component_is_covered() {
    let change = |change: &dyn Fn(&mut RawRequest)| {
        let mut raw = request();
        change(&mut raw);
        verdict(raw)
    };
    assert_eq!(change(&|_| {}), Ok(()));
    assert_eq!(change(&|raw| raw.method = "PUT".to_owned()), Err(Code::SigInvalid), "@method");
    assert_eq!(change(&|raw| raw.target = "/payments?full=1".to_owned()), Err(Code::SigInvalid), "the path");
    assert_eq!(
        change(&|raw| raw.target = "/payment-drafts?full=0".to_owned()),
        Err(Code::SigInvalid),
        "the query"
    );
    assert_eq!(change(&|raw| raw.target = "/payment-drafts".to_owned()), Err(Code::SigInvalid), "no query");
    // The same resource in another spelling is another text.
    assert_eq!(change(&|raw| raw.target = "/payment%2ddrafts?full=1".to_owned()), Err(Code::SigInvalid));
    assert_eq!(
        change(&|raw| raw.body = BODY.replace("500", "999").into_bytes()),
        Err(Code::SigDigest),
        "the body"
    );
    assert_eq!(
        change(&|raw| {
            raw.body = BODY.replace("500", "999").into_bytes();
            let digest = killick_proof::http_signature::content_digest(&raw.body);
            *value(raw, "content-digest") = digest.into_bytes();
        }),
        Err(Code::SigInvalid),
        "the body with its digest"
    );
    let charset = b"application/json; charset=utf-8";
    assert_eq!(
        change(&|raw| *value(raw, "content-type") = charset.to_vec()),
        Err(Code::SigInvalid),
        "content-type"
    );
    let other = b"spiffe://acme.example/gateway/gw-2";
    assert_eq!(
        change(&|raw| *value(raw, "killick-audience") = other.to_vec()),
        Err(Code::SigInvalid),
        "audience"
    );
    // Another token of the same agent: the chain is covered as it was sent.
    let wider = World::new().root_token("invoice-bot", fixtures::tools(&["execute:payment"]));
    let swapped = format!("AAT {wider}").into_bytes();
    assert_eq!(
        change(&|raw| *value(raw, "authorization") = swapped.clone()),
        Err(Code::SigInvalid),
        "authorization"
    );
    let scheme = format!("aat {}", token()).into_bytes();
    assert_eq!(
        change(&|raw| *value(raw, "authorization") = scheme.clone()),
        Err(Code::SigInvalid),
        "its spelling"
    );
}

#[test]
fn each_parameter_is_covered() {
    let change = |from: &str, to: &str| {
        let mut raw = request();
        let input = value(&mut raw, "signature-input");
        let text = String::from_utf8(input.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        *input = text.replacen(from, to, 1).into_bytes();
        verdict(raw)
    };
    assert_eq!(change("created=1790000000", "created=1790000001"), Err(Code::SigInvalid));
    assert_eq!(change("expires=1790000030", "expires=1790000031"), Err(Code::SigInvalid));
    assert_eq!(change(&fixtures::nonce(1), &fixtures::nonce(2)), Err(Code::SigInvalid));
    assert_eq!(change(";tag", ";alg=\"ed25519\";tag"), Err(Code::SigInvalid));
    assert_eq!(change("\"@method\" \"@target-uri\"", "\"@target-uri\" \"@method\""), Err(Code::SigInvalid));
    let (ours, other) = (fixtures::agent_key("invoice-bot"), fixtures::agent_key("payment-bot"));
    assert_eq!(change(ours.id().as_str(), other.id().as_str()), Err(Code::PopMismatch));
}

#[test]
fn no_byte_of_what_is_covered_can_change() {
    let covered = [
        "content-digest",
        "content-type",
        "authorization",
        "killick-audience",
        "signature-input",
        "signature",
    ];
    let original = request();
    let mut tried = 0;
    let mut refused = |raw: RawRequest, what: &str| {
        tried += 1;
        assert!(verdict(raw).is_err(), "{what}");
    };
    for (index, (name, bytes)) in original.headers.iter().enumerate() {
        if !covered.contains(&name.as_str()) {
            continue;
        }
        for at in 0..bytes.len() {
            // The lowest bit, and the one that makes another case of a letter.
            for bit in [0x01, 0x20] {
                let mut raw = original.clone();
                raw.headers[index].1[at] ^= bit;
                refused(raw, &format!("{name} byte {at} bit {bit}"));
            }
        }
        let mut raw = original.clone();
        raw.headers[index].1.truncate(bytes.len() - 1);
        refused(raw, &format!("{name} cut short"));
    }
    for at in 0..original.body.len() {
        let mut raw = original.clone();
        raw.body[at] ^= 1;
        refused(raw, &format!("body byte {at}"));
    }
    for text in [0, 1] {
        let length = if text == 0 { original.method.len() } else { original.target.len() };
        for at in 0..length {
            let mut raw = original.clone();
            let field = if text == 0 { &mut raw.method } else { &mut raw.target };
            let mut bytes = std::mem::take(field).into_bytes();
            bytes[at] ^= 1;
            *field = String::from_utf8(bytes).unwrap();
            refused(raw, &format!("text {text} byte {at}"));
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn a_thief_of_the_token_has_no_key() {
    let world = World::new();
    let thief = fixtures::key(666);
    let raw = world.request_signed_with(&thief, &token(), &ask());
    assert_eq!(verdict(raw), Err(Code::PopMismatch), "it names its own key");
    let mut raw = world.request_signed_with(&thief, &token(), &ask());
    let input = value(&mut raw, "signature-input");
    let ours = fixtures::agent_key("invoice-bot");
    *input = String::from_utf8(input.clone())
        .unwrap()
        .replace(thief.id().as_str(), ours.id().as_str())
        .into_bytes();
    assert_eq!(verdict(raw), Err(Code::SigInvalid), "it names the holder's key");
    let raw = world.signed_request("payment-bot", &token(), &ask());
    assert_eq!(verdict(raw), Err(Code::PopMismatch), "another agent is a thief, too");
}

#[test]
fn another_gateways_request_is_refused() {
    let ask = Ask { audience: "spiffe://acme.example/gateway/gw-2", ..ask() };
    let raw = World::new().signed_request("invoice-bot", &token(), &ask);
    assert_eq!(verdict(raw), Err(Code::PopAudience));
}

#[test]
fn all_digests_must_match() {
    // Signed by the agent itself over a right SHA-256 and a wrong SHA-512.
    let mut raw = request();
    let digest = String::from_utf8(value(&mut raw, "content-digest").clone()).unwrap();
    let wrong = killick_proof::http_signature::content_digest(b"x").replace("sha-256", "sha-512");
    *value(&mut raw, "content-digest") = format!("{digest}, {wrong}").into_bytes();
    let world = World::new();
    // The signature fixture covers what `sign_request` writes, so it is made anew over the base that is read.
    let base = parse_call(raw.clone(), &world.public()).unwrap().signature().base.clone();
    let signature = fixtures::agent_key("invoice-bot").sign(&base);
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(signature);
    *value(&mut raw, "signature") = format!("killick=:{text}:").into_bytes();
    assert_eq!(verdict(raw), Err(Code::SigDigest));
}

#[test]
fn the_window_has_edges() {
    let world = World::new();
    let at = |created: u64, lifetime_secs: u64, now: UnixTime| {
        let ask = Ask { at: UnixTime::from_secs(created), lifetime_secs, ..ask() };
        let raw = world.signed_request("invoice-bot", &token(), &ask);
        verdict_of(&world, raw, now).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let now = NOW.secs();
    assert_eq!(at(now, 60, NOW), Ok(()));
    assert_eq!(at(now, 61, NOW), Err(Code::SigTime), "for now, not for later");
    assert_eq!(at(now, 0, NOW), Err(Code::SigTime));
    assert_eq!(at(now + 30, 60, NOW), Ok(()), "a clock that is ahead");
    assert_eq!(at(now + 31, 60, NOW), Err(Code::SigTime));
    let late = NOW.plus_secs(60);
    assert_eq!(at(now, 60, UnixTime::from_micros(late.micros() - 1)), Ok(()));
    assert_eq!(at(now, 60, late), Err(Code::SigTime));
}

#[test]
fn the_chain_is_looked_at_first() {
    let mut world = World::new();
    // A stranger's token and a stranger's signature: the token is what is wrong.
    let forged =
        world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"])).sign(&fixtures::key(666));
    let raw = world.request_signed_with(&fixtures::key(666), &forged, &ask());
    let code = verdict_of(&world, raw, NOW).unwrap_err().code();
    assert!(code.as_str().starts_with("token."), "{code}");

    let mut claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"]));
    claims.iat -= 7_200;
    claims.exp = NOW.secs();
    let raw = world.signed_request("invoice-bot", &claims.sign(&world.token_key), &ask());
    assert_eq!(verdict_of(&world, raw, NOW).unwrap_err().code(), Code::TokenExpired);

    world
        .document
        .revocations
        .tokens
        .push(world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"])).jti);
    assert_eq!(verdict_of(&world, request(), NOW).unwrap_err().code(), Code::TokenRevoked);
}

#[test]
fn what_the_bundle_takes_away_is_gone() {
    let refused = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        verdict_of(&world, request(), NOW).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let bot = fixtures::id("/agent/invoice-bot");
    assert_eq!(refused(&|_| {}), Ok(()));
    let key = fixtures::agent_key("invoice-bot").id().clone();
    assert_eq!(refused(&|w| w.document.revocations.keys.push(key.clone())), Err(Code::KeyRevoked));
    assert_eq!(refused(&|w| w.document.revocations.agents.push(bot.clone())), Err(Code::IdentityRevoked));
    assert_eq!(refused(&|w| w.document.revocations.subtrees.push(bot.clone())), Err(Code::IdentityRevoked));
    assert_eq!(refused(&|w| w.document.revocations.all = true), Err(Code::RevokedAll));
    assert_eq!(
        refused(&|w| w.document.agents[0].state = AgentState::Suspended),
        Err(Code::IdentitySuspended)
    );
    assert_eq!(refused(&|w| w.document.agents[0].state = AgentState::Offboarded), Err(Code::IdentityRevoked));
    assert_eq!(refused(&|w| w.document.agents.truncate(0)), Err(Code::ChainIdentity));
    // The other agent's fate is not this one's.
    assert_eq!(refused(&|w| w.document.agents[1].state = AgentState::Suspended), Ok(()));
}

#[test]
fn a_delegate_signs_for_itself() {
    let world = World::new();
    let parent = verify_agent_chain(&token(), &world.trust(), NOW).unwrap();
    let attenuation = Attenuation {
        jti: fixtures::uuid(77),
        holder_key: fixtures::agent_key("helper").public().clone(),
        holder: fixtures::id("/agent/invoice-bot/helper"),
        tools: fixtures::tools(&["read:invoices"]),
        deny: Vec::new(),
        exp_secs: NOW.plus_secs(600).secs(),
        del_max_depth: 1,
    };
    let chain = attenuate(&parent, &fixtures::agent_key("invoice-bot"), &attenuation, NOW).unwrap();
    let raw = world.signed_request("helper", &chain, &ask());
    let call = verdict_of(&world, raw, NOW).unwrap();
    assert_eq!(call.agent(), &fixtures::id("/agent/invoice-bot/helper"));
    assert_eq!(call.key(), fixtures::agent_key("helper").id());
    // The delegator does not hold the leaf.
    assert_eq!(verdict(world.signed_request("invoice-bot", &chain, &ask())), Err(Code::PopMismatch));
}

#[test]
fn a_chain_by_hash_is_verified_again() {
    let world = World::new();
    let token = token();
    let outgoing = OutgoingRequest {
        method: "GET",
        target_uri: &format!("{}/invoices", fixtures::ORIGIN),
        content_type: None,
        body: b"",
        chain: &token,
        audience: fixtures::GATEWAY,
        nonce: &fixtures::nonce(5),
        lifetime_secs: 30,
    };
    let mut headers = vec![("host".to_owned(), b"127.0.0.1:7443".to_vec())];
    let signed = sign_request_by_hash(&outgoing, &fixtures::agent_key("invoice-bot"), NOW);
    headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
    let raw = RawRequest {
        method: "GET".into(),
        target: "/invoices".into(),
        headers,
        body: Vec::new(),
        ..request()
    };
    let verify = |known: &dyn Fn(&[u8; 32]) -> Option<String>, trust: &World| {
        let call = parse_call(raw.clone(), &world.public()).unwrap();
        verify_call(call, &trust.trust(), known, NOW).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let knows = |hash: &[u8; 32]| (*hash == sha256(token.as_bytes())).then(|| token.clone());
    assert_eq!(verify(&knows, &world), Ok(()));
    assert_eq!(verify(&|_| None, &world), Err(Code::ChainUnknown));
    // A store that answers with another chain of the same agent.
    let other = World::new().root_token("invoice-bot", fixtures::tools(&["execute:payment"]));
    assert_eq!(verify(&|_| Some(other.clone()), &world), Err(Code::ChainUnknown));
    // Verified before does not mean good now.
    let mut revoked = World::new();
    revoked.document.revocations.all = true;
    assert_eq!(verify(&knows, &revoked), Err(Code::RevokedAll));
}

mod replay {
    use super::*;

    fn admit(window: &mut ReplayWindow, ask: &Ask<'_>, agent: &str, now: UnixTime) -> Result<(), Code> {
        let world = World::new();
        let token = world.root_token(agent, fixtures::tools(&["read:invoices"]));
        let raw = world.signed_request(agent, &token, ask);
        parse_call(raw, &world.public())
            .and_then(|call| verify_call(call, &world.trust(), &|_| None, now))
            .and_then(|call| window.admit(call, now))
            .map(|_| ())
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_request_is_used_once() {
        let mut window = ReplayWindow::new(NOW);
        let first = Ask::get("/invoices");
        assert_eq!(admit(&mut window, &first, "invoice-bot", NOW), Ok(()));
        assert_eq!(admit(&mut window, &first, "invoice-bot", NOW), Err(Code::ReplayNonce));
        // To its last microsecond, and then it is too old.
        let end = NOW.plus_secs(30);
        let last = UnixTime::from_micros(end.micros() - 1);
        assert_eq!(admit(&mut window, &first, "invoice-bot", last), Err(Code::ReplayNonce));
        assert_eq!(admit(&mut window, &first, "invoice-bot", end), Err(Code::SigTime));
        // Another nonce, and another agent's same nonce, are other requests.
        assert_eq!(admit(&mut window, &Ask { nonce: 2, ..first.clone() }, "invoice-bot", NOW), Ok(()));
        assert_eq!(admit(&mut window, &first, "payment-bot", NOW), Ok(()));
    }

    #[test]
    fn the_same_nonce_in_another_request_is_a_replay() {
        let mut window = ReplayWindow::new(NOW);
        assert_eq!(admit(&mut window, &Ask::get("/invoices/1"), "invoice-bot", NOW), Ok(()));
        assert_eq!(admit(&mut window, &Ask::get("/invoices/2"), "invoice-bot", NOW), Err(Code::ReplayNonce));
        let longer = Ask { lifetime_secs: 60, ..Ask::get("/invoices/1") };
        assert_eq!(admit(&mut window, &longer, "invoice-bot", NOW), Err(Code::ReplayNonce));
    }

    #[test]
    fn a_stranger_uses_up_nothing() {
        let mut window = ReplayWindow::new(NOW);
        let world = World::new();
        let token = world.root_token("invoice-bot", fixtures::tools(&["read:invoices"]));
        let ask = Ask::get("/invoices");
        let mut raw = world.signed_request("invoice-bot", &token, &ask);
        raw.method = "DELETE".to_owned();
        let call = parse_call(raw, &world.public()).unwrap();
        assert!(verify_call(call, &world.trust(), &|_| None, NOW).is_err());
        assert_eq!(admit(&mut window, &ask, "invoice-bot", NOW), Ok(()));
    }

    #[test]
    fn a_restart_forgets_nothing() {
        let ask = |at: UnixTime| Ask { at, ..Ask::get("/invoices") };
        let started = UnixTime::from_micros(NOW.micros() - 1);
        let before = UnixTime::from_secs(NOW.secs() - 1);
        assert_eq!(admit(&mut ReplayWindow::new(NOW), &ask(before), "invoice-bot", NOW), Err(Code::SigTime));
        assert_eq!(admit(&mut ReplayWindow::new(NOW), &ask(NOW), "invoice-bot", NOW), Ok(()));
        // In the middle of a second, the whole of that second is of before.
        assert_eq!(
            admit(&mut ReplayWindow::new(started), &ask(before), "invoice-bot", NOW),
            Err(Code::SigTime)
        );
        assert_eq!(admit(&mut ReplayWindow::new(started), &ask(NOW), "invoice-bot", NOW), Ok(()));
    }

    #[test]
    fn a_window_can_be_handed_on() {
        let ahead = Ask { at: NOW.plus_secs(30), ..Ask::get("/invoices") };
        let mut window = ReplayWindow::new(NOW);
        assert_eq!(admit(&mut window, &ahead, "invoice-bot", NOW), Ok(()));
        let mut next = ReplayWindow::new(window.reopens_at());
        assert_eq!(admit(&mut next, &ahead, "invoice-bot", NOW.plus_secs(2)), Err(Code::SigTime));
        let later = Ask { at: NOW.plus_secs(31), ..Ask::get("/invoices") };
        assert_eq!(admit(&mut next, &later, "invoice-bot", NOW.plus_secs(31)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_revives_nothing() {
        let mut window = ReplayWindow::new(NOW);
        let first = Ask::get("/invoices");
        assert_eq!(admit(&mut window, &first, "invoice-bot", NOW), Ok(()));
        // Later requests let the first one's nonce go.
        for nonce in 10..20 {
            let later = Ask { nonce, at: NOW.plus_secs(40), ..Ask::get("/invoices") };
            assert_eq!(admit(&mut window, &later, "invoice-bot", NOW.plus_secs(40)), Ok(()));
        }
        assert_eq!(admit(&mut window, &first, "invoice-bot", NOW), Err(Code::SigTime));
    }

    #[test]
    fn a_full_window_refuses_and_forgets_nothing() {
        let mut window = ReplayWindow::with_capacity(NOW, 3);
        for nonce in 1..=3 {
            assert_eq!(
                admit(&mut window, &Ask { nonce, ..Ask::get("/invoices") }, "invoice-bot", NOW),
                Ok(())
            );
        }
        let fourth = Ask { nonce: 4, ..Ask::get("/invoices") };
        assert_eq!(admit(&mut window, &fourth, "invoice-bot", NOW), Err(Code::LimitRate));
        assert_eq!(admit(&mut window, &Ask::get("/invoices"), "invoice-bot", NOW), Err(Code::ReplayNonce));
        // Room comes back with time.
        let later = NOW.plus_secs(30);
        let fresh = Ask { at: later, ..fourth };
        assert_eq!(admit(&mut window, &fresh, "invoice-bot", later), Ok(()));
    }
}

/// What the chain of a registered agent's new key, which the directory does not list yet, comes to.
struct Rotated {
    world: World,
    /// payment-bot's new key, to which invoice-bot delegated.
    key: SigningKey,
    chain: String,
}

impl Rotated {
    fn new() -> Self {
        let (world, key) = (World::new(), fixtures::agent_key("payment-bot, rotated"));
        let tools = fixtures::tools(&["read:invoices"]);
        let root = world.root_token("invoice-bot", tools.clone());
        let parent = verify_agent_chain(&root, &world.trust(), NOW).unwrap();
        let attenuation = Attenuation {
            jti: fixtures::uuid(7),
            holder_key: key.public().clone(),
            holder: fixtures::id("/agent/payment-bot"),
            tools,
            deny: Vec::new(),
            exp_secs: NOW.secs() + 600,
            del_max_depth: 2,
        };
        let chain = attenuate(&parent, &fixtures::agent_key("invoice-bot"), &attenuation, NOW).unwrap();
        Self { world, key, chain }
    }

    fn svid(&self, holder: &str, key: &SigningKey, lifetime_secs: u64) -> Vec<u8> {
        let id = fixtures::id(holder);
        self.world.svid_authority.issue(&id, key.public(), [9; 16], NOW, lifetime_secs).unwrap()
    }

    /// The verdict on a request with this chain and this `Killick-Svid`.
    fn verdict(&self, svids: Option<&str>, now: UnixTime) -> Result<(), Code> {
        let ask = Ask { at: now, ..Ask::get("/invoices/1") };
        let mut raw = self.world.request_signed_with(&self.key, &self.chain, &ask);
        raw.headers.extend(svids.map(|svids| ("Killick-Svid".to_owned(), svids.as_bytes().to_vec())));
        verdict_of(&self.world, raw, now).map(drop).map_err(|refusal| refusal.code())
    }
}

fn sequence(der: &[u8]) -> String {
    use base64::Engine as _;
    format!(":{}:", base64::engine::general_purpose::STANDARD.encode(der))
}

#[test]
fn an_svid_shown_with_the_chain_binds_a_registered_agent_to_a_key_of_its_own() {
    let rotated = Rotated::new();
    let svid = sequence(&rotated.svid("/agent/payment-bot", &rotated.key, 3_600));
    assert_eq!(rotated.verdict(None, NOW), Err(Code::ChainIdentity), "the directory lists another key");
    assert_eq!(rotated.verdict(Some(&svid), NOW), Ok(()));
    let other = fixtures::agent_key("another");
    let foreign_root = new_root("acme.example", &[8; 32], [1; 16], NOW, 86_400).unwrap();
    let foreign = foreign_root
        .issue(&fixtures::id("/agent/payment-bot"), rotated.key.public(), [9; 16], NOW, 600)
        .unwrap();
    for (shown, now, code) in [
        (sequence(&rotated.svid("/agent/invoice-bot", &rotated.key, 3_600)), NOW, Code::ChainIdentity),
        (sequence(&rotated.svid("/agent/payment-bot", &other, 3_600)), NOW, Code::ChainIdentity),
        (
            sequence(&rotated.svid("/agent/payment-bot", &rotated.key, 60)),
            NOW.plus_secs(61),
            Code::IdentityExpired,
        ),
        (sequence(&foreign), NOW, Code::IdentityChain),
        (format!("({} {svid})", sequence(foreign_root.certificate_der())), NOW, Code::IdentityChain),
        (sequence(b"no certificate"), NOW, Code::IdentityChain),
        (format!("{svid}, {}", sequence(b"")), NOW, Code::IdentityChain),
        (format!("{svid};a=1"), NOW, Code::HttpAmbiguous),
        ("\"text\"".to_owned(), NOW, Code::HttpAmbiguous),
        (":####:".to_owned(), NOW, Code::HttpAmbiguous),
        ([svid.as_str(); 9].join(", "), NOW, Code::LimitSize),
    ] {
        assert_eq!(rotated.verdict(Some(&shown), now), Err(code), "{shown}");
    }
    // The root's holder is the directory's matter alone.
    let mut root = Rotated::new();
    let mut claims = root.world.root_claims("payment-bot", fixtures::tools(&["read:invoices"]));
    claims.holder_key = root.key.public().clone();
    root.chain = claims.sign(&root.world.token_key);
    assert_eq!(root.verdict(Some(&svid), NOW), Err(Code::ChainIdentity));
}

#[test]
fn no_svid_brings_back_what_is_revoked() {
    let svid = |rotated: &Rotated| sequence(&rotated.svid("/agent/payment-bot", &rotated.key, 3_600));
    let mut rotated = Rotated::new();
    rotated.world.document.revocations.keys.push(rotated.key.id().clone());
    assert_eq!(rotated.verdict(Some(&svid(&rotated)), NOW), Err(Code::KeyRevoked));
    let mut rotated = Rotated::new();
    rotated.world.document.revocations.agents.push(fixtures::id("/agent/payment-bot"));
    assert_eq!(rotated.verdict(Some(&svid(&rotated)), NOW), Err(Code::IdentityRevoked));
    let mut rotated = Rotated::new();
    rotated.world.document.agents[1].state = AgentState::Suspended;
    assert_eq!(rotated.verdict(Some(&svid(&rotated)), NOW), Err(Code::IdentitySuspended));
}
