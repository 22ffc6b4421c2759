//! The rules that people write: `catalogue.json` and `policies/*.cedar`. They are checked whole, exactly as a gateway
//! will, before any of them is published; if anything is wrong the rules in force stay.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use killick_decide::Catalogue;
use killick_decide::catalogue::CatalogueDocument;
use killick_decide::cedar::DEFAULT_POLICY;
use killick_decide::entry::Act;
use killick_proof::UnixTime;
use killick_proof::bundle::PolicyText;
use killick_proof::keys::{base64url, sha256};
use serde_json::Value;

use crate::authority::{Authority, base_document, check_bundle, number};
use crate::error::AuthorityError;
use crate::files;
use crate::limits::{ACTIONS_REMEMBERED_MAX, POLICIES_MAX, RULES_FILE_BYTES_MAX};
use crate::names;
use crate::state::{Batch, FileChange, State};
use crate::store::Write;

/// Under what the database keeps the mapping.
const MAPPING: &str = "catalogue_mapping";

/// Catalogue and policies, as read and as they stand in the bundle.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) catalogue_json: Value,
    pub(crate) policies: Vec<PolicyText>,
    mapping: Mapping,
}

/// Every action that was ever in the catalogue: the upstream that it goes to, `None` once it was taken out, and the
/// catalogue's version since which it does, 0 if it never went elsewhere.
type Mapping = BTreeMap<String, (Option<String>, u64)>;

/// What differs from the rules in force.
#[derive(Default)]
pub(crate) struct Changed {
    catalogue: bool,
    policies: bool,
    files: Vec<(PathBuf, Vec<u8>)>,
    removed: Vec<PathBuf>,
}

/// What a change of the rules came to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RulesReport {
    /// Catalogue in force, `id@version`.
    pub catalogue: String,
    /// Operations in it.
    pub operations: usize,
    /// Policies in force, by id.
    pub policies: Vec<String>,
    /// Whether anything changed.
    pub changed: bool,
    /// The newest bundle's version.
    pub bundle_version: u64,
}

impl Authority {
    /// Reads `catalogue.json` and `policies/*.cedar` again, checks them whole and publishes them. Errs, with the
    /// file and what is wrong in it, and leaves the rules in force as they are.
    pub async fn reload(&self) -> Result<RulesReport, AuthorityError> {
        let mut rules = self.shared.rules.lock().await;
        let config = &self.shared.config;
        let in_force = rules.meta();
        let (next, changed) = Rules::read(&config.dir, &config.trust_domain, &in_force).await?;
        self.put_in_force(&mut rules, next, changed).await
    }

    /// Replaces the operations of one upstream by those of an OpenAPI 3 description. Errs if an operation cannot be
    /// mapped exactly or contradicts another upstream's.
    pub async fn import_catalogue(
        &self,
        openapi: &Value,
        upstream: &str,
        url: &str,
    ) -> Result<RulesReport, AuthorityError> {
        names::check_line("catalogue.invalid", "the upstream's name", upstream)?;
        names::check_line("catalogue.invalid", "the upstream's URL", url)?;
        let (service, operations) = killick_decide::openapi::import(openapi, upstream, url)
            .map_err(|error| wrong_catalogue(&error))?;
        let mut rules = self.shared.rules.lock().await;
        let mut document = rules.catalogue.document().clone();
        document.operations.retain(|operation| operation.upstream != upstream);
        document.operations.extend(operations);
        let hosts = document.upstreams.get(upstream).map(|known| known.hosts.clone()).unwrap_or_default();
        let entry = document.upstreams.entry(upstream.to_owned()).or_insert_with(|| service.clone());
        *entry = service;
        if entry.hosts.is_empty() {
            entry.hosts = hosts;
        }
        let mut changed = Changed::default();
        let mut mapping = rules.mapping.clone();
        if document != *rules.catalogue.document() {
            document.version = document.version.saturating_add(1);
            mapping = note_moves(mapping, &mut document)?;
            changed.catalogue = true;
            changed.files.push((self.shared.config.dir.join("catalogue.json"), pretty(&document)));
        }
        let next = Rules::new(document, rules.policies.clone(), mapping)?;
        self.put_in_force(&mut rules, next, changed).await
    }

