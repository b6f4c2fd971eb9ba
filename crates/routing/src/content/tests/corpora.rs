//! Real and odd mail from outside the repository, where it is there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::read;

/// Beside the repository, or where RESTANTE_CORPORA says; nothing, and a word about it past the capture of the test
/// runner, when it is not there.
fn corpora() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let folder = std::env::var_os("RESTANTE_CORPORA").map_or_else(beside, PathBuf::from);
    if !folder.exists() {
        let _ = writeln!(
            std::io::stderr().lock(),
            "SKIPPED content of the corpora: ../shared/corpora is not here"
        );
        return None;
    }
    Some(folder)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Every file, whether it is a mail or not, whole and cut.
#[test]
fn every_file_of_the_corpora_is_read() {
    let Some(root) = corpora() else { return };
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 300, "only {} files", paths.len());
    let (mut attachments, mut complex) = (0, Vec::new());
    for path in &paths {
        let octets = fs::read(path).expect("readable");
        let started = Instant::now();
        let whole = read(&octets);
        assert!(started.elapsed() < Duration::from_secs(2), "{}: {:?}", path.display(), started.elapsed());
        attachments += whole.content.attachments.len();
        if let Some(excess) = whole.excess {
            complex.push(format!("{}: {excess}", path.display()));
        }
        for part in 1..8 {
            read(&octets[..octets.len() * part / 8]);
        }
    }
    println!("{} files, {attachments} attachments, too complex: {complex:#?}", paths.len());
    assert!(attachments > 300, "{attachments}");
}
