//! Bytes in, [`Verified`] out.
//!
//! This crate is the pure heart of killick: identities (SPIFFE), capability tokens (Attenuating Agent Tokens), HTTP
//! message signatures (RFC 9421), delegation and the signed bundle. It does no I/O, reads no clock and makes no
//! randomness: time, random bytes and trust come in as arguments, so that every verdict can be replayed.

pub mod attenuate;
pub mod bundle;
pub mod call;
pub mod chain;
pub mod constraint;
pub mod fixtures;
pub mod grammar;
pub mod http_signature;
pub mod json;
pub mod keys;
pub mod limits;
pub mod pop;
pub mod refusal;
pub mod replay;
pub mod sign;
pub mod spiffe;
pub mod svid;
pub mod time;
pub mod token;
pub mod verified;

pub use call::{AuthenticatedCall, ParsedCall, RawRequest};
pub use refusal::{Code, Refusal};
pub use spiffe::SpiffeId;
pub use time::UnixTime;
pub use verified::Verified;
