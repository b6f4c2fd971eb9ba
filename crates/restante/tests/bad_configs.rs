//! Every fault of the configuration, with its exact words: one folder of `tests/configs/bad` each.
//!
//! A folder holds the three files (or not; an absent `rules.toml` is an empty one, unless there is a file `no-rules`),
//! `modes` with lines `FILE OCTAL` for files that others can read, and
//! `expected.txt`. Beside them the test puts a pair `tls.crt` and `tls.key`, an `other.key` that belongs to
//! neither, and `rubbish.pem`. With `UPDATE_EXPECTED=1` the expectations are written anew: read the diff.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use restante::config;

const FILES: [&str; 3] = ["restante.toml", "mailboxes.toml", "rules.toml"];

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/configs/bad");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn write(path: &Path, octets: &[u8], mode: u32) {
    fs::write(path, octets).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A configuration folder as the fixture describes it.
fn set_up(fixture: &Path, dir: &Path) {
    let one = rcgen::generate_simple_self_signed(vec!["mx.example.com".into()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["mx.example.com".into()]).unwrap();
    write(&dir.join("tls.crt"), one.cert.pem().as_bytes(), 0o600);
    write(&dir.join("tls.key"), one.signing_key.serialize_pem().as_bytes(), 0o600);
    write(&dir.join("other.key"), other.signing_key.serialize_pem().as_bytes(), 0o600);
    write(&dir.join("rubbish.pem"), b"-----BEGIN RUBBISH-----\n", 0o600);
    if !fixture.join("no-rules").exists() {
        write(&dir.join("rules.toml"), b"", 0o600);
    }
    for name in FILES {
        if let Ok(octets) = fs::read(fixture.join(name)) {
            write(&dir.join(name), &octets, 0o600);
        }
    }
    for line in fs::read_to_string(fixture.join("modes")).unwrap_or_default().lines() {
        let (name, mode) = line.split_once(' ').unwrap();
        let mode = u32::from_str_radix(mode, 8).unwrap();
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
    }
}

/// What the person at the terminal reads, with the folder left out of paths.
fn said(dir: &Path) -> String {
    let faults = match config::load(dir) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    faults.to_string().replace(&format!("{}/", dir.display()), "") + "\n"
}

/// RFC 6531 §3.7.1; RFC 2033 §5.
#[test]
fn every_fault_has_its_words_and_its_place() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let dir = tempfile::tempdir().unwrap();
        set_up(&fixture, dir.path());
        let said = said(dir.path());
        let expected = fixture.join("expected.txt");
        if update {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("== {}\n{said}", fixture.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn each_fixture_has_a_number_of_its_own() {
    let mut numbers: Vec<String> = fixtures()
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().split('-').next().unwrap().to_owned())
        .collect();
    numbers.sort();
    let twice: Vec<_> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn nothing_secret_is_said() {
    for fixture in fixtures() {
        let said = fs::read_to_string(fixture.join("expected.txt")).unwrap();
        assert!(!said.contains("hunter2") && !said.contains("correct horse"), "{}", fixture.display());
    }
}

#[test]
fn the_files_that_every_fixture_shares_have_no_fault() {
    let fixture = fixtures().into_iter().find(|path| path.ends_with("22-key-for-everybody")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    set_up(&fixture, dir.path());
    fs::set_permissions(dir.path().join("tls.key"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(said(dir.path()), "\n");
}

/// Whatever stands in the files, the answer is words.
#[test]
fn no_text_makes_it_panic() {
    let [restante, mailboxes, rules] =
        config::File::ALL.map(|file| config::shipped(file).replace("\n#", "\n"));
    let whole = config::Texts { dir: "/etc/restante".into(), restante, mailboxes, rules };
    for place in (0..whole.restante.len()).step_by(127) {
        for what in ["", "\"", "[", "é", "\n=", "password='"] {
            let damaged = |text: &str| {
                let at = text.floor_char_boundary(place.min(text.len()));
                if what.is_empty() {
                    text[..at].to_owned()
                } else {
                    format!("{}{what}{}", &text[..at], &text[at..])
                }
            };
            let texts = config::Texts {
                restante: damaged(&whole.restante),
                mailboxes: damaged(&whole.mailboxes),
                ..whole.clone()
            };
            let said = config::check(&texts).map_or_else(|faults| faults.render(true), |_| "fine".into());
            assert!(!said.is_empty());
        }
    }
}
