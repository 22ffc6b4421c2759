//! Compromised gateway host.

use std::time::Duration;

use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::hash::leaf_hash;
use killick_tlog::kept;
use killick_tlog::proof::inclusion_proof;
use killick_tlog::receipt::{Receipt, format_receipt};
use killick_tlog::verify::{TileHashes, Trust, verify_log};

use crate::log::code;
use crate::rows::Row;
use crate::world::{Files, entries, log, log_key, trust, witnesses};

#[test]
fn hst_03_two_views() {
    let mut row = Row::new("HST-03");
    let [one, two] = witnesses();
    let mut other = entries(600);
    other[450].push(b' ');
    // A view for each witness: neither has two operators, and each contradicts the other.
    let views = [log(&entries(600), &log_key(1), &[one]), log(&other, &log_key(1), &[two])];
    let quorum = Trust::parse(&trust(None).to_string()).unwrap().requiring(2);
    for view in &views {
        row.accepts("alone it is consistent", code(view, None));
        let error = verify_log(view, Some(&quorum), &mut |_, _| {}).unwrap_err();
        assert_eq!(error.code(), "log.cosignature_missing");
    }
    row.detects("one view after the other", code(&views[1], Some(&views[0])));

    // Entries held back from the monitor, with receipts given for them.
    let given = receipt(&other, 450);
    row.detects("the receipt of a hidden entry", against(&views[0], &given, None));
    let later = receipt(&entries(700), 650);
    row.accepts("a receipt newer than the head, at first", against(&views[0], &later, Some(10)));
    row.detects("a receipt that is not merged in time", against(&views[0], &later, Some(61)));
}

fn receipt(entries: &[Vec<u8>], index: u64) -> String {
    let files = log(entries, &log_key(1), &[]);
    let size = entries.len() as u64;
    let proof = inclusion_proof(&TileHashes::new(&files, size), index, size).unwrap();
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    format_receipt(&leaf_hash(&entries[index as usize]), index, &proof, &note)
}

/// What a log says to a receipt, so many seconds after it was given.
fn against(files: &Files, receipt: &str, secs: Option<u64>) -> &'static str {
    let trust = Trust::parse(&trust(None).to_string()).unwrap();
    let log = verify_log(files, Some(&trust), &mut |_, _| {}).unwrap();
    let head = Checkpoint::new(log.origin, log.size, log.root);
    let hashes = TileHashes::new(files, log.size);
    let age = secs.map(Duration::from_secs);
    let receipt = Receipt::parse(receipt).unwrap();
    let kept = kept::check(&receipt, &head, &log.key, &hashes, age, Duration::from_secs(60));
    kept.map_or_else(|error| error.code(), |_| "ok")
}
