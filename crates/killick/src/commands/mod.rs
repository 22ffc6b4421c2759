//! One file per command.

pub mod agent;
pub mod call;
pub mod capability;
pub mod catalogue;
pub mod config;
pub mod doctor;
pub mod erase;
pub mod explain;
pub mod keys;
pub mod log;
pub mod pages;
pub mod pilot;
pub mod policy;
pub mod revoke;
pub mod run;
pub mod signature;
pub mod status;
pub mod token;
pub mod trace;
pub mod up;
pub mod witness;
