//! An authenticated call and a bundle in, a [`Decision`] out. Pure and total: an error is a denial.

pub mod authorise;
pub mod bundle;
pub mod catalogue;
pub mod cedar;
pub mod decision;
pub mod entry;
pub mod limits;
pub mod openapi;

pub use authorise::authorise;
pub use bundle::Bundle;
pub use catalogue::Catalogue;
pub use decision::{AuthorisedCall, Decision, Denial, RefusedCall};
