//! Real, odd and hostile mail from outside the repository: it comes out octet for octet or is refused with a
//! known reply, nothing hides a second message inside of it, and no kind of it costs more than it should.

mod attacks;
mod mails;
mod moves;
mod smuggling;

use std::path::PathBuf;

use restante_tests::skipped;

/// A part of the corpora beside the repository, or where RESTANTE_CORPORA says; nothing, and a word about it, when it is
/// not there.
fn corpora(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("RESTANTE_CORPORA").map_or_else(beside, PathBuf::from).join(name);
    if !folder.exists() {
        skipped(&format!("the corpus {name} is not here"));
        return None;
    }
    Some(folder)
}
