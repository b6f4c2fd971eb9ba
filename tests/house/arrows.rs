//! The house holds: which crate may know which, what the pure folders may not know, and the few rules of
//! style that a script can see. The list of arrows below is the truth; crates/ARCHITECTURE.md shows the same
//! one to readers, and is held to it.

mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Table;

/// Every crate, and the crates of this workspace that it may know. A new arrow is the rarest change there is:
/// make it here and in crates/ARCHITECTURE.md together.
const ARROWS: &[(&str, &[&str])] = &[
    ("mail", &[]),
    ("queue", &["mail"]),
    ("queue-sled", &["queue", "mail"]),
    ("directory", &["mail"]),
    ("authenticity", &["mail"]),
    ("net", &[]),
    ("smtp-receive", &["mail", "queue", "net", "directory"]),
    ("routing", &["mail", "queue", "directory"]),
    ("upkeep", &["mail", "queue", "directory"]),
    ("pop3-serve", &["mail", "queue", "net", "directory"]),
    (
        "restante",
        &[
            "mail",
            "queue",
            "queue-sled",
            "directory",
            "authenticity",
            "net",
            "smtp-receive",
            "routing",
            "upkeep",
            "pop3-serve",
        ],
    ),
];

/// Libraries that one crate alone may know.
const KEPT: &[(&str, &str)] = &[
    ("sled", "queue-sled"),
    ("mail-auth", "authenticity"),
    ("clap", "restante"),
    ("clap_complete", "restante"),
    ("clap_mangen", "restante"),
];

/// Folders that are told what they know: octets, answers and the time come in, steps and decisions go out.
const PURE: &[&str] = &["smtp-receive/src/session", "pop3-serve/src/session", "routing/src/rules"];

/// What a pure folder may not say outside its tests. `std::time::Instant` and `std::net::IpAddr` are values
/// and may be named; asking for the time, or opening anything, is what counts.
const IMPURE: &[&str] = &[
    "tokio",
    "async",
    "await",
    "sled",
    "queue_sled",
    "socket2",
    "rustls",
    "rustix",
    "net::Conn",
    "use net",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "queue::Store",
];

/// Most lines of a source file.
const LINES: usize = 600;

/// What stays behind when a piece of work is not finished. Written in halves, so that this file is clean.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
    concat!("#[ig", "nore"),
];

fn crates() -> PathBuf {
    tree::root().join("crates")
}

fn manifest(path: &Path) -> Table {
    tree::read(path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The packages of one table of dependencies, by their names in the registry.
fn packages(table: &Table) -> Vec<String> {
    let name = |(key, value): (&String, &toml::Value)| {
        let package = value.as_table().and_then(|table| table.get("package")).and_then(toml::Value::as_str);
        package.map_or_else(|| key.clone(), str::to_owned)
    };
    table.iter().map(name).collect()
}

/// Everything that a manifest depends on, for whatever purpose and target.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        found.extend(manifest.get(kind).and_then(toml::Value::as_table).map(packages).unwrap_or_default());
    }
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(|table| table.values()).filter_map(toml::Value::as_table) {
        found.extend(dependencies(target));
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `token` stands in `text` as words of their own. In `tokio::net` the `net` is no crate, so a name in
/// lower case must begin its path.
fn stands_in(text: &str, token: &str) -> bool {
    text.match_indices(token).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + token.len()..]);
        let inside = before.strip_suffix("::").is_some_and(|path| path.ends_with(is_word));
        let begins = !inside || token.starts_with(char::is_uppercase) || token.contains("::");
        !before.ends_with(is_word) && begins && !after.starts_with(is_word)
    })
}

/// The code of a file: without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = tree::read(path);
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn sources() -> Vec<PathBuf> {
    [tree::files(&crates(), "rs"), tree::files(&tree::root().join("tests"), "rs")].concat()
}

#[test]
fn every_crate_has_its_arrows_and_no_others() {
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let folders = std::fs::read_dir(crates()).expect("crates/").map(|entry| entry.expect("an entry").path());
    let folders: BTreeSet<String> = folders
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for (name, arrows) in ARROWS {
        let manifest = manifest(&crates().join(name).join("Cargo.toml"));
        assert_eq!(manifest["package"]["name"].as_str(), Some(*name));
        for package in dependencies(&manifest) {
            let ours = known.contains(package.as_str());
            assert!(!ours || arrows.contains(&package.as_str()), "{name} may not know {package}");
            for (library, keeper) in KEPT {
                assert!(
                    package != *library || name == keeper,
                    "only {keeper} may know {package}, not {name}"
                );
            }
        }
    }
}

/// A renamed dependency would hide from the test above.
#[test]
fn no_dependency_of_the_workspace_is_renamed() {
    let root = manifest(&tree::root().join("Cargo.toml"));
    let listed = root["workspace"]["dependencies"].as_table().expect("a table");
    for (name, value) in listed {
        assert!(value.get("package").is_none(), "{name}");
        let path = value.get("path").and_then(toml::Value::as_str);
        assert!(path.is_none_or(|path| path == format!("crates/{name}")), "{name}");
    }
}

