//! The positive controls, against a real shop that is guarded the usual way: every case of a seed must reach its
//! effect there, or it would prove nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use killick_redteam::attacks;
use killick_redteam::case::{Kind, Steps};
use killick_redteam::judge::{Judge, all_books};
use killick_redteam::world::{
    Accepted, Agent, Boxed, NewAgent, NewToken, Operator, PilotWorld, ROSTER, Revoke, Services, fresh_key,
};
use killick_redteam::{RedteamError, run_cases};
use killick_shop::{Guard, Running, Service, ServiceConfig, start_service};
use serde_json::json;
use tokio::net::TcpListener;

/// Nobody can do anything: controls need no operator.
struct NoOperator;

impl Operator for NoOperator {
    fn onboard(&self, _: NewAgent) -> Boxed<'_, Result<Agent, RedteamError>> {
        Box::pin(async { Err(RedteamError::Operator("there is none".to_owned())) })
    }
    fn grant(&self, _: NewToken) -> Boxed<'_, Result<String, RedteamError>> {
        Box::pin(async { Err(RedteamError::Operator("there is none".to_owned())) })
    }
    fn revoke(&self, _: Revoke) -> Boxed<'_, Result<Accepted, RedteamError>> {
        Box::pin(async { Err(RedteamError::Operator("there is none".to_owned())) })
    }
}

async fn shop(dir: &std::path::Path) -> (Vec<Running>, Services) {
    let (mut running, mut urls) = (Vec::new(), BTreeMap::new());
    for service in Service::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let one = start_service(ServiceConfig {
            service,
            dir: dir.to_owned(),
            listener,
            guard: Guard::ApiKey("shared-key".to_owned()),
            oracle_secret: "judge".to_owned(),
        })
        .await
        .unwrap();
        urls.insert(service.name().to_owned(), one.url().to_owned());
        running.push(one);
    }
    (running, Services { urls, oracle_secret: "judge".to_owned() })
}

fn world(baseline: Services, seed: u64) -> PilotWorld {
    let agents = ROSTER
        .iter()
        .map(|agent| {
            let credentials = Agent {
                name: agent.name.to_owned(),
                id: format!("spiffe://shop.example/agent/{}", agent.name),
                key: Arc::new(fresh_key().unwrap()),
                chain: String::new(),
            };
            (agent.name.to_owned(), credentials)
        })
        .collect();
    PilotWorld {
        // Nothing listens there: the gateway is not what these tests are about.
        gateway: "http://127.0.0.1:1".to_owned(),
        audience: "spiffe://shop.example/gateway/gw-1".to_owned(),
        trust_domain: "shop.example".to_owned(),
        agents,
        protected: baseline.clone(),
        baseline,
        api_key: "shared-key".to_owned(),
        operator: Arc::new(NoOperator),
        seed,
    }
}

#[tokio::test]
async fn every_control_reaches_its_effect_in_the_shop_that_is_guarded_the_usual_way() {
    for seed in [1, 2, 3, 5, 7, 11, 13, 1_000_003, 20_261_124] {
        let dir = tempfile::tempdir().unwrap();
        let (_running, services) = shop(dir.path()).await;
        let world = world(services, seed);
        let mut judge = Judge::new(&world.baseline);
        let mut invalid = Vec::new();
        for case in attacks::all(seed) {
            judge.fresh(case.forbidden.service).await.unwrap();
            let control = attacks::control(&world, &case).await;
            let receipts = judge.fresh(case.forbidden.service).await.unwrap();
            if !case.forbidden.recorded_in(&receipts) {
                invalid
                    .push(format!("{} {} {:?}: {control:?}, {receipts:?}", case.id, case.title, case.steps));
            }
        }
        assert!(invalid.is_empty(), "seed {seed}: {}", invalid.join("\n"));
    }
}

#[test]
fn a_seed_draws_at_least_80_distinct_cases_with_unique_ids() {
    for seed in 0..20 {
        let cases = attacks::all(seed);
        assert!(cases.len() >= 88, "{}", cases.len());
        let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids.len(), cases.len());
        let techniques: BTreeSet<(Kind, &str)> =
            cases.iter().map(|case| (case.kind, case.technique)).collect();
        assert!(techniques.len() >= 80, "{}", techniques.len());
        for kind in Kind::ALL {
            assert!(cases.iter().filter(|case| case.kind == kind).count() >= 12, "{kind}");
        }
        for case in &cases {
            assert!(!case.expected.is_empty(), "{}", case.id);
            for code in case.expected {
                assert!(killick_proof::Code::from_text(code).is_some(), "{}: {code}", case.id);
            }
        }
    }
}

#[test]
fn the_seed_says_which_cases_are_drawn() {
    let drawn = |seed| -> Vec<String> {
        attacks::all(seed).iter().map(|case| format!("{} {}", case.id, case.forbidden)).collect()
    };
    assert_eq!(drawn(5), drawn(5));
    assert_ne!(drawn(5), drawn(6));
    let last = attacks::all(5).pop().unwrap();
    assert!(matches!(last.steps, Steps::AfterRevocation(..)), "what revokes comes last");
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_a_failed_run_and_not_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (_running, services) = shop(dir.path()).await;
    let world = world(services, 3);
    let cases: Vec<_> =
        attacks::all(3).into_iter().filter(|case| case.kind == Kind::Injection).take(3).collect();
    let results = run_cases(&world, &cases, &mut |_, _| {}).await.unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        assert!(result.control.effect_recorded && result.failed && !result.effect_recorded, "{result:?}");
        assert!(result.verdict.starts_with("failed: "), "{result:?}");
    }
}

#[tokio::test]
async fn the_judge_reads_the_books_of_every_service_and_no_line_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (_running, services) = shop(dir.path()).await;
    let world = world(services, 4);
    let mut judge = Judge::new(&world.baseline);
    assert!(judge.fresh("payments").await.unwrap().is_empty());
    let call = killick_redteam::call::Call::get("/payments/PAY-3001");
    killick_redteam::call::at_baseline(&world, &call).await.unwrap();
    let first = judge.fresh("payments").await.unwrap();
    assert_eq!(
        (first.len(), first[0].operation.as_str(), first[0].kind.as_str()),
        (1, "read:payments", "read")
    );
    assert_eq!(first[0].arguments, json!({ "id": "PAY-3001" }));
    assert!(judge.fresh("payments").await.unwrap().is_empty());
    assert_eq!(all_books(&world.baseline).await.unwrap(), first);
}
