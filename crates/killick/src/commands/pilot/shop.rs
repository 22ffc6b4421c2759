//! The web shop of the pilot: each service a child process of this same executable.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::output::Failure;

/// The shop's services, in the order in which they are started.
pub const SERVICES: [&str; 5] = ["catalogue", "orders", "invoices", "payments", "customers"];

/// Opening SQLite and seeding takes milliseconds; beyond this something is wrong.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How a shop is guarded.
pub enum Guard<'a> {
    /// The usual way: one shared API key and an asserted role.
    ApiKey(&'a str),
    /// Only what the gateway with this public JWK signed.
    Gateway(&'a serde_json::Value),
}

/// A running shop. Its processes end when their standard input closes: when this is dropped, or this process ends.
pub struct Shop {
    urls: BTreeMap<String, String>,
    children: Vec<Child>,
}

impl Shop {
    /// Starts every service with its data beneath `dir`.
    pub async fn start(dir: &Path, guard: &Guard<'_>, oracle_secret: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::check("pilot.shop", format!("cannot find this program's own file: {error}"))
        })?;
        let mut shop = Self { urls: BTreeMap::new(), children: Vec::new() };
        for service in SERVICES {
            let mut command = Command::new(&program);
            command
                .args(["shop", service, "--dir"])
                .arg(dir)
                .env("KILLICK_SHOP_ORACLE_SECRET", oracle_secret);
            match guard {
                Guard::ApiKey(key) => command.args(["--guard", "api-key"]).env("KILLICK_SHOP_API_KEY", key),
                Guard::Gateway(jwk) => {
                    command.args(["--guard", "gateway", "--gateway-jwk"]).arg(jwk.to_string())
                }
            };
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
            let mut child = command.spawn().map_err(|error| failed(service, &error.to_string()))?;
            let url = tokio::time::timeout(START_TIMEOUT, listening(&mut child))
                .await
                .map_err(|_| failed(service, "it was not ready in time"))?
                .ok_or_else(|| failed(service, "it ended before it was ready"))?;
            shop.urls.insert(service.to_owned(), url);
            shop.children.push(child);
        }
        Ok(shop)
    }

    /// Base URL by service.
    pub const fn urls(&self) -> &BTreeMap<String, String> {
        &self.urls
    }

    /// Closes each service's standard input and waits for it to end.
    pub async fn stop(mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
        for mut child in std::mem::take(&mut self.children) {
            // What does not end by itself is killed when it is dropped.
            let _ = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
        }
    }
}

/// The address from the one line that a service prints when it is ready.
async fn listening(child: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(child.stdout.take()?).lines();
    let line = lines.next_line().await.ok()??;
    line.strip_prefix("listening ").map(str::to_owned)
}

fn failed(service: &str, why: &str) -> Failure {
    Failure::check("pilot.shop", format!("the shop's {service} service did not start: {why}"))
        .mend("run it alone to see why: killick shop --help")
}
