//! `killick.toml`: written with comments at the first start, read strictly ever after. A key that is not known is
//! refused with the nearest one that is; a setting is never silently ignored.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use killick_tlog::note::{SignatureType, VerifierKey};
use killick_witness::{Member, Panel, WitnessUrl};
use serde::Deserialize;

use crate::duration;
use crate::output::{Exit, Failure};

/// The trust domain of an installation that did not choose one: `.internal` is reserved for private use.
pub const TRUST_DOMAIN_DEFAULT: &str = "killick.internal";

/// The commented file as it is written at the first start, every setting at its default.
pub fn default_text(trust_domain: &str) -> String {
    format!(
        r#"# killick.toml: the configuration of this killick. `killick config check` says what is wrong with it and where.
# Reload with SIGHUP: policies, catalogue.json and [log] level take effect at once, the rest at the next start.

# The name of your trust domain: every identity is spiffe://<trust domain>/... Fixed once the first agent is there.
trust_domain = "{trust_domain}"

# Your organisation's time zone (an IANA name, e.g. "Europe/Berlin"), for rules about the time of day.
time_zone = "UTC"

[gateway]
# Where agents send their requests. Port 0 takes any free port; run.json in this folder says which.
listen = "127.0.0.1:7443"
# How agents reach it, if it is not the address above; the first is the one that signatures must name.
# public_origins = ["http://127.0.0.1:7443"]

[console]
# Where people look: fleet, live decisions, log.
listen = "127.0.0.1:7480"

[admin]
# Metrics (OpenMetrics at /metrics) and health (/healthz, /readyz).
listen = "127.0.0.1:7481"

[lifetimes]
# Of an agent's certificate; renewed before it ends.
svid = "1h"
# Of a token whose grant names no time.
token = "1h"

[ledger]
# Witnesses of both logs: they cosign what was recorded, and remember it. Without any, whoever holds this machine can
# rewrite the log and sign it anew; with a quorum of other people's witnesses that is noticed. See `killick witness`.
# How many distinct operators must cosign a head.
# quorum = 1
# One line for each: its key, where it answers, who runs it. `tunnel = true` says that the address is a tunnel or TLS
# proxy on this machine and the witness is elsewhere; one that runs on this machine does not count.
# [[ledger.witnesses]]
# vkey = "witness.example/w1+..."
# url = "http://witness.example:7482"
# operator = "Example Ltd"
# tunnel = false

[log]
# error, warn, info, debug, trace; or a filter as of tracing, e.g. "info,killick_gateway=debug".
level = "info"
# "text" for people, "json" for programs.
format = "text"

[telemetry]
# OpenTelemetry traces by OTLP over HTTP, e.g. "http://127.0.0.1:4318/v1/traces". Off unless set.
# otlp_endpoint = "http://127.0.0.1:4318/v1/traces"
"#
    )
}

/// The configuration. Every field is checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// IANA name.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The gateway.
    #[serde(default)]
    pub gateway: Gateway,
    /// The console.
    #[serde(default)]
    pub console: Console,
    /// Metrics and health.
    #[serde(default)]
    pub admin: Admin,
    /// Lifetimes.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// The logs' witnesses.
    #[serde(default)]
    pub ledger: Ledger,
    /// Logging.
    #[serde(default)]
    pub log: Log,
    /// Tracing.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// `[gateway]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Under which names it is reached; empty: the address it listens on.
    pub public_origins: Vec<String>,
}

/// `[console]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// `[lifetimes]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Of SVIDs, seconds.
    #[serde(deserialize_with = "seconds")]
    pub svid: u64,
    /// Of tokens, seconds.
    #[serde(deserialize_with = "seconds")]
    pub token: u64,
}

/// `[ledger]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// Distinct operators that must cosign a head; named exactly when there are witnesses.
    pub quorum: usize,
    /// The witnesses.
    pub witnesses: Vec<Witness>,
}

