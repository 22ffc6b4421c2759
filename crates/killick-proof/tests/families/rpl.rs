//! Replay and proof of possession.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};

use killick_proof::fixtures::{self, Ask, NOW, World, agent_key, uuid};
use killick_proof::json::Json;
use killick_proof::pop::{Pop, verify_pop};
use killick_proof::replay::ReplayWindow;
use killick_proof::verified::verify_agent_chain;
use killick_proof::{AuthenticatedCall, Code, Refusal, UnixTime};

use crate::forge::{field, receive};
use crate::rows::Row;

fn read_only(world: &World) -> String {
    world.root_token("invoice-bot", fixtures::tools(&["read:invoices"]))
}

/// Sends a request: verified, then admitted.
fn send(
    world: &World,
    window: &mut ReplayWindow,
    ask: &Ask<'_>,
    now: UnixTime,
) -> Result<AuthenticatedCall, Refusal> {
    let raw = world.signed_request("invoice-bot", &read_only(world), ask);
    window.admit(receive(world, raw, now)?, now)
}

#[test]
fn rpl_01_exact_replay() {
    let mut row = Row::new("RPL-01");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask::post("/shipments", "{\"to\":\"x\"}");
    row.permits("once", send(&world, &mut window, &ask, NOW));
    row.denies("at once", send(&world, &mut window, &ask, NOW));
    row.denies("a second later", send(&world, &mut window, &ask, NOW.plus_secs(1)));
    row.permits("another nonce", send(&world, &mut window, &Ask { nonce: 2, ..ask }, NOW));
}

#[test]
fn rpl_02_concurrent_replay() {
    let mut row = Row::new("RPL-02");
    const COPIES: usize = 64;
    let (world, window, barrier) = (World::new(), Mutex::new(ReplayWindow::new(NOW)), Barrier::new(COPIES));
    let verdicts: Vec<Result<(), Refusal>> = std::thread::scope(|scope| {
        let copies: Vec<_> = (0..COPIES)
            .map(|_| {
                scope.spawn(|| {
                    let raw =
                        world.signed_request("invoice-bot", &read_only(&world), &Ask::get("/invoices/1"));
                    let call = receive(&world, raw, NOW).unwrap();
                    barrier.wait();
                    window.lock().unwrap().admit(call, NOW).map(drop)
                })
            })
            .collect();
        copies.into_iter().map(|copy| copy.join().unwrap()).collect()
    });
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1);
    verdicts.into_iter().filter(Result::is_err).for_each(|verdict| row.denies("a copy", verdict));
}

#[test]
fn rpl_03_replay_after_a_restart() {
    let mut row = Row::new("RPL-03");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask::get("/invoices/1");
    row.permits("before", send(&world, &mut window, &ask, NOW));
    // Killed, and started again two seconds later; then from what the old window would have handed on.
    let later = NOW.plus_secs(2);
    row.denies("after", send(&world, &mut ReplayWindow::new(later), &ask, later));
    row.denies("handed on", send(&world, &mut ReplayWindow::new(window.reopens_at()), &ask, NOW));
    let fresh = Ask { at: later, nonce: 2, ..ask };
    row.permits("signed since", send(&world, &mut ReplayWindow::new(later), &fresh, later));
}

#[test]
fn rpl_04_replay_at_a_sibling() {
    let mut row = Row::new("RPL-04");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask { audience: "spiffe://acme.example/gateway/gw-2", ..Ask::get("/invoices/1") };
    row.denies("gateway 2's request", send(&world, &mut window, &ask, NOW));
    row.permits("its own", send(&world, &mut window, &Ask::get("/invoices/1"), NOW));
}

#[test]
fn rpl_05_nonce_burnt_by_a_stranger() {
    let mut row = Row::new("RPL-05");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask::get("/invoices/1");
    let mut bad = world.signed_request("invoice-bot", &read_only(&world), &ask);
    let signature = field(&mut bad, "signature");
    let at = signature.len() / 2;
    signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
    row.denies("the attacker's", receive(&world, bad, NOW));
    row.permits("the victim's", send(&world, &mut window, &ask, NOW));
}

#[test]
fn rpl_06_created_in_the_future() {
    let mut row = Row::new("RPL-06");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    const YEAR: u64 = 365 * 86_400;
    let ask = Ask { at: NOW.plus_secs(YEAR), lifetime_secs: YEAR, ..Ask::get("/invoices/1") };
    row.denies("in a year", send(&world, &mut window, &ask, NOW));
    let ask = Ask { at: NOW.plus_secs(31), ..Ask::get("/invoices/1") };
    row.denies("beyond the skew", send(&world, &mut window, &ask, NOW));
    let ask = Ask { lifetime_secs: YEAR, ..Ask::get("/invoices/1") };
    row.denies("for a year", send(&world, &mut window, &ask, NOW));
    let ask = Ask { at: NOW.plus_secs(30), ..Ask::get("/invoices/1") };
    row.permits("within the skew", send(&world, &mut window, &ask, NOW));
}

