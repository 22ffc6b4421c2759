//! Capability bundles: grants with a name and a version, so that agents of one duty are granted the same, a change is made
//! in one place, and it can be seen who still holds what.
//!
//! A bundle is unfolded when a token is granted, never when a call is checked: a new version changes nothing of a token
//! that is out.

use std::collections::BTreeMap;

use killick_decide::entry::Act;
use killick_decide::limits::ENTRY_LIST_MAX;
use killick_proof::UnixTime;
use killick_proof::grammar::{BundleRef, Grant};
use killick_proof::keys::{base64url, sha256};
use serde_json::{Value, json};

use crate::ErrorKind;
use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::limits::{CAPABILITY_VERSIONS_MAX, GRANT_BYTES_MAX};
use crate::names;
use crate::state::{Batch, State};
use crate::store::Write;

/// One version of a capability bundle.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CapabilityBundle {
    /// Its name; a grant says `@name`.
    pub name: String,
    /// From 1 on.
    pub version: u64,
    /// What it stands for, in the human syntax, in its canonical spelling.
    pub grant: String,
    /// Microseconds since the epoch.
    pub defined_at: u64,
    /// Whether nothing can be granted by it any more.
    pub retired: bool,
}

/// What is to be defined.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRequest {
    /// e.g. `invoice-reader`
    pub name: String,
    /// e.g. `read:invoices; execute:none`
    pub grant: String,
}

/// A capability bundle with its history and who holds it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CapabilityView {
    /// The newest version.
    #[serde(flatten)]
    pub newest: CapabilityBundle,
    /// The versions before it, newest first.
    pub earlier: Vec<CapabilityBundle>,
    /// Who holds live tokens that were granted by it.
    pub users: Vec<CapabilityUse>,
}

/// Live tokens of one agent by one version of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CapabilityUse {
    /// The agent's name.
    pub agent: String,
    /// The version that the tokens were granted by.
    pub version: u64,
    /// How many.
    pub tokens: u64,
}

impl Authority {
    /// Defines a bundle, or its next version; what it stands for already changes nothing. Errs with `grant.syntax`,
    /// `grant.invalid` (also for a bundle within a bundle), `capability.name`, `limit.size`.
    pub async fn define_capability(
        &self,
        request: CapabilityRequest,
    ) -> Result<CapabilityBundle, AuthorityError> {
        let now = self.now();
        check_name(&request.name)?;
        if request.grant.len() > GRANT_BYTES_MAX {
            return Err(AuthorityError::invalid(
                "limit.size",
                format!("the grant is longer than {GRANT_BYTES_MAX} bytes"),
                "make two bundles of it",
            ));
        }
        let grant = Grant::parse(&request.grant)
            .map_err(|error| AuthorityError::invalid("grant.syntax", error.to_string(), ""))?;
        let change =
            move |state: &mut State, batch: &mut Batch| define(state, batch, &request.name, &grant, now);
        Ok(self.shared.changes.submit(change).await?.0)
    }

    /// Ends a bundle: nothing is granted by it any more, tokens that are out stay. Errs with `capability.unknown`.
    pub async fn retire_capability(&self, name: &str) -> Result<CapabilityBundle, AuthorityError> {
        let (now, name) = (self.now(), name.to_owned());
        let change = move |state: &mut State, batch: &mut Batch| {
            let known: Vec<String> = state.capabilities.keys().cloned().collect();
            let Some(versions) = state.capabilities.get_mut(&name.to_ascii_lowercase()) else {
                return Err(unknown(&name, &known));
            };
            let Some(newest) = versions.last().cloned() else { return Err(unknown(&name, &known)) };
            if !newest.retired {
                versions.iter_mut().for_each(|version| version.retired = true);
                batch.writes.push(Write::RetireCapabilities { name: newest.name.clone() });
                batch.acts.push(act("retire", &newest, now, BTreeMap::new()));
            }
            Ok(CapabilityBundle { retired: true, ..newest })
        };
        Ok(self.shared.changes.submit(change).await?.0)
    }

    /// Every bundle by name, with who holds it.
    pub async fn capabilities(&self) -> Result<Vec<CapabilityView>, AuthorityError> {
        let (bundles, mut users) = self.shared.store.capabilities(self.now().secs()).await?;
        let views = by_name(bundles).into_values().filter_map(|mut versions| {
            let newest = versions.pop()?;
            versions.reverse();
            let users = users.remove(&newest.name.to_ascii_lowercase()).unwrap_or_default();
            Some(CapabilityView { newest, earlier: versions, users })
        });
        Ok(views.collect())
    }
}

/// Versions by name in lower case, oldest first, from rows in that order.
pub(crate) fn by_name(rows: Vec<CapabilityBundle>) -> BTreeMap<String, Vec<CapabilityBundle>> {
    let mut by_name = BTreeMap::<String, Vec<CapabilityBundle>>::new();
    for row in rows {
        by_name.entry(row.name.to_ascii_lowercase()).or_default().push(row);
    }
    by_name
}