    /// Replaces all policies. Errs, naming the policy, unless every one validates against the catalogue.
    pub async fn put_policies(&self, policies: Vec<PolicyText>) -> Result<RulesReport, AuthorityError> {
        let mut rules = self.shared.rules.lock().await;
        let mut policies = policies;
        policies.sort_by(|a, b| a.id.cmp(&b.id));
        check_policy_ids(&policies)?;
        let folder = self.shared.config.dir.join("policies");
        let mut changed = Changed { policies: policies != rules.policies, ..Changed::default() };
        if changed.policies {
            for policy in policies.iter().filter(|policy| !rules.policies.contains(policy)) {
                changed.files.push((policy_path(&folder, &policy.id), policy.text.clone().into_bytes()));
            }
            changed.removed = rules
                .policies
                .iter()
                .filter(|old| !policies.iter().any(|policy| policy.id == old.id))
                .map(|old| policy_path(&folder, &old.id))
                .collect();
        }
        let next = Rules { policies, ..rules.clone() };
        self.put_in_force(&mut rules, next, changed).await
    }

    /// The catalogue in force.
    pub async fn catalogue(&self) -> Value {
        self.shared.rules.lock().await.catalogue_json.clone()
    }

    /// The policies in force.
    pub async fn policies(&self) -> Vec<PolicyText> {
        self.shared.rules.lock().await.policies.clone()
    }

    async fn put_in_force(
        &self,
        rules: &mut Rules,
        next: Rules,
        changed: Changed,
    ) -> Result<RulesReport, AuthorityError> {
        let now = self.now();
        let candidate = base_document(&self.shared.config, &self.shared.signer, &next, now)?;
        tokio::task::spawn_blocking(move || check_bundle(&candidate))
            .await
            .map_err(|_| AuthorityError::stopped())??;
        let (applied, any) =
            (next.clone(), changed.catalogue || changed.policies || !changed.files.is_empty());
        let change = move |state: &mut State, batch: &mut Batch| {
            if any {
                applied.push_changes(batch, &changed, now);
                batch.publish = true;
                state.document.catalogue = applied.catalogue_json;
                state.document.policies = applied.policies;
                state.catalogue = applied.catalogue;
            }
            Ok(())
        };
        let ((), bundle_version) = self.shared.changes.submit(change).await?;
        *rules = next;
        let reference = rules.catalogue.reference();
        Ok(RulesReport {
            catalogue: format!("{}@{}", reference.id, reference.version),
            operations: rules.catalogue.document().operations.len(),
            policies: rules.policies.iter().map(|policy| policy.id.clone()).collect(),
            changed: any,
            bundle_version,
        })
    }
}

impl Rules {
    fn new(
        document: CatalogueDocument,
        policies: Vec<PolicyText>,
        mapping: Mapping,
    ) -> Result<Self, AuthorityError> {
        let catalogue_json = serde_json::to_value(&document).map_err(|error| {
            AuthorityError::invalid("catalogue.invalid", format!("the catalogue: {error}"), "")
        })?;
        let catalogue = Arc::new(Catalogue::new(document).map_err(|error| wrong_catalogue(&error))?);
        Ok(Self { catalogue, catalogue_json, policies, mapping })
    }

    /// Reads the rules from the data folder, or begins with an empty catalogue and the default policy. A catalogue
    /// that was changed by hand without raising its version gets the next one.
    pub(crate) async fn read(
        dir: &Path,
        trust_domain: &str,
        meta: &HashMap<String, String>,
    ) -> Result<(Self, Changed), AuthorityError> {
        let (dir, trust_domain, meta) = (dir.to_owned(), trust_domain.to_owned(), meta.clone());
        tokio::task::spawn_blocking(move || read(&dir, &trust_domain, &meta))
            .await
            .map_err(|_| AuthorityError::stopped())?
    }

    /// Digests and version as the database remembers them.
    pub(crate) fn meta(&self) -> HashMap<String, String> {
        let document = self.catalogue.document();
        HashMap::from([
            ("catalogue_digest".to_owned(), catalogue_digest(document)),
            ("catalogue_version".to_owned(), document.version.to_string()),
            (MAPPING.to_owned(), serde_json::to_string(&self.mapping).unwrap_or_default()),
            ("policies_digest".to_owned(), policies_digest(&self.policies)),
        ])
    }

