//! The sidecar, used by programs that know nothing of killick: curl, and Python's standard library.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::support::*;
use killick_gateway::sidecar::{Sidecar, SidecarConfig, SidecarError, catalogue_hosts};
use tokio::net::TcpListener;
use tokio::process::Command;
use zeroize::Zeroizing;

const SECRET: &str = "mSAzvyGDlxDFuZLI9Yk2Xg";

async fn sidecar(world: &World, agent: &Agent) -> (Sidecar, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let catalogue = serde_json::from_value(world.document.lock().unwrap().catalogue.clone()).unwrap();
    let config = SidecarConfig {
        agent: world.client_config(agent),
        hosts: catalogue_hosts(&catalogue),
        secret: Zeroizing::new(SECRET.to_owned()),
    };
    (Sidecar::start(config, listener).unwrap(), address)
}

/// Runs a program with only this in its environment; returns its standard output.
async fn run(program: &str, args: &[&str], http_proxy: Option<&str>) -> String {
    let mut command = Command::new(program);
    command.args(args).env_remove("no_proxy").env_remove("NO_PROXY").stdin(Stdio::null());
    match http_proxy {
        Some(proxy) => command.env("http_proxy", proxy),
        None => command.env_remove("http_proxy"),
    };
    let output = command.output().await.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

const WITH_STATUS: [&str; 3] = ["-sS", "-w", "|%{http_code}"];

#[tokio::test]
async fn curl_through_the_proxy_is_signed_and_decided_on() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices", "create:payments"]);
    let (_sidecar, address) = sidecar(&world, &bot).await;
    let proxy = format!("http://killick:{SECRET}@{address}");
    let curl = async |args: &[&str], proxy: &str| {
        let args: Vec<&str> = WITH_STATUS.iter().copied().chain(args.iter().copied()).collect();
        run("curl", &args, Some(proxy)).await
    };
    let url = "http://invoices.shop.example/invoices/INV-7";
    assert_eq!(
        curl(&["-H", "x-secret: 1", "-H", "cookie: a=b", url], &proxy).await,
        r#"{"target":"/invoices/INV-7"}|200"#
    );
    let hit = world.hits.all().remove(0);
    assert!(hit.vouched.is_ok());
    for (name, _) in &hit.headers {
        assert!(
            !["x-secret", "cookie", "user-agent", "proxy-authorization"].contains(&name.as_str()),
            "{name}"
        );
    }
    let paid = curl(
        &[
            "-H",
            "content-type: application/json",
            "-d",
            r#"{"amount":1,"to":"ACME"}"#,
            "http://invoices.shop.example/payments",
        ],
        &proxy,
    );
    assert_eq!(paid.await, r#"{"paid":true}|201"#);
    let denied = curl(&["-X", "DELETE", "http://invoices.shop.example/orders/1"], &proxy).await;
    assert!(denied.ends_with("|403") && denied.contains("tool.not_granted"), "{denied}");
    let head = curl(&["-D", "-", "-o", "/dev/null", url], &proxy).await;
    assert!(head.contains("killick-receipt: ") && head.contains("killick-request-id: "), "{head}");
    assert!(!head.contains("x-internal") && !head.contains("set-cookie"), "{head}");

    let before = world.hits.count();
    let moved = curl(&["-L", "http://invoices.shop.example/invoices/moved"], &proxy).await;
    assert!(moved.ends_with("|502") && moved.contains("redirect"), "{moved}");
    assert_eq!(world.hits.count(), before + 1);
    let unknown = curl(&["http://evil.example/x"], &proxy).await;
    assert!(unknown.ends_with("|403") && unknown.contains("catalogue"), "{unknown}");
    let stranger = curl(&[url], &format!("http://killick:guessed-guessed-guessed@{address}")).await;
    assert!(stranger.ends_with("|407"), "{stranger}");
    let stranger = curl(&[url], &format!("http://{address}")).await;
    assert!(stranger.ends_with("|407"), "{stranger}");
    let tunnel =
        run("curl", &["-sS", "-x", &proxy, "-w", "|%{http_connect}", "https://invoices.shop.example/"], None)
            .await;
    assert!(tunnel.contains("|405"), "{tunnel}");
    assert_eq!(world.hits.count(), before + 1);
}

#[tokio::test]
async fn curl_at_the_base_address_needs_the_secret_and_the_loopback_name() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let (_sidecar, address) = sidecar(&world, &bot).await;
    let curl = async |args: &[&str]| {
        let args: Vec<&str> = WITH_STATUS.iter().copied().chain(args.iter().copied()).collect();
        run("curl", &args, None).await
    };
    let url = format!("http://{address}/{SECRET}/invoices/INV-7");
    assert_eq!(curl(&[&url]).await, r#"{"target":"/invoices/INV-7"}|200"#);
    assert!(curl(&[&format!("http://{address}/invoices/INV-7")]).await.ends_with("|401"));
    assert!(curl(&[&format!("http://{address}/{SECRET}x/invoices/INV-7")]).await.ends_with("|401"));
    assert!(curl(&["-H", "host: evil.example", &url]).await.ends_with("|421"));
    assert_eq!(world.hits.count(), 1);
}

#[tokio::test]
async fn python_with_its_standard_library_alone_is_signed() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices", "create:payments"]);
    let (_sidecar, address) = sidecar(&world, &bot).await;
    let program = r#"
import json, urllib.request, urllib.error
shop = "http://invoices.shop.example"
print(json.load(urllib.request.urlopen(shop + "/invoices/INV-7"))["target"])
data = json.dumps({"amount": 12.5, "to": "ACME"}).encode()
request = urllib.request.Request(shop + "/payments", data, {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request))["paid"])
try:
    urllib.request.urlopen(urllib.request.Request(shop + "/orders/1", method="DELETE"))
