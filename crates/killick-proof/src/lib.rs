//! Bytes in, [`Verified`] out.
//!
//! This crate is the pure heart of killick: identities (SPIFFE), capability tokens (Attenuating Agent Tokens), HTTP
//! message signatures (RFC 9421), delegation and the signed bundle. It does no I/O, reads no clock and makes no
//! randomness: time, random bytes and trust come in as arguments, so that every verdict can be replayed.
//!
//! # What does not compile
//!
//! The right way, which compiles: a verified call is admitted, by value, once.
//!
//! ```
//! # use killick_proof::{AuthenticatedCall, Refusal, UnixTime, Verified};
//! # use killick_proof::{replay::ReplayWindow, verified::SignedCall};
//! fn admit(
//!     window: &mut ReplayWindow,
//!     call: Verified<SignedCall>,
//!     now: UnixTime,
//! ) -> Result<AuthenticatedCall, Refusal> {
//!     window.admit(call, now)
//! }
//! ```
//!
//! Twice is an error, as the first time takes the call away:
//!
//! ```compile_fail,E0382
//! # use killick_proof::{UnixTime, Verified, replay::ReplayWindow, verified::SignedCall};
//! fn twice(window: &mut ReplayWindow, call: Verified<SignedCall>, now: UnixTime) {
//!     let _ = window.admit(call, now);
//!     let _ = window.admit(call, now);
//! }
//! ```
//!
//! and so is a call that was read but not verified:
//!
//! ```compile_fail,E0308
//! # use killick_proof::{ParsedCall, UnixTime, replay::ReplayWindow};
//! fn unverified(window: &mut ReplayWindow, call: ParsedCall, now: UnixTime) {
//!     let _ = window.admit(call, now);
//! }
//! ```
//!
//! A proof of verification cannot be written down, and does not come from nowhere:
//!
//! ```compile_fail,E0423
//! # use killick_proof::{Verified, chain::Chain};
//! fn forge(chain: Chain) -> Verified<Chain> {
//!     Verified(chain)
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use killick_proof::{Verified, bundle::BundleDocument};
//! let _: Verified<BundleDocument> = Default::default();
//! ```
//!
//! What was read can be looked at:
//!
//! ```
//! # use killick_proof::ParsedCall;
//! fn look(call: &ParsedCall) -> &str {
//!     call.method()
//! }
//! ```
//!
//! but neither changed nor promoted:
//!
//! ```compile_fail,E0616
//! # use killick_proof::ParsedCall;
//! fn change(call: &mut ParsedCall) {
//!     call.method = "DELETE".to_owned();
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use killick_proof::{AuthenticatedCall, ParsedCall};
//! fn promote(call: ParsedCall) -> AuthenticatedCall {
//!     call
//! }
//! ```

pub mod attenuate;
pub mod bundle;
pub mod call;
pub mod chain;
pub mod constraint;
pub mod fixtures;
pub mod grammar;
pub mod http_signature;
pub mod json;
pub mod jwt_svid;
pub mod keys;
pub mod limits;
pub mod message_signature;
pub mod pop;
pub mod refusal;
pub mod replay;
pub mod sign;
pub mod spiffe;
pub mod svid;
pub mod time;
pub mod token;
pub mod trust_bundle;
pub mod verified;

pub use call::{AuthenticatedCall, ParsedCall, RawRequest};
pub use refusal::{Code, Refusal};
pub use spiffe::SpiffeId;
pub use time::UnixTime;
pub use verified::Verified;
