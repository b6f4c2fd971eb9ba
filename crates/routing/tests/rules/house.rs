//! What stands around the rules of every fixture.

use std::path::{Path, PathBuf};

use directory::{Alias, Allowance, DomainSpec, MailboxSpec, Spec, Table};
use jiff::tz::{Offset, TimeZone};
use routing::rules::{Diagnostic, RuleSet, Severity, Surroundings};

/// A folder of `tests/rules` at the top of the repository.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rules").join(name)
}

/// The folders in a folder, sorted.
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("a folder");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.join("rules.toml").is_file());
    found.sort();
    found
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Two domains, some mailboxes, an alias and a catch-all.
pub(crate) fn directory() -> Table {
    let mailbox = |name: &str, addresses: &[&str]| MailboxSpec {
        name: name.into(),
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        passwords: Vec::new(),
        receives: true,
        allowance: Allowance::default(),
        ..MailboxSpec::default()
    };
    let spec = Spec {
        domains: vec![
            DomainSpec {
                name: "example.com".into(),
                aliases: vec!["example.net".into()],
                catch_all: Some("office".into()),
                postmaster: Some("alice".into()),
            },
            DomainSpec {
                name: "bücher.example".into(),
                aliases: Vec::new(),
                catch_all: None,
                postmaster: Some("alice".into()),
            },
        ],
        mailboxes: vec![
            mailbox("alice", &["a.smith"]),
            mailbox("bob", &[]),
            mailbox("office", &["info"]),
            mailbox("accounts", &[]),
            mailbox("archive", &[]),
            mailbox("carol@bücher.example", &[]),
        ],
        aliases: vec![Alias {
            address: "team@example.com".into(),
            to: vec!["alice".into(), "bob".into()],
            duplicate: false,
        }],
        refused: Vec::new(),
        detail_separator: Some('+'),
        literals: Vec::new(),
        hostname: "mx.example.com".into(),
        quarantine: None,
        ..Spec::default()
    };
    let (table, faults) = Table::build(&spec);
    table.unwrap_or_else(|| panic!("{faults:?}"))
}

/// Compiles the text of a folder's `rules.toml`.
pub(crate) fn compile(text: &str, folder: &Path) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let directory = directory();
    let zones = ["zen.example.org".to_owned(), "bl.example.org".to_owned()];
    let read_list =
        |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|_| "there is no such file".into());
    let around = Surroundings {
        directory: Some(&directory),
        spam_filter: !text.contains("# without scanners"),
        virus_scanner: !text.contains("# without scanners"),
        block_lists: if text.contains("# without scanners") { &[] } else { &zones },
        time_zone: TimeZone::fixed(Offset::constant(1)),
        read_list: &read_list,
    };
    RuleSet::compile(text, &around)
}

/// The same of rules that must be right.
pub(crate) fn compile_right(text: &str, folder: &Path) -> RuleSet {
    let (set, said) = compile(text, folder);
    let errors: Vec<String> = said.iter().map(|said| show(said, text)).collect();
    set.unwrap_or_else(|| panic!("{}:\n{}", folder.display(), errors.join("\n")))
}

/// One diagnostic as text, with the octets that it is about.
pub(crate) fn show(said: &Diagnostic, text: &str) -> String {
    let severity = match said.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut shown = format!("{severity}: {}", said.message);
    if let Some(span) = &said.span {
        let before = &text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let octets = text[span.clone()].lines().next().unwrap_or_default();
        shown += &format!("\n  {line}:{column} {octets}");
    }
    if !said.label.is_empty() {
        shown += &format!("\n  {}", said.label);
    }
    if let Some(hint) = &said.hint {
        shown += &format!("\n  hint: {hint}");
    }
    shown
}
