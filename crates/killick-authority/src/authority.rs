//! Opening an authority, and what its handle gives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine as _;
use killick_decide::entry::Act;
use killick_proof::bundle::{AgentState, BundleDocument, GatewayRecord, Revocations};
use killick_proof::keys::{PublicKey, SigningKey, base64url, sha256};
use killick_proof::svid::{self, SvidAuthority};
use killick_proof::{SpiffeId, UnixTime};
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::capabilities;
use crate::config::AuthorityConfig;
use crate::error::{AuthorityError, ErrorKind};
use crate::files;
use crate::keystore::{FileKeyStore, KeyName, KeyStore as _};
use crate::limits::{ACTS_TAIL, ROOT_LIFETIME_SECS};
use crate::names;
use crate::publish::Signer;
use crate::rules::Rules;
use crate::state::{Batch, State};
use crate::store::{Loaded, Store, Write};
use crate::writer::{self, Changes, Reload, Writer};

/// The authority of a trust domain. Clones share it.
#[derive(Clone)]
pub struct Authority {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Arc<AuthorityConfig>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) store: Store,
    pub(crate) changes: Changes,
    pub(crate) bundles: watch::Receiver<Arc<str>>,
    /// Catalogue and policies as published. Whoever changes them holds this for the whole of it.
    pub(crate) rules: Arc<Mutex<Rules>>,
}

/// The authority in numbers.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Status {
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// The newest bundle's version.
    pub bundle_version: u64,
    /// Agents that may act.
    pub agents_active: usize,
    /// Agents that may not, for now.
    pub agents_suspended: usize,
    /// Agents that are gone.
    pub agents_offboarded: usize,
    /// Names of the agents in observe mode.
    pub observing: Vec<String>,
    /// Tokens that have neither expired nor been revoked.
    pub tokens_live: usize,
    /// Revocations in force.
    pub revocations: usize,
    /// Whether the kill switch is on.
    pub revoked_all: bool,
    /// Catalogue, `id@version`.
    pub catalogue: String,
    /// Number of policies.
    pub policies: usize,
    /// Entries of the directory log.
    pub directory_size: u64,
}

impl Authority {
    /// Opens the authority in `config.dir`, or sets up a new one: keys, the SVID root, the database, an empty
    /// catalogue and a baseline policy. Whatever a crash left unrecorded is recorded first. Errs with one clear
    /// sentence if anything in the folder is damaged, unsafe or of another trust domain.
    pub async fn open(config: AuthorityConfig) -> Result<Self, AuthorityError> {
        check_config(&config)?;
        files::create_dir(&config.dir)?;
        let config = Arc::new(config);
        let now = (config.clock)();
        let (signer, first_acts) = open_keys(&config, now)?;
        let signer = Arc::new(signer);
        let store = Store::open(&config.dir.join("authority.db")).await?;
        let opened = Self::open_on(store.clone(), config, signer, first_acts, now).await;
        if opened.is_err() {
            // No write-ahead log stays behind that a database restored over this one would be mixed with.
            store.close().await;
        }
        opened
    }

    async fn open_on(
        store: Store,
        config: Arc<AuthorityConfig>,
        signer: Arc<Signer>,
        mut first_acts: Vec<Act>,
        now: UnixTime,
    ) -> Result<Self, AuthorityError> {
        let loaded = store.load(&config.trust_domain, now).await?;
        check_same_domain(&config, &loaded.meta)?;

        let mut acts_logged = number(&loaded.meta, "acts_logged");
        acts_logged = catch_up(&config, &loaded, acts_logged).await?;

        let (rules, changed) = Rules::read(&config.dir, &config.trust_domain, &loaded.meta).await?;
        let mut state = build_state(&config, &signer, &rules, loaded, now)?;
        state.act_next = state.act_next.max(acts_logged.saturating_add(1));
        let document = state.document.clone();
        tokio::task::spawn_blocking(move || check_bundle(&document))
            .await
            .map_err(|_| AuthorityError::stopped())??;

        let mut batch = Batch { publish: true, ..Batch::default() };
        batch.writes.push(Write::SetMeta { key: "trust_domain", value: config.trust_domain.clone() });
        batch.acts.append(&mut first_acts);
        rules.push_changes(&mut batch, &changed, now);
        let rules = Arc::new(Mutex::new(rules));

        let (sender, bundles) = watch::channel(Arc::from(""));
        let mut writer = Writer {
            store: store.clone(),
            ledger: config.ledger.clone(),
            signer: signer.clone(),
            state,
            acts_logged,
            bundles: sender,
            reload: reload(config.clone(), signer.clone(), store.clone(), rules.clone()),
            config: config.clone(),
        };
        writer.begin(batch).await?;
        let changes = writer.start();
        Ok(Self { shared: Arc::new(Shared { config, signer, store, changes, bundles, rules }) })
    }