#[test]
fn imports_follow_the_arrows() {
    for (name, arrows) in ARROWS {
        let files = tree::files(&crates().join(name).join("src"), "rs");
        let texts: Vec<(PathBuf, String)> =
            files.into_iter().map(|path| (path.clone(), code(&path))).collect();
        let ours =
            ARROWS.iter().map(|(other, _)| *other).filter(|other| other != name && !arrows.contains(other));
        let kept = KEPT.iter().filter(|(_, keeper)| keeper != name).map(|(library, _)| *library);
        for other in ours.chain(kept) {
            let other = other.replace('-', "_");
            // A module may have the name of a crate that is not known here.
            if texts.iter().any(|(_, text)| stands_in(text, &format!("mod {other}"))) {
                continue;
            }
            for (path, text) in &texts {
                let import = stands_in(text, &format!("use {other}"));
                let path_of = text
                    .match_indices(&format!("{other}::"))
                    .any(|(at, _)| !text[..at].ends_with(is_word) && !text[..at].ends_with("::"));
                assert!(!import && !path_of, "{}: {name} may not know {other}", path.display());
            }
        }
    }
}

#[test]
fn pure_folders_know_no_clock_and_open_nothing() {
    for folder in PURE {
        for path in tree::files(&crates().join(folder), "rs") {
            let text = code(&path);
            for token in IMPURE {
                assert!(!stands_in(&text, token), "{}: {token}", path.display());
            }
        }
    }
    let session = tree::files(&crates().join("pop3-serve/src/session"), "rs");
    assert!(session.len() > 10, "the folders are where this test looks");
}

#[test]
fn every_package_has_the_lints_of_the_workspace() {
    let manifests = ARROWS.iter().map(|(name, _)| crates().join(name).join("Cargo.toml"));
    for path in manifests.chain([tree::root().join("tests/Cargo.toml")]) {
        let manifest = manifest(&path);
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(toml::Value::as_bool), Some(true), "{}", path.display());
    }
    let root = manifest(&tree::root().join("Cargo.toml"));
    let lints = &root["workspace"]["lints"]["rust"];
    assert_eq!(lints["unsafe_code"].as_str(), Some("forbid"));
    assert!(lints.get("missing_docs").is_some());
}

#[test]
fn every_library_says_what_it_is_first() {
    for (name, _) in ARROWS {
        let text = tree::read(&crates().join(name).join("src/lib.rs"));
        assert!(text.starts_with("//! "), "{name}");
    }
}

#[test]
fn files_are_short_and_finished() {
    let sources = sources();
    assert!(sources.len() > 50, "the sources are where this test looks");
    for path in sources {
        let text = tree::read(&path);
        let lines = text.lines().count();
        assert!(lines <= LINES, "{}: {lines} lines", path.display());
        for word in UNFINISHED {
            // The X of a mktemp template are no marks.
            let marked =
                text.contains(word) && (!word.starts_with(char::is_uppercase) || stands_in(&text, word));
            assert!(!marked, "{}: {word}", path.display());
        }
    }
}

/// Reads `name  what it is  -> a, b` of the first block of crates/ARCHITECTURE.md.
fn shown(line: &str) -> Option<(&str, BTreeSet<&str>)> {
    let (name, rest) = line.split_once(' ')?;
    let arrows = match rest.split_once("->") {
        None => {
            assert!(rest.ends_with("knows nobody"), "{line}");
            BTreeSet::new()
        }
        Some((_, arrows)) if arrows.trim().starts_with("all of them") => {
            ARROWS.iter().map(|(other, _)| *other).filter(|other| *other != name).collect()
        }
        // In brackets stand libraries worth a word, which are no arrows.
        Some((_, arrows)) if arrows.trim().starts_with('(') => BTreeSet::new(),
        Some((_, arrows)) => arrows.split(',').map(str::trim).collect(),
    };
    Some((name, arrows))
}

#[test]
fn the_map_shows_the_same_arrows() {
    let text = tree::read(&crates().join("ARCHITECTURE.md"));
    let block = text.split("```").nth(1).expect("a block with the crates");
    let map: Vec<_> = block.lines().filter_map(shown).collect();
    let list: Vec<_> =
        ARROWS.iter().map(|(name, arrows)| (*name, arrows.iter().copied().collect())).collect();
    assert_eq!(map, list);
}

#[test]
fn words_are_told_from_parts_of_words() {
    for (text, token, found) in [
        ("use std::net::TcpStream;", "TcpStream", true),
        ("use net::Conn;", "use net", true),
        ("use network;", "use net", false),
        ("tokio::net::x()", "net", false),
        ("::tokio::time", "tokio", true),
        ("let now = std::time::Instant::now();", "Instant::now", true),
        ("queue::StoreError", "queue::Store", false),
        ("asleep", "sleep", false),
    ] {
        assert_eq!(stands_in(text, token), found, "{token} in {text}");
    }
}
