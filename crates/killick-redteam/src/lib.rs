//! Attacks killick over the wire, as an attacker would, and measures what got through.
//!
//! A *case* is one attack with one forbidden effect. It runs twice: against the shop guarded the usual way (the
//! positive control: if the effect does not come about there, the case proves nothing and is listed as invalid), and
//! against the same shop behind killick. The judge asks the shop's own receipt book, never the gateway's answer alone.
//!
//! The crate knows the gateway by its wire only. What an operator can do (onboard, grant, revoke) is handed in as an
//! [`Operator`]; the log is handed in as its entries.

pub mod attacks;
pub mod benign;
pub mod call;
pub mod case;
pub mod draws;
pub mod error;
pub mod forge;
pub mod html;
pub mod integrity;
pub mod judge;
pub mod kpi;
pub mod latency;
pub mod limits;
pub mod obey;
pub mod report;
pub mod revocation;
pub mod runner;
pub mod tighten;
pub mod wire;
pub mod world;

pub use case::{Case, Kind};
pub use error::RedteamError;
pub use report::Report;
pub use runner::{CaseResult, run_cases};
pub use world::{Accepted, Agent, Boxed, NewAgent, NewToken, Operator, PilotWorld, ROSTER, Revoke, Services};
