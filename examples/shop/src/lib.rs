//! A small but real web shop: five separate HTTP services, each with its own SQLite file and its own receipt book of
//! the effects that it executed. The pilot attacks it twice: guarded the usual way, and behind killick.
//!
//! The receipt book is the oracle of every measurement: no part of killick writes it. The only thing of killick's that
//! this program uses is the check of the gateway's signature ([`Guard::Gateway`]).

pub mod args;
pub mod caller;
pub mod error;
pub mod guard;
pub mod limits;
pub mod money;
pub mod openapi;
pub mod receipts;
pub mod run;
pub mod seed;
pub mod services;
pub mod store;

pub use args::{main_from_args, serve_from_args};
pub use guard::Guard;
pub use run::{Running, ServiceConfig, run_service, start_service};
pub use services::Service;
