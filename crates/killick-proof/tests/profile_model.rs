//! A root token is for the model that was registered: name, version and, where both sides state one, digest.

use killick_proof::Code;
use killick_proof::fixtures::{self, NOW, World};
use killick_proof::token::Model;
use killick_proof::verified::verify_agent_chain;

fn model(name: &str, version: &str, digest: Option<&str>) -> Model {
    Model { name: name.to_owned(), version: version.to_owned(), digest: digest.map(str::to_owned) }
}

/// The verdict on a root token that claims one model, of an agent registered with the other.
fn verdict(claimed: Model, registered: Model) -> Result<(), Code> {
    let mut world = World::new();
    let mut claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"]));
    for origin in claims.killick.iter_mut().filter_map(|private| private.origin.as_mut()) {
        origin.model = claimed.clone();
    }
    for agent in &mut world.document.agents {
        agent.model = registered.clone();
    }
    let chain = claims.sign(&world.token_key);
    verify_agent_chain(&chain, &world.trust(), NOW).map(|_| ()).map_err(|refusal| refusal.code())
}

#[test]
fn a_root_names_the_registered_model() {
    let registered = || model("m", "1", Some("sha256:aa"));
    for claimed in [model("m", "1", Some("sha256:aa")), model("m", "1", None)] {
        assert_eq!(verdict(claimed, registered()), Ok(()));
    }
    assert_eq!(verdict(registered(), model("m", "1", None)), Ok(()));
    for claimed in [
        model("n", "1", Some("sha256:aa")),
        model("m", "2", Some("sha256:aa")),
        model("m", "1", Some("sha256:bb")),
        model("m", "2", None),
        model("n", "1", None),
    ] {
        assert_eq!(verdict(claimed.clone(), registered()), Err(Code::IdentityModel), "{claimed:?}");
    }
}

/// A revocation names a model with or without its version; another model whose name begins alike lives on.
#[test]
fn a_revoked_model_is_the_one_that_is_named() {
    for (revoked, verdict) in [
        ("claude-opus", Err(Code::IdentityRevoked)),
        ("claude-opus@2026-05", Err(Code::IdentityRevoked)),
        ("claude-opus@2026-04", Ok(())),
        ("claude-opus@", Ok(())),
        ("claude-opu", Ok(())),
        ("claude-opus2026-05", Ok(())),
        ("opus", Ok(())),
        ("", Ok(())),
    ] {
        let mut world = World::new();
        world.document.revocations.models.push(revoked.to_owned());
        let chain = world.root_token("invoice-bot", fixtures::tools(&["read:invoices"]));
        let found =
            verify_agent_chain(&chain, &world.trust(), NOW).map(|_| ()).map_err(|refusal| refusal.code());
        assert_eq!(found, verdict, "{revoked:?}");
    }
}
