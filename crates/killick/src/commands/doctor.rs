//! status
use crate::{folder::Folder, output::*};
pub async fn run(_f: &Folder, _ui: Ui) -> Outcome {
    Err(Failure::check("x", "x"))
}