/// `[[ledger.witnesses]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its verifier key.
    pub vkey: String,
    /// Its submission prefix.
    pub url: String,
    /// Who runs it.
    pub operator: String,
    /// Whether the address is a tunnel's, and the witness elsewhere.
    #[serde(default)]
    pub tunnel: bool,
}

impl Ledger {
    /// The witnesses as a panel for the log with this key; `None` if there are none. `own`: who runs the log. Errs with
    /// one sentence.
    pub fn panel(&self, log: &VerifierKey, own: &str) -> Result<Option<Panel>, String> {
        if self.witnesses.is_empty() {
            return if self.quorum == 0 { Ok(None) } else { Err("a quorum without witnesses".to_owned()) };
        }
        let member = |witness: &Witness| {
            let wrong = |problem: String| format!("the witness of `{}`: {problem}", witness.operator);
            if witness.operator.trim().is_empty() {
                return Err(format!("nobody is named who runs the witness at {}", witness.url));
            }
            Ok(Member {
                key: VerifierKey::parse(&witness.vkey).map_err(|error| wrong(error.to_string()))?,
                url: WitnessUrl::parse(&witness.url).map_err(wrong)?,
                operator: witness.operator.clone(),
                tunnel: witness.tunnel,
            })
        };
        let members = self.witnesses.iter().map(member).collect::<Result<_, _>>()?;
        Panel::new(log.clone(), own, members, self.quorum).map(Some).map_err(|error| error.to_string())
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A filter.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `[telemetry]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

impl Default for Gateway {
    fn default() -> Self {
        Self { listen: loopback(7443), public_origins: Vec::new() }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: loopback(7480) }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: loopback(7481) }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { svid: 3_600, token: 3_600 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse(&text).map_err(serde::de::Error::custom)
}

/// What is wrong with a configuration, where, and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// 1-based line, if it can be told.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

impl ConfigError {
    /// As a failure of a command that needs this file.
    pub fn into_failure(self, path: &Path, exit: Exit) -> Failure {
        let place = self.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let failure =
            Failure::new(exit, "config.invalid", format!("{}{place}: {}", path.display(), self.problem))
                .mend(self.mend);
        match self.line {
            Some(line) => failure.with("line", line),
            None => failure,
        }
    }
}

impl Config {
    /// A configuration with every setting at its default.
    pub fn for_trust_domain(trust_domain: &str) -> Result<Self, ConfigError> {
        Self::parse(&default_text(trust_domain))
    }

    /// Reads and checks a file.
    pub fn read(path: &Path, exit: Exit) -> Result<Self, Failure> {
        let text = crate::folder::read_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => {
                Failure::new(exit, "config.invalid", format!("{} is not text", path.display()))
                    .mend("restore it, or write a new one with `killick config default`")
            }
            _ => Failure::io("read", path, &error),
        })?;
        Self::parse(&text).map_err(|error| error.into_failure(path, exit))
    }

    /// Reads and checks the text of a configuration.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| explain(text, &error))?;
        config.check(text)?;
        Ok(config)
    }

    fn check(&self, text: &str) -> Result<(), ConfigError> {
        let wrong = |key: &str, problem: String, mend: &str| {
            Err(ConfigError { line: line_of(text, key), problem, mend: mend.to_owned() })
        };
        if let Err(refusal) =
            killick_proof::SpiffeId::parse(&format!("spiffe://{}/authority", self.trust_domain))
        {
            return wrong(
                "trust_domain",
                format!("`{}` is no trust domain: {}", self.trust_domain, refusal.detail()),
                "use lower-case letters, digits, dots and hyphens, e.g. acme.example",
            );
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return wrong(
                "time_zone",
                format!("there is no time zone `{}`", self.time_zone),
                "use an IANA name, e.g. Europe/Berlin or UTC",
            );
        }
        for origin in &self.gateway.public_origins {
            if !is_origin(origin) {
                return wrong(
                    "public_origins",
                    format!("`{origin}` is no origin"),
                    "write scheme and host in lower case without a path, e.g. https://agents.acme.example",
                );
            }
        }
        if self.lifetimes.token > killick_proof::limits::TOKEN_LIFETIME_SECS_MAX {
            return wrong(
                "token",
                format!("tokens of {} are too long-lived", duration::text(self.lifetimes.token)),
                "use 24h at most",
            );
        }
        if !(60..=86_400).contains(&self.lifetimes.svid) {
            return wrong(
                "svid",
                format!("certificates of {} are out of bounds", duration::text(self.lifetimes.svid)),
                "use between 1m and 24h",
            );
        }
        // Any key that no witness has stands for the logs' own, which are not known yet.
        let no_log = VerifierKey::new("log", SignatureType::Ed25519, [0; 32]);
        if let Err(problem) = no_log
            .map_err(|error| error.to_string())
            .and_then(|no_log| self.ledger.panel(&no_log, &self.trust_domain))
        {
            let key = if problem.contains("quorum") { "quorum" } else { "[[ledger.witnesses]]" };
            return wrong(
                key,
                problem,
                "name each witness with vkey, url and operator, and a quorum that their operators can make",
            );
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.level) {
            return wrong(
                "level",
                format!("`{}` is no log filter: {error}", self.log.level),
                "use e.g. \"info\"",
            );
        }
        if let Some(endpoint) = &self.telemetry.otlp_endpoint
            && !endpoint
                .parse::<http::Uri>()
                .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some())
        {
            return wrong(
                "otlp_endpoint",
                format!("`{endpoint}` is no http:// address"),
                "use the collector's OTLP over HTTP address, e.g. http://127.0.0.1:4318/v1/traces",
            );
        }
        Ok(())
    }

    /// The settings in which `other` differs that need a restart, by name.
    pub fn needs_restart(&self, other: &Config) -> Vec<&'static str> {
        let mut changed = Vec::new();
        let mut differs = |name, is: bool| {
            if is {
                changed.push(name);
            }
        };
        differs("trust_domain", self.trust_domain != other.trust_domain);
        differs("time_zone", self.time_zone != other.time_zone);
        differs("[gateway]", self.gateway != other.gateway);
        differs("[console]", self.console != other.console);
        differs("[admin]", self.admin != other.admin);
        differs("[lifetimes]", self.lifetimes != other.lifetimes);
        differs("[ledger]", self.ledger != other.ledger);
        differs("[log] format", self.log.format != other.log.format);
        differs("[telemetry]", self.telemetry != other.telemetry);
        changed
    }
}

/// The configuration file of a data folder.
pub fn path_in(dir: &Path) -> PathBuf {
    dir.join("killick.toml")
}

/// Whether the text is `scheme://authority`, lower case, nothing after it.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return false;
    };
    !rest.is_empty()
        && !rest.contains(|c: char| {
            c == '/' || c == '?' || c == '#' || c == '@' || c.is_uppercase() || c.is_whitespace()
        })
        && rest.parse::<http::uri::Authority>().is_ok()
}