    /// The newest signed bundle, as a compact JWS: a new one at each change, and every 30 s without one.
    pub fn bundles(&self) -> watch::Receiver<Arc<str>> {
        self.shared.bundles.clone()
    }

    /// The key that gateways pin to verify bundles.
    pub fn bundle_key(&self) -> &PublicKey {
        self.shared.signer.bundle.public()
    }

    /// The authority in numbers.
    pub async fn status(&self) -> Result<Status, AuthorityError> {
        let trust_domain = self.shared.config.trust_domain.clone();
        let directory_size = self.shared.config.ledger.size();
        let (status, _) = self
            .shared
            .changes
            .submit(move |state, _| {
                let count = |wanted: AgentState| {
                    state.document.agents.iter().filter(|agent| agent.state == wanted).count()
                };
                let reference = state.catalogue.reference();
                Ok(Status {
                    trust_domain,
                    bundle_version: state.document.version,
                    agents_active: count(AgentState::Active),
                    agents_suspended: count(AgentState::Suspended),
                    agents_offboarded: count(AgentState::Offboarded),
                    observing: state
                        .document
                        .agents
                        .iter()
                        .filter(|agent| agent.observe_until.is_some())
                        .map(|agent| names::registered_name(&agent.id).to_owned())
                        .collect(),
                    tokens_live: state.tokens.len(),
                    revocations: state.revoked.len(),
                    revoked_all: state.document.revocations.all,
                    catalogue: format!("{}@{}", reference.id, reference.version),
                    policies: state.document.policies.len(),
                    directory_size,
                })
            })
            .await?;
        Ok(status)
    }

    /// Finishes the changes that wait and closes the database. The ledger stays with whoever opened it.
    pub async fn close(&self) {
        self.shared.changes.close().await;
        self.shared.store.close().await;
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.shared.config.clock)()
    }
}

fn check_config(config: &AuthorityConfig) -> Result<(), AuthorityError> {
    let wrong = |what: String, mend: &str| Err(AuthorityError::setup(what, mend));
    let authority = format!("spiffe://{}/authority", config.trust_domain);
    match SpiffeId::parse(&authority) {
        Ok(id) if id.trust_domain() == config.trust_domain => {}
        _ => {
            return wrong(
                format!("`{}` is not a trust domain", config.trust_domain.escape_default()),
                "use lower-case letters, digits, `.`, `-` and `_`, for example `acme.example`",
            );
        }
    }
    if config.gateway.id.trust_domain() != config.trust_domain {
        return wrong(
            format!(
                "the gateway `{}` is not in the trust domain `{}`",
                config.gateway.id, config.trust_domain
            ),
            "give it an ID of this trust domain",
        );
    }
    if PublicKey::from_jwk(&config.gateway.jwk).is_err() {
        return wrong("the gateway's public key is not an Ed25519 JWK".to_owned(), "check keys/gateway.key");
    }
    if jiff::tz::TimeZone::get(&config.time_zone).is_err() {
        return wrong(
            format!("`{}` is not a time zone", config.time_zone.escape_default()),
            "use an IANA name, for example `Europe/Berlin`",
        );
    }
    let cap = killick_proof::limits::TOKEN_LIFETIME_SECS_MAX;
    if config.token_lifetime_secs_max == 0
        || config.token_lifetime_secs_max > cap
        || config.token_lifetime_secs == 0
        || config.token_lifetime_secs > config.token_lifetime_secs_max
    {
        return wrong(
            "the token lifetimes do not fit".to_owned(),
            &format!("the default lies within the maximum, and the maximum within {cap} s"),
        );
    }
    if config.token_depth > killick_proof::limits::DELEGATION_DEPTH_MAX {
        return wrong("the delegation depth is above 32".to_owned(), "lower it");
    }
    if !(60..=86_400).contains(&config.svid_lifetime_secs) {
        return wrong("the SVID lifetime is not within 60 s and 24 h".to_owned(), "the default is 3600 s");
    }
    Ok(())
}

