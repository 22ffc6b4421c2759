//! A proof of verification does not come from nowhere.

use killick_proof::Verified;
use killick_proof::bundle::BundleDocument;

fn main() {
    let _: Verified<BundleDocument> = Default::default();
}
