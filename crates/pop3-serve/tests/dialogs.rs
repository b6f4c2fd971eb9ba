//! Every dialog file, replayed whole and cut at every octet.

mod dialog;

use std::fs;
use std::path::PathBuf;

use dialog::{Dialog, Replay};

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/pop3");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of dialogs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dlg"))
        .collect();
    files.sort();
    assert!(files.len() > 30, "dialogs are missing");
    files
}

/// RFC 2449 §6.6.
#[test]
fn every_dialog_whole_and_cut_at_every_octet() {
    let mut failures = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("a dialog");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if let Err(failure) = replay(&Dialog::read(&text)) {
            failures.push(format!("== {name}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn replay(dialog: &Dialog) -> Result<(), String> {
    let whole = |octets: &[u8]| vec![octets.to_vec()];
    let pipelined = dialog.pipelined();
    Replay::new(dialog).play(&dialog.turns, whole).map_err(|e| format!("line by line\n{e}"))?;
    Replay::new(dialog).play(&pipelined, whole).map_err(|e| format!("pipelined\n{e}"))?;
    if !dialog.cuts {
        return Ok(());
    }
    let singly = |octets: &[u8]| octets.iter().map(|octet| vec![*octet]).collect();
    Replay::new(dialog).play(&pipelined, singly).map_err(|e| format!("octet by octet\n{e}"))?;
    let longest = pipelined.iter().map(|turn| turn.client.len()).max().unwrap_or(0);
    for at in 0..=longest {
        let cut = |octets: &[u8]| {
            let (first, second) = octets.split_at(at.min(octets.len()));
            vec![first.to_vec(), second.to_vec()]
        };
        Replay::new(dialog).play(&pipelined, cut).map_err(|e| format!("cut at {at}\n{e}"))?;
    }
    Ok(())
}