#[test]
fn rpl_07_no_created_or_no_nonce() {
    let mut row = Row::new("RPL-07");
    let world = World::new();
    let nonce = fixtures::nonce(1);
    for (what, from, to) in [
        ("created", format!(";created={}", NOW.secs()), String::new()),
        ("nonce", format!(";nonce=\"{nonce}\""), String::new()),
        ("empty nonce", format!(";nonce=\"{nonce}\""), ";nonce=\"\"".to_owned()),
    ] {
        let mut raw = world.signed_request("invoice-bot", &read_only(&world), &Ask::get("/invoices/1"));
        let input = field(&mut raw, "signature-input");
        let text = String::from_utf8(input.clone()).unwrap();
        assert!(text.contains(&from), "{text}");
        *input = text.replace(&from, &to).into_bytes();
        row.denies(what, receive(&world, raw, NOW));
    }
}

#[test]
fn rpl_08_another_method() {
    let mut row = Row::new("RPL-08");
    let world = World::new();
    let mut raw = world.signed_request("invoice-bot", &read_only(&world), &Ask::get("/shipments/7"));
    raw.method = "DELETE".to_owned();
    row.denies("DELETE", receive(&world, raw, NOW));
}

#[test]
fn rpl_09_proof_for_another_token() {
    let mut row = Row::new("RPL-09");
    let world = World::new();
    let mut claims =
        world.root_claims("invoice-bot", fixtures::tools(&["read:invoices", "execute:payments"]));
    claims.jti = uuid(5);
    let wide = claims.sign(&world.token_key);
    let mut raw = world.signed_request("invoice-bot", &read_only(&world), &Ask::get("/invoices/1"));
    *field(&mut raw, "authorization") = format!("AAT {wide}").into_bytes();
    row.denies("a request", receive(&world, raw, NOW));

    let narrow = verify_agent_chain(&read_only(&world), &world.trust(), NOW).unwrap();
    let wide = verify_agent_chain(&wide, &world.trust(), NOW).unwrap();
    let args = BTreeMap::from([("id".to_owned(), Json::from("1"))]);
    let pop = Pop {
        jti: uuid(6),
        iat: NOW.secs(),
        token: narrow.leaf().jti.clone(),
        tool: "read:invoices".to_owned(),
        audience: None,
        args: args.clone(),
    };
    let pop = pop.sign(&agent_key("invoice-bot")).unwrap();
    row.permits("with its own", verify_pop(&pop, &narrow, "read:invoices", &args, None, NOW));
    row.denies("with the other", verify_pop(&pop, &wide, "read:invoices", &args, None, NOW));
}

#[test]
fn rpl_10_eviction_flood() {
    let mut row = Row::new("RPL-10");
    const ROOM: usize = 100;
    let (world, mut window) = (World::new(), ReplayWindow::with_capacity(NOW, ROOM));
    for nonce in 0..ROOM as u64 {
        row.permits("cheap", send(&world, &mut window, &Ask { nonce, ..Ask::get("/invoices/1") }, NOW));
    }
    row.denies("one more", send(&world, &mut window, &Ask { nonce: 999, ..Ask::get("/invoices/1") }, NOW));
    row.denies(
        "the first again",
        send(&world, &mut window, &Ask { nonce: 0, ..Ask::get("/invoices/1") }, NOW),
    );
    // What has expired makes room, and cannot come back.
    let later = NOW.plus_secs(31);
    let fresh = Ask { nonce: 1_000, at: later, ..Ask::get("/invoices/1") };
    row.permits("later", send(&world, &mut window, &fresh, later));
}

#[test]
fn rpl_11_early_data() {
    let mut row = Row::new("RPL-11");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask::post("/payments", "{\"amount\":1}");
    row.permits("the flight", send(&world, &mut window, &ask, NOW));
    row.denies("the flight again", send(&world, &mut window, &ask, NOW));
}

#[test]
fn rpl_12_retry() {
    let mut row = Row::new("RPL-12");
    let (world, mut window) = (World::new(), ReplayWindow::new(NOW));
    let ask = Ask::post("/payments", "{\"amount\":1,\"key\":\"K\"}");
    row.permits("once", send(&world, &mut window, &ask, NOW));
    row.denies("the same bytes", send(&world, &mut window, &ask, NOW));
    // Signed anew it is another request to all that this crate knows: see the dispute.
    assert!(Code::from_text("replay.nonce").is_some());
    row.permits("signed anew", send(&world, &mut window, &Ask { nonce: 2, ..ask }, NOW));
}