    /// Adds the files, the rows and the acts of a change.
    pub(crate) fn push_changes(&self, batch: &mut Batch, changed: &Changed, now: UnixTime) {
        let files =
            changed.files.iter().map(|(path, bytes)| FileChange::Replace(path.clone(), bytes.clone()));
        batch.files.extend(files);
        batch.files.extend(changed.removed.iter().cloned().map(FileChange::Remove));
        let document = self.catalogue.document();
        if changed.catalogue {
            let digest = catalogue_digest(document);
            batch.acts.push(act(
                "catalogue",
                now,
                [
                    ("id", Value::from(document.id.as_str())),
                    ("version", Value::from(document.version)),
                    ("operations", Value::from(document.operations.len())),
                    ("digest", Value::from(digest.as_str())),
                ],
            ));
            batch.writes.push(Write::SetMeta { key: "catalogue_digest", value: digest });
            let value = document.version.to_string();
            batch.writes.push(Write::SetMeta { key: "catalogue_version", value });
            let value = serde_json::to_string(&self.mapping).unwrap_or_default();
            batch.writes.push(Write::SetMeta { key: MAPPING, value });
        }
        if changed.policies {
            let digest = policies_digest(&self.policies);
            batch.acts.push(act(
                "policy",
                now,
                [("policies", Value::from(self.policies.len())), ("digest", Value::from(digest.as_str()))],
            ));
            batch.writes.push(Write::SetMeta { key: "policies_digest", value: digest });
        }
    }
}

fn act<const N: usize>(kind: &'static str, at: UnixTime, members: [(&str, Value); N]) -> Act {
    let members: BTreeMap<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Act { kind, at, by: "admin".to_owned(), members }
}

fn read(
    dir: &Path,
    trust_domain: &str,
    meta: &HashMap<String, String>,
) -> Result<(Rules, Changed), AuthorityError> {
    let mut changed = Changed::default();
    let path = dir.join("catalogue.json");
    let (mut document, in_file) = match files::read_bounded(&path, RULES_FILE_BYTES_MAX)? {
        Some(bytes) => {
            let document: CatalogueDocument = serde_json::from_slice(&bytes).map_err(|error| {
                AuthorityError::invalid(
                    "catalogue.invalid",
                    format!("`{}`: {error}", path.display()),
                    "correct the file; the rules in force are unchanged",
                )
            })?;
            let version = document.version;
            (document, Some(version))
        }
        None => {
            let id = format!("{trust_domain}/catalogue");
            let (upstreams, moved) = (BTreeMap::new(), BTreeMap::new());
            (CatalogueDocument { id, version: 1, upstreams, operations: Vec::new(), moved }, None)
        }
    };
    let known = number(meta, "catalogue_version");
    let same = meta.get("catalogue_digest") == Some(&catalogue_digest(&document));
    let floor = if same { known } else { known.saturating_add(1) };
    document.version = document.version.max(floor);
    changed.catalogue = document.version != known;
    let moved_in_file = std::mem::take(&mut document.moved);
    let mapping = note_moves(known_mapping(meta)?, &mut document)?;
    if in_file != Some(document.version) || moved_in_file != document.moved {
        changed.files.push((path, pretty(&document)));
    }

    let policies = read_policies(&dir.join("policies"), &mut changed)?;
    changed.policies = meta.get("policies_digest") != Some(&policies_digest(&policies));
    Ok((Rules::new(document, policies, mapping)?, changed))
}

/// The mapping that the database remembers; empty before the first catalogue.
fn known_mapping(meta: &HashMap<String, String>) -> Result<Mapping, AuthorityError> {
    let Some(text) = meta.get(MAPPING) else { return Ok(Mapping::new()) };
    serde_json::from_str(text).map_err(|_| {
        AuthorityError::setup("authority.db is damaged (its catalogue mapping)", "restore it from a backup")
    })
}