fn check_same_domain(config: &AuthorityConfig, meta: &HashMap<String, String>) -> Result<(), AuthorityError> {
    match meta.get("trust_domain") {
        Some(domain) if *domain != config.trust_domain => Err(AuthorityError::setup(
            format!(
                "`{}` belongs to the trust domain `{domain}`, not `{}`",
                config.dir.display(),
                config.trust_domain
            ),
            "use another folder, or the trust domain that it was made for",
        )),
        _ => Ok(()),
    }
}

/// Loads the authority's keys, or makes them; their birth is an act.
fn open_keys(config: &AuthorityConfig, now: UnixTime) -> Result<(Signer, Vec<Act>), AuthorityError> {
    let keys = FileKeyStore::open(&config.dir)?;
    let mut acts = Vec::new();
    let mut born = |what: &str, fingerprint: String| {
        acts.push(Act {
            kind: "key",
            at: now,
            by: "authority".to_owned(),
            members: BTreeMap::from([
                ("key".to_owned(), Value::from(what)),
                ("change".to_owned(), Value::from("created")),
                ("fingerprint".to_owned(), Value::from(fingerprint)),
            ]),
        });
    };
    let mut open = |name: KeyName| -> Result<SigningKey, AuthorityError> {
        if let Some(key) = keys.load(name)? {
            return Ok(key);
        }
        let key = keys.create(name)?;
        born(name.as_str(), key.id().as_str().to_owned());
        Ok(key)
    };
    let token = open(KeyName::AuthorityToken)?;
    let bundle = open(KeyName::AuthorityBundle)?;
    let ca = open(KeyName::SvidCa)?;

    let certificate_path = config.dir.join("keys").join("svid-ca.der");
    let setup = |refusal: killick_proof::Refusal| {
        AuthorityError::setup(
            format!("`{}` cannot be used: {}", certificate_path.display(), refusal.detail()),
            "restore it and svid-ca.key from the same backup",
        )
    };
    let svid = match files::read_bounded(&certificate_path, 65_536)? {
        Some(der) => SvidAuthority::load(&der, ca.seed()).map_err(setup)?,
        None => {
            let made =
                svid::new_root(&config.trust_domain, ca.seed(), random_serial()?, now, ROOT_LIFETIME_SECS)
                    .map_err(setup)?;
            files::write_whole(&certificate_path, made.certificate_der(), 0o644)?;
            born("svid-ca certificate", base64url(&sha256(made.certificate_der())));
            made
        }
    };
    Ok((Signer { bundle, token, svid }, acts))
}

/// Sixteen random bytes for a certificate's serial number (RFC 5280 section 4.1.2.2).
pub(crate) fn random_serial() -> Result<[u8; 16], AuthorityError> {
    let mut serial = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| AuthorityError::setup("the system gives no random bytes", "check /dev/urandom"))?;
    Ok(serial)
}

/// Records the acts that a crash kept from the directory log. Returns the serial of the last act in the log. Errs with
/// `state.rollback` if the log knows of later acts than the database: it was restored from an older backup.
async fn catch_up(
    config: &AuthorityConfig,
    loaded: &Loaded,
    acts_logged: u64,
) -> Result<u64, AuthorityError> {
    let pending: Vec<_> = loaded.acts.iter().filter(|act| act.serial > acts_logged).collect();
    let last = pending.iter().map(|act| act.serial).max().unwrap_or(acts_logged);
    let size = config.ledger.size();
    let tail = config.ledger.read(size.saturating_sub(ACTS_TAIL), size).await?;
    let in_log = tail.iter().filter_map(|entry| serial_of(entry)).max().unwrap_or(acts_logged);
    if in_log > last {
        return Err(AuthorityError::new(
            ErrorKind::Setup,
            "state.rollback",
            format!(
                "authority.db ends at act {last}, but the directory log has act {in_log}: the database is older"
            ),
            "restore the newest backup of authority.db; revocations made since the older one would be lost",
        ));
    }
    let mut missing = Vec::new();
    for act in pending.into_iter().filter(|act| act.serial > in_log) {
        missing.push(writer::act_from_text(&act.text).ok_or_else(|| {
            AuthorityError::setup(
                "authority.db is damaged (an act is not readable)",
                "restore it from a backup",
            )
        })?);
    }
    if !missing.is_empty() {
        tracing::warn!(count = missing.len(), "recording acts that the last run could not");
        writer::record(&config.ledger, missing).await?;
    }
    Ok(last)
}

