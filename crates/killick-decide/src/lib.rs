//! An authenticated call and a bundle in, a [`Decision`] out. Pure and total: an error is a denial.

mod argument;
pub mod authorise;
pub mod bundle;
pub mod catalogue;
pub mod cedar;
pub mod decision;
pub mod entry;
#[cfg(feature = "fault-injection")]
pub mod fault;
pub mod limits;
pub mod matching;
pub mod openapi;
pub mod request;
mod route;

pub use authorise::authorise;
pub use bundle::Bundle;
pub use catalogue::Catalogue;
pub use decision::{AuthorisedCall, Decision, Denial, RefusedCall};
pub use matching::Matched;
pub use request::PlainRequest;