except urllib.error.HTTPError as denied:
    print(denied.code, json.load(denied)["code"])
"#;
    let printed = run("python3", &["-c", program], Some(&format!("http://killick:{SECRET}@{address}"))).await;
    assert_eq!(printed, "/invoices/INV-7\nTrue\n403 tool.not_granted\n");
}

#[tokio::test]
async fn a_sidecar_is_for_loopback_and_says_when_the_gateway_is_away() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let config = || SidecarConfig {
        agent: world.client_config(&bot),
        hosts: BTreeSet::new(),
        secret: Zeroizing::new(SECRET.to_owned()),
    };
    let anywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(matches!(Sidecar::start(config(), anywhere), Err(SidecarError::NotLoopback(_))));
    let short = SidecarConfig { secret: Zeroizing::new("short".into()), ..config() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(matches!(Sidecar::start(short, listener), Err(SidecarError::Secret)));

    let (_sidecar, address) = sidecar(&world, &bot).await;
    world.gateway.shutdown().await;
    let reply =
        run("curl", &["-sS", "-w", "|%{http_code}", &format!("http://{address}/{SECRET}/invoices/1")], None)
            .await;
    assert!(reply.contains("cannot be reached") && reply.ends_with("|502"), "{reply}");
}

#[tokio::test]
async fn a_chain_too_long_for_a_header_is_put_once_and_named_by_its_hash() {
    use killick_proof::limits::CHAIN_HEADER_BYTES_MAX;
    let world = World::new().await;
    let bot = world.bot_with(&["read:invoices"], |claims| {
        // Many denies make a long token.
        let denies = (0..1_000)
            .map(|n| killick_proof::grammar::ActionPattern::parse(&format!("execute:thing-{n:04}")).unwrap());
        claims.killick.as_mut().unwrap().deny.extend(denies);
    });
    assert!(bot.chain.len() > CHAIN_HEADER_BYTES_MAX);
    let client = killick_gateway::client::AgentClient::new(world.client_config(&bot)).unwrap();
    let request = || killick_gateway::client::AgentRequest {
        method: "GET".into(),
        target: "/invoices/INV-7".into(),
        content_type: None,
        body: bytes::Bytes::new(),
    };
    for _ in 0..3 {
        let reply = client.call(request()).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert!(world.gateway.metrics().encode().contains("killick_gateway_chains 1"));
    // What is kept is only the text: a revocation still counts.
    world.publish(|document| document.revocations.tokens.push(bot.jti.clone())).await;
    assert_eq!(client.call(request()).await.unwrap().code().as_deref(), Some("token.revoked"));
}

#[tokio::test]
async fn a_new_token_takes_effect_with_the_next_call() {
    let world = World::new().await;
    let (bot, better) = (world.bot(&[]), world.bot(&["read:invoices"]));
    let (token, chain) = tokio::sync::watch::channel(std::sync::Arc::from(bot.chain.as_str()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{SECRET}/invoices/1", listener.local_addr().unwrap());
    let agent = killick_gateway::client::AgentClientConfig { chain, ..world.client_config(&bot) };
    let config = SidecarConfig { agent, hosts: BTreeSet::new(), secret: Zeroizing::new(SECRET.to_owned()) };
    let _sidecar = Sidecar::start(config, listener).unwrap();
    let curl = async || run("curl", &["-sS", "-w", "|%{http_code}", &url], None).await;
    let denied = curl().await;
    assert!(denied.contains("tool.not_granted"), "{denied}");
    token.send_replace(std::sync::Arc::from(better.chain.as_str()));
    assert!(curl().await.ends_with("|200"));
}