/// A grant with its bundles unfolded, and those as `name/version`. Errs with `grant.invalid`, at the name's column.
pub(crate) fn unfold(state: &State, grant: &Grant) -> Result<(Grant, Vec<String>), AuthorityError> {
    let used = grant.bundles.iter().filter_map(|bundle| {
        let found = find(state, bundle).ok()?;
        Some(format!("{}/{}", found.name, found.version))
    });
    let used = used.collect();
    let content = |bundle: &BundleRef| {
        let found = find(state, bundle)?;
        Grant::parse(&found.grant).map_err(|error| (format!("`{bundle}` cannot be read: {error}"), None))
    };
    let unfolded = grant.clone().unfold(&content).map_err(|error| {
        let mend = "`killick capability list` shows the bundles";
        AuthorityError::invalid("grant.invalid", error.to_string(), mend)
    })?;
    Ok((unfolded, used))
}

/// The version that a grant names. Errs with a sentence and a near name.
fn find<'a>(state: &'a State, bundle: &BundleRef) -> Result<&'a CapabilityBundle, (String, Option<String>)> {
    let Some(versions) = state.capabilities.get(&bundle.name.to_ascii_lowercase()) else {
        let near = names::nearest(&bundle.name, state.capabilities.keys().map(String::as_str));
        return Err((
            format!("there is no capability bundle `{}`", bundle.name),
            near.map(|near| format!("@{near}")),
        ));
    };
    let found = match bundle.version {
        None => versions.last(),
        Some(version) => versions.iter().find(|known| known.version == version),
    };
    match found {
        None => Err((format!("the capability bundle `{}` has no such version", bundle.name), None)),
        Some(found) if found.retired => Err((format!("the capability bundle `{bundle}` is retired"), None)),
        Some(found) => Ok(found),
    }
}

fn define(
    state: &mut State,
    batch: &mut Batch,
    name: &str,
    grant: &Grant,
    now: UnixTime,
) -> Result<CapabilityBundle, AuthorityError> {
    // Against the catalogue of now: a slip is found when the bundle is defined, not when somebody needs it.
    let compiled = grant.compile(&*state.catalogue).map_err(|error| {
        let mend = "`killick catalogue show` lists the actions; a bundle holds no other bundle";
        AuthorityError::invalid("grant.invalid", error.to_string(), mend)
    })?;
    let known = state.capabilities.get(&name.to_ascii_lowercase()).and_then(|versions| versions.last());
    let grant = grant.to_string();
    if let Some(newest) = known {
        if newest.name != name {
            return Err(AuthorityError::conflict(
                "capability.name",
                format!("there is `{}` already: names that differ in case only are one name", newest.name),
                "use that name, or another one",
            ));
        }
        if newest.grant == grant && !newest.retired {
            return Ok(newest.clone());
        }
    }
    if state.capabilities.values().map(Vec::len).sum::<usize>() >= CAPABILITY_VERSIONS_MAX {
        return Err(AuthorityError::conflict(
            "limit.size",
            format!("there are {CAPABILITY_VERSIONS_MAX} versions of capability bundles"),
            "change existing ones less often",
        ));
    }
    let version = known.map_or(1, |newest| newest.version.saturating_add(1));
    let bundle =
        CapabilityBundle { name: name.to_owned(), version, grant, defined_at: now.micros(), retired: false };
    batch.writes.push(Write::InsertCapabilities {
        name: bundle.name.clone(),
        version,
        granted: bundle.grant.clone(),
        defined_at: bundle.defined_at,
    });
    // Names of actions and a digest, never the text: values of arguments may say something about people.
    let actions: Vec<&String> = compiled.tools.keys().take(ENTRY_LIST_MAX).collect();
    let members = BTreeMap::from([
        ("actions".to_owned(), json!(actions)),
        ("actions_total".to_owned(), compiled.tools.len().into()),
        ("grant_sha256".to_owned(), base64url(&sha256(bundle.grant.as_bytes())).into()),
    ]);
    batch.acts.push(act("define", &bundle, now, members));
    state.capabilities.entry(name.to_ascii_lowercase()).or_default().push(bundle.clone());
    Ok(bundle)
}

fn act(change: &str, bundle: &CapabilityBundle, now: UnixTime, mut members: BTreeMap<String, Value>) -> Act {
    members.insert("change".to_owned(), change.into());
    members.insert("name".to_owned(), bundle.name.as_str().into());
    members.insert("version".to_owned(), bundle.version.into());
    Act { kind: "capability", at: now, by: "admin".to_owned(), members }
}

fn check_name(name: &str) -> Result<(), AuthorityError> {
    names::check_line("capability.name", "the bundle's name", name)?;
    if BundleRef::is_name(name) {
        return Ok(());
    }
    Err(AuthorityError::invalid(
        "capability.name",
        "the bundle's name is no word",
        "use letters, digits, `-`, `_` and `.`, beginning with a letter, for example `invoice-reader`",
    ))
}

fn unknown(name: &str, known: &[String]) -> AuthorityError {
    let near = names::nearest(name, known.iter().map(String::as_str));
    let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
    AuthorityError::new(
        ErrorKind::NotFound,
        "capability.unknown",
        format!("there is no capability bundle `{shown}`"),
        near.map_or_else(
            || "`killick capability list` shows those that there are".to_owned(),
            |near| format!("did you mean `{near}`?"),
        ),
    )
}
