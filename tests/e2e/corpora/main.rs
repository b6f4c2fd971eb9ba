//! Real, odd and hostile mail from outside the repository: it comes out octet for octet or is refused with a
//! known reply, nothing hides a second message inside of it, and no kind of it costs more than it should.

mod attacks;
mod mails;
mod moves;
mod smuggling;

use std::path::PathBuf;

use restante_tests::skipped;

/// The folder of the corpora, beside the repository; nothing, and a word about it, when it is not there.
fn corpora(name: &str) -> Option<PathBuf> {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = repository.join("../shared/corpora").join(name);
    if !folder.exists() {
        skipped(&format!("../shared/corpora/{name} is not here"));
        return None;
    }
    Some(folder)
}