/// The serial that an entry of the directory log carries.
fn serial_of(entry: &[u8]) -> Option<u64> {
    fn find(value: &Value) -> Option<u64> {
        let members = value.as_object()?;
        members.get("serial").and_then(Value::as_u64).or_else(|| members.values().find_map(find))
    }
    find(&serde_json::from_slice(entry).ok()?)
}

pub(crate) fn number(meta: &HashMap<String, String>, key: &str) -> u64 {
    meta.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A bundle's content without agents and revocations.
pub(crate) fn base_document(
    config: &AuthorityConfig,
    signer: &Signer,
    rules: &Rules,
    now: UnixTime,
) -> Result<BundleDocument, AuthorityError> {
    let root = base64::engine::general_purpose::STANDARD.encode(signer.svid.certificate_der());
    Ok(BundleDocument {
        version: 0,
        issued_at: now,
        trust_domain: config.trust_domain.clone(),
        issuer: config.issuer(),
        authority: SpiffeId::parse(&format!("spiffe://{}/authority", config.trust_domain))?,
        token_keys: vec![signer.token.public().to_jwk()],
        svid_roots: vec![root],
        agents: Vec::new(),
        revocations: Revocations::default(),
        gateways: vec![GatewayRecord { id: config.gateway.id.clone(), jwk: config.gateway.jwk.clone() }],
        catalogue: rules.catalogue_json.clone(),
        policies: rules.policies.clone(),
        time_zone: config.time_zone.clone(),
    })
}

fn build_state(
    config: &AuthorityConfig,
    signer: &Signer,
    rules: &Rules,
    loaded: Loaded,
    now: UnixTime,
) -> Result<State, AuthorityError> {
    let mut document = base_document(config, signer, rules, now)?;
    document.version = number(&loaded.meta, "bundle_version");
    document.agents = loaded.agents;
    document.revocations = loaded.revocations;
    let positions = document
        .agents
        .iter()
        .enumerate()
        .map(|(position, agent)| (names::registered_name(&agent.id).to_ascii_lowercase(), position))
        .collect();
    let act_next = loaded.acts.iter().map(|act| act.serial.saturating_add(1)).max().unwrap_or(1);
    let mut state = State {
        document,
        positions,
        key_holders: loaded.key_holders.into_iter().collect(),
        tokens: loaded.tokens.into_iter().collect(),
        capabilities: capabilities::by_name(loaded.capabilities),
        revoked: loaded.revoked.into_iter().collect(),
        catalogue: rules.catalogue.clone(),
        act_next: act_next.max(number(&loaded.meta, "acts_logged").saturating_add(1)),
    };
    let agents: Vec<SpiffeId> = state.document.agents.iter().map(|agent| agent.id.clone()).collect();
    for agent in &agents {
        state.refresh_denies(agent);
    }
    state.expire(now);
    Ok(state)
}

fn reload(
    config: Arc<AuthorityConfig>,
    signer: Arc<Signer>,
    store: Store,
    rules: Arc<Mutex<Rules>>,
) -> Reload {
    Box::new(move || {
        let (config, signer, store, rules) = (config.clone(), signer.clone(), store.clone(), rules.clone());
        Box::pin(async move {
            let now = (config.clock)();
            let loaded = store.load(&config.trust_domain, now).await?;
            // Whoever changes the rules holds the lock while it waits for the writer, which is us.
            let known = rules.try_lock().map(|rules| rules.clone());
            let rules = match known {
                Ok(rules) => rules,
                Err(_) => Rules::read(&config.dir, &config.trust_domain, &loaded.meta).await?.0,
            };
            build_state(&config, &signer, &rules, loaded, now)
        })
    })
}

impl Writer {
    /// The first transaction of a run: what setting up changed, and a bundle above every earlier one.
    async fn begin(&mut self, batch: Batch) -> Result<(), AuthorityError> {
        self.settle(batch).await.map(drop)
    }
}

/// Checks that a bundle of this content would be accepted by a gateway. Signed with a key that nobody trusts.
pub(crate) fn check_bundle(document: &BundleDocument) -> Result<(), AuthorityError> {
    let mut seed = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| AuthorityError::setup("the system gives no random bytes", "check /dev/urandom"))?;
    let key = SigningKey::from_seed(seed)?;
    let jws = killick_proof::bundle::sign_bundle(document, &key);
    let verified = killick_proof::verified::verify_bundle(&jws, key.public())?;
    killick_decide::Bundle::compile(&verified, None).map(drop).map_err(|error| {
        AuthorityError::invalid(
            "policy.invalid",
            error.to_string(),
            "correct it; the rules in force are unchanged",
        )
    })
}
