//! The authority of a trust domain: who the agents are, what they may do, and how it ends.
//!
//! It keeps the keys, onboards agents, issues SVIDs and root tokens, and revokes. Whatever changes takes the same way:
//! one transaction in SQLite, one entry in the directory log, made durable, then one new signed bundle that every
//! gateway decides from. One task applies all changes in order, many at a time (`writer.rs`), so a revocation waits
//! for at most one commit of others.
//!
//! ```no_run
//! # async fn example(config: killick_authority::AuthorityConfig) -> Result<(), killick_authority::AuthorityError> {
//! let authority = killick_authority::Authority::open(config).await?;
//! let bundles = authority.bundles(); // the newest signed bundle, always
//! killick_authority::serve_admin(authority.router(), "/var/lib/killick/admin.sock".as_ref(), std::future::pending())
//!     .await
//! # }
//! ```

mod admin_socket;
mod authority;
mod capabilities;
mod config;
mod erase;
mod error;
mod files;
mod http;
mod issue_svid;
mod issue_token;
pub mod keystore;
mod lifecycle;
pub mod limits;
mod names;
mod onboard;
mod publish;
mod revoke;
mod rules;
mod state;
mod store;
mod trust;
mod writer;

pub use admin_socket::{AdminSocket, serve_admin};
pub use authority::{Authority, Status};
pub use capabilities::{CapabilityBundle, CapabilityRequest, CapabilityUse, CapabilityView};
pub use config::{
    AuthorityConfig, Clock, Forget, GatewayIdentity, LogIdentity, WitnessIdentity, system_clock,
};
pub use erase::{EraseRequest, Erased};
pub use error::{AuthorityError, ErrorKind};
pub use http::ROUTES;
pub use issue_svid::{IssuedSvid, SvidRequest};
pub use issue_token::{IssuedToken, TokenRequest, TokenView};
pub use lifecycle::StateChange;
pub use onboard::{AgentView, KeyView, OnboardRequest, Onboarded, proof_message};
pub use revoke::{Revocation, RevocationView, RevokeRequest};
pub use rules::RulesReport;