/// Brings the mapping up to a document, and writes into the document which actions moved, and when. An action that was
/// taken out and comes back counts as moved: nothing says that it is the same one.
fn note_moves(known: Mapping, document: &mut CatalogueDocument) -> Result<Mapping, AuthorityError> {
    let mut mapping: Mapping =
        known.iter().map(|(action, (_, since))| (action.clone(), (None, *since))).collect();
    for operation in &document.operations {
        let since = match known.get(&operation.action) {
            None => 0,
            Some((Some(upstream), since)) if *upstream == operation.upstream => *since,
            Some(_) => document.version,
        };
        mapping.insert(operation.action.clone(), (Some(operation.upstream.clone()), since));
    }
    if mapping.len() > ACTIONS_REMEMBERED_MAX {
        return Err(AuthorityError::invalid(
            "limit.size",
            format!("the catalogue has had more than {ACTIONS_REMEMBERED_MAX} actions in its life"),
            "found a new trust domain: an old action's name must not be forgotten",
        ));
    }
    let moved = mapping.iter().filter(|(_, (upstream, since))| upstream.is_some() && *since > 0);
    document.moved = moved.map(|(action, (_, since))| (action.clone(), *since)).collect();
    Ok(mapping)
}

/// The policies of a folder, by name. A folder that does not exist is made, with the default policy in it; an empty one
/// stays empty and permits nothing.
fn read_policies(folder: &Path, changed: &mut Changed) -> Result<Vec<PolicyText>, AuthorityError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            files::create_dir(folder)?;
            let policy = PolicyText { id: "default".to_owned(), text: DEFAULT_POLICY.to_owned() };
            changed.files.push((policy_path(folder, &policy.id), policy.text.clone().into_bytes()));
            return Ok(vec![policy]);
        }
        Err(error) => return Err(AuthorityError::io("read", folder, &error)),
    };
    let mut policies = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| AuthorityError::io("read", folder, &error))?.path();
        if path.extension().is_none_or(|extension| extension != "cedar") {
            continue;
        }
        let unreadable = |what: &str| {
            AuthorityError::invalid(
                "policy.invalid",
                format!("`{}` {what}", path.display()),
                "correct the file",
            )
        };
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if names::check_name(&id).is_err() {
            // Editors leave such files behind, e.g. `.#default.cedar`.
            return Err(unreadable("has a name that is no policy id"));
        }
        let bytes = files::read_bounded(&path, RULES_FILE_BYTES_MAX)?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8"))?;
        policies.push(PolicyText { id, text });
    }
    policies.sort_by(|a, b| a.id.cmp(&b.id));
    check_policy_ids(&policies)?;
    Ok(policies)
}

fn check_policy_ids(policies: &[PolicyText]) -> Result<(), AuthorityError> {
    let wrong = |detail: String, mend: &str| Err(AuthorityError::invalid("policy.invalid", detail, mend));
    if policies.len() > POLICIES_MAX {
        return wrong(format!("there are more than {POLICIES_MAX} policies"), "put several into one file");
    }
    for (policy, next) in policies.iter().zip(policies.iter().skip(1)) {
        if policy.id.eq_ignore_ascii_case(&next.id) {
            return wrong(format!("the policy id `{}` occurs twice", policy.id), "give each its own id");
        }
    }
    for policy in policies {
        if names::check_name(&policy.id).is_err() {
            return wrong(
                format!("`{}` is no policy id", policy.id.escape_default()),
                "use letters, digits, `-`, `_` and `.`",
            );
        }
    }
    Ok(())
}

fn policy_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.cedar"))
}

fn pretty(document: &CatalogueDocument) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text.into_bytes()
}

/// Of the content; the version and what moved are left out, because the authority keeps them.
fn catalogue_digest(document: &CatalogueDocument) -> String {
    let bytes = serde_json::to_vec(&(&document.id, &document.upstreams, &document.operations));
    base64url(&sha256(&bytes.unwrap_or_default()))
}

fn policies_digest(policies: &[PolicyText]) -> String {
    base64url(&sha256(&serde_json::to_vec(policies).unwrap_or_default()))
}

fn wrong_catalogue(error: &killick_decide::catalogue::CatalogueError) -> AuthorityError {
    AuthorityError::invalid(
        "catalogue.invalid",
        error.to_string(),
        "correct it; the rules in force are unchanged",
    )
}
