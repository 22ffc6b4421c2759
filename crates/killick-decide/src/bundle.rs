//! A verified bundle, compiled: trust, catalogue and policies, swapped as one.

use std::collections::HashMap;
use std::sync::Arc;

use killick_proof::bundle::{AgentRecord, BundleDocument, TrustBundle};
use killick_proof::grammar::ActionPattern;
use killick_proof::keys::{base64url, sha256};
use killick_proof::{SpiffeId, UnixTime, Verified};

use crate::catalogue::{Catalogue, CatalogueDocument};
use crate::cedar::{Policies, digest_of};

/// Everything that a decision depends on besides the call and the time.
#[derive(Debug)]
pub struct Bundle {
    /// Keys, agents, revocations.
    pub trust: TrustBundle,
    /// What can be asked for.
    pub catalogue: Arc<Catalogue>,
    /// The organisation's policy.
    pub policies: Arc<Policies>,
    /// SHA-256 of the signed document, base64url: goes into every entry.
    pub digest: String,
    /// Microseconds since the epoch at which the authority signed it.
    pub issued_at: UnixTime,
    /// The directory's explicit denies, of the agents that have any.
    pub(crate) denies: HashMap<SpiffeId, Vec<ActionPattern>>,
}

/// Why a bundle is refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bundle: {0}")]
pub struct BundleError(pub String);

impl Bundle {
    /// Compiles a verified bundle. Parts that are the same as in `previous` are taken from it, so that a revocation
    /// costs no policy compilation. Errs if any part is malformed, and with `state.rollback` in its text if the bundle
    /// or its catalogue is older than in `previous`, or another one under the same version.
    pub fn compile(
        document: &Verified<BundleDocument>,
        previous: Option<&Bundle>,
    ) -> Result<Bundle, BundleError> {
        let digest = base64url(&sha256(
            &serde_json::to_vec(&**document).map_err(|error| BundleError(error.to_string()))?,
        ));
        if let Some(previous) = previous {
            refuse_rollback(
                "bundle",
                (document.version, previous.trust.version()),
                digest == previous.digest,
            )?;
        }
        let trust = TrustBundle::index(document).map_err(|refusal| BundleError(refusal.to_string()))?;
        let catalogue = compile_catalogue(document, previous)?;
        let policies = compile_policies(document, &catalogue, previous)?;
        let denies = read_denies(&document.agents)?;
        Ok(Bundle { trust, catalogue, policies, digest, issued_at: document.issued_at, denies })
    }
}

fn refuse_rollback(what: &str, (version, known): (u64, u64), same: bool) -> Result<(), BundleError> {
    if version < known {
        return Err(BundleError(format!(
            "state.rollback: the {what}'s version {version} is older than {known}"
        )));
    }
    if version == known && !same {
        return Err(BundleError(format!("state.rollback: there are two of the {what}'s version {version}")));
    }
    Ok(())
}

fn compile_catalogue(
    document: &BundleDocument,
    previous: Option<&Bundle>,
) -> Result<Arc<Catalogue>, BundleError> {
    let catalogue: CatalogueDocument = serde_json::from_value(document.catalogue.clone())
        .map_err(|error| BundleError(format!("catalogue: {error}")))?;
    if let Some(previous) = previous {
        let known = previous.catalogue.document();
        let same = *known == catalogue;
        if known.id == catalogue.id {
            refuse_rollback("catalogue", (catalogue.version, known.version), same)?;
        }
        if same {
            return Ok(Arc::clone(&previous.catalogue));
        }
    }
    Ok(Arc::new(Catalogue::new(catalogue).map_err(|error| BundleError(error.to_string()))?))
}

fn compile_policies(
    document: &BundleDocument,
    catalogue: &Arc<Catalogue>,
    previous: Option<&Bundle>,
) -> Result<Arc<Policies>, BundleError> {
    let digest = digest_of(&document.policies, catalogue, &document.time_zone);
    if let Some(previous) = previous.filter(|previous| previous.policies.digest == digest) {
        return Ok(Arc::clone(&previous.policies));
    }
    let policies = Policies::compile(&document.policies, catalogue, &document.time_zone);
    Ok(Arc::new(policies.map_err(|error| BundleError(error.to_string()))?))
}

/// A deny that cannot be read would be a deny that does not hold, so it refuses the bundle.
fn read_denies(agents: &[AgentRecord]) -> Result<HashMap<SpiffeId, Vec<ActionPattern>>, BundleError> {
    let mut denies = HashMap::new();
    for agent in agents.iter().filter(|agent| !agent.deny.is_empty()) {
        let patterns = agent.deny.iter().map(|text| {
            ActionPattern::parse(text)
                .map_err(|error| BundleError(format!("the deny `{text}` of {}: {error}", agent.id)))
        });
        denies.insert(agent.id.clone(), patterns.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(denies)
}
