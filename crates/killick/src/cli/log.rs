//! `killick log …` and `killick witness …`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

/// `killick log …`
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Verify a log, a folder offline or a server's: every entry, every tile, the signed head, its cosignatures
    Verify {
        /// The log's folder or its address, http:// or https:// (default: log in the data folder)
        #[arg(value_name = "PATH|URL")]
        path: Option<String>,
        /// The log's key from elsewhere; without it only consistency is proved
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        /// Fail unless so many distinct operators of witnesses have cosigned the head
        #[arg(long, value_name = "N", default_value_t = 0, requires = "trust")]
        require_witnesses: usize,
        /// Hold the receipts (*.tlog-proof) of this folder against the log
        #[arg(long, value_name = "DIR")]
        receipts: Option<PathBuf>,
        /// How long the log may take to include an entry that it has given a receipt for
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::duration::parse, requires = "receipts")]
        max_merge_delay: u64,
        /// When the log was as it is (default: now for a server and your own log; for a copy the newest cosignature, or
        /// the time of its checkpoint file)
        #[arg(long, value_name = "TIME", value_parser = crate::moment::parse, requires = "receipts")]
        as_of: Option<killick_proof::UnixTime>,
    },
    /// Prove one entry: write a .tlog-proof that anyone verifies without the log
    Prove {
        /// The log's folder or its address, http:// or https:// (default: log in the data folder)
        #[arg(value_name = "PATH|URL")]
        path: Option<String>,
        /// The entry
        #[arg(long, value_name = "I", required_unless_present = "receipt", conflicts_with = "receipt")]
        index: Option<u64>,
        /// The entry of this receipt, to the newest head
        #[arg(long, value_name = "FILE")]
        receipt: Option<PathBuf>,
        /// The log's key from elsewhere; without it only consistency is proved
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
        /// Fail unless so many distinct operators of witnesses have cosigned the head
        #[arg(long, value_name = "N", default_value_t = 0, requires = "trust")]
        require_witnesses: usize,
        /// The new file (default: I.tlog-proof here); `-` for standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase a person or an off-boarded agent from the logs of a running killick: what they commit to about it can no
    /// longer be told by anyone. Every proof stays valid. It cannot be undone
    Erase {
        /// As it was granted or onboarded, e.g. alice@acme.example
        #[arg(long, value_name = "WHO")]
        subject: String,
        /// Do it; without this, only what would be done is said
        #[arg(long)]
        yes: bool,
    },
    /// Show entries of a log folder
    Show {
        /// The log's folder (default: log in the data folder)
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
        /// The last N entries
        #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "index")]
        tail: u64,
        /// One entry
        #[arg(long, value_name = "I")]
        index: Option<u64>,
        /// Go on with new entries until interrupted
        #[arg(long, conflicts_with = "index")]
        follow: bool,
    },
}

/// `killick witness …`
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a witness: its key, and its empty memory
    Init {
        /// Its name, by custom host and path without a scheme, e.g. witness.example/w1
        name: String,
    },
    /// Print its verifier key, for the logs that it is to cosign
    Key,
    /// Answer logs that ask for cosignatures
    Serve {
        /// Where it listens; plain HTTP, so put a TLS proxy before it where others reach it
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7482")]
        listen: SocketAddr,
        /// Verifier key of a log to cosign; may be given more than once, beside those in witness/logs
        #[arg(long, value_name = "VKEY")]
        log: Vec<String>,
    },
}