/// The line on which a key is set, for errors found after parsing.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            let is_table = key.starts_with('[') && line.trim() == key;
            is_table
                || line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        })
        .map(|index| index + 1)
}

/// Turns the parser's error into a line, a sentence and a mend.
fn explain(text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map(|span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
    let message = error.message();
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown ")
        && let Some((unknown, known)) = names.split_first()
    {
        let near = nearest(unknown, known);
        return ConfigError {
            line,
            problem: format!("there is no setting `{unknown}` here"),
            mend: match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "remove it".to_owned(),
                None => format!("remove it, or use one of {}", known.join(", ")),
            },
        };
    }
    let mend = if message.starts_with("missing field") { "add it" } else { "correct the line" };
    ConfigError { line, problem: message.replace("missing field", "there is no"), mend: mend.to_owned() }
}

/// The known word that is nearest to a wrong one, if any is near: at most a third of its letters differ.
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (distance(wrong, word), *word))
        .min()
        .filter(|(edits, word)| *edits <= word.chars().count().max(wrong.chars().count()).div_ceil(3))
        .map(|(_, word)| word)
}

/// Letters to add, drop or change to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let cost = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = cost.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_text_says_the_defaults() {
        let read = Config::for_trust_domain("acme.example").unwrap();
        let bare = Config::parse("trust_domain = \"acme.example\"").unwrap();
        assert_eq!(read, bare);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
        let error = Config::parse("trust_domain = \"a.example\"\n[gateway]\nlisten_ = \"127.0.0.1:0\"\n")
            .unwrap_err();
        assert_eq!(error.line, Some(3));
        assert_eq!(error.mend, "did you mean `listen`?");
        let error = Config::parse("trust_domain = \"a.example\"\n[gatewya]\n").unwrap_err();
        assert_eq!((error.line, error.mend.as_str()), (Some(2), "did you mean `gateway`?"));
    }

    #[test]
    fn every_bad_value_is_told_with_its_line() {
        let with =
            |line: &str| Config::parse(&format!("trust_domain = \"a.example\"\n{line}\n")).unwrap_err();
        for bad in [
            "time_zone = \"Mars/Olympus\"",
            "gateway.listen = \"here\"",
            "gateway.public_origins = [\"https://x.example/path\"]",
            "lifetimes.token = \"48h\"",
            "lifetimes.svid = \"1s\"",
            "lifetimes.svid = 3600",
            "log.level = \"a=b=c\"",
            "log.format = \"xml\"",
            "telemetry.otlp_endpoint = \"collector\"",
            "= 3",
        ] {
            let error = with(bad);
            assert!(!error.problem.is_empty() && !error.problem.contains('\n'), "{bad}: {error:?}");
        }
        assert_eq!(Config::parse("trust_domain = \"A B\"").unwrap_err().line, Some(1));
        assert!(Config::parse("").unwrap_err().problem.contains("trust_domain"));
    }

    #[test]
    fn witnesses_are_checked_with_their_line() {
        let vkey = |name: &str, seed: u8| {
            let kind = killick_tlog::note::SignatureType::CosignatureV1;
            let key = killick_tlog::note::SignerKey::from_seed(name, kind, &[seed; 32]).unwrap();
            key.verifier().to_string()
        };
        let witness = |vkey: &str, url: &str, operator: &str| {
            format!("[[ledger.witnesses]]\nvkey = \"{vkey}\"\nurl = \"{url}\"\noperator = \"{operator}\"\n")
        };
        let (one, two) = (vkey("w1.example", 1), vkey("w2.example", 2));
        let parse = |quorum: usize, witnesses: &[String]| {
            let witnesses = witnesses.concat();
            Config::parse(&format!("trust_domain = \"a.example\"\n[ledger]\nquorum = {quorum}\n{witnesses}"))
        };
        let url = "http://192.0.2.1";
        let good = [witness(&one, url, "one"), witness(&two, url, "two")];
        assert_eq!(parse(2, &good).unwrap().ledger.witnesses.len(), 2);
        parse(0, &[]).unwrap();
        for (quorum, witnesses, line) in [
            (1, vec![], Some(3)),
            (0, good.to_vec(), Some(3)),
            (3, good.to_vec(), Some(3)),
            (2, vec![witness(&one, url, "one"), witness(&two, url, "One")], Some(3)),
            (1, vec![witness(&one, url, "a.example")], Some(3)),
            (1, vec![witness(&one, "https://w.example", "one")], Some(4)),
            (1, vec![witness("w1.example+00000000+AQ==", url, "one")], Some(4)),
            (1, vec![witness(&one, url, " ")], Some(4)),
            (1, vec![witness(&one, url, "one"), witness(&one, url, "two")], Some(4)),
        ] {
            let error = parse(quorum, &witnesses).unwrap_err();
            assert_eq!(error.line, line, "{error:?}");
        }
    }

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
