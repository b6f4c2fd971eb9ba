//! The shipped files with an admin's answers in them; their comments stay.

use std::path::Path;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

use super::answers::Answers;
use super::{CERTIFICATE, KEY};
use crate::config::{File, shipped};

/// `restante.toml`.
pub(super) fn restante(answers: &Answers, dir: &Path) -> String {
    let mut document = parsed(&switched_on(shipped(File::Restante), &["[tls]", "certificate", "key"]));
    set(&mut document, &["hostname"], answers.hostname.as_str().into());
    if let Some(state_dir) = &answers.state_dir {
        set(&mut document, &["state-dir"], state_dir.display().to_string().into());
    }
    let lists = [
        ("smtp", "listen", &answers.listen_smtp),
        ("lmtp", "listen", &answers.listen_lmtp),
        ("pop3", "listen", &answers.listen_pop3),
        ("pop3", "listen-tls", &answers.listen_pop3s),
    ];
    for (table, key, places) in lists {
        if !places.is_empty() {
            set(&mut document, &[table, key], Array::from_iter(places).into());
        }
    }
    let (certificate, key) = match &answers.pair {
        Some((certificate, key)) => (path(certificate, dir), path(key, dir)),
        None => (CERTIFICATE.into(), KEY.into()),
    };
    set(&mut document, &["tls", "certificate"], certificate);
    set(&mut document, &["tls", "key"], key);
    document.to_string()
}

/// `mailboxes.toml`, with one hash for each mailbox.
pub(super) fn mailboxes(answers: &Answers, hashes: &[String]) -> String {
    let keys: &[&str] = if answers.catch_all.is_some() { &["catch-all", "password"] } else { &["password"] };
    let mut document = parsed(&switched_on(shipped(File::Mailboxes), keys));
    if let Some(domain) = first(&mut document, "domain") {
        put(domain, "name", answers.domain.as_str());
        put(domain, "postmaster", &answers.mailboxes[0]);
        if let Some(name) = &answers.catch_all {
            put(domain, "catch-all", name);
        }
    }
    let mut named = answers.mailboxes.iter().zip(hashes);
    if let (Some(mailbox), Some((name, hash))) = (first(&mut document, "mailbox"), named.next()) {
        put(mailbox, "name", name);
        put(mailbox, "password", hash);
    }
    if let Some(Item::ArrayOfTables(tables)) = document.get_mut("mailbox") {
        named.for_each(|(name, hash)| add(tables, name, hash));
    }
    document
        .to_string()
        .replace("restante passwd postmaster", &format!("restante passwd {}", answers.mailboxes[0]))
}

/// `rules.toml`: the tests of its examples write to the domain.
pub(super) fn rules(answers: &Answers) -> String {
    shipped(File::Rules).replace("@example.com", &format!("@{}", answers.domain))
}

/// The text with some of the keys that it ships behind a bare `#`.
fn switched_on(text: &str, keys: &[&str]) -> String {
    let is_on = |line: &str| {
        keys.iter()
            .any(|key| line.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(" =")))
    };
    let lines = text.lines().map(|line| line.strip_prefix('#').filter(|rest| is_on(rest)).unwrap_or(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn parsed(text: &str) -> DocumentMut {
    text.parse().expect("the shipped files are TOML: a test holds them to it")
}

/// A path as it reads best: below the folder by what it is there.
fn path(path: &Path, dir: &Path) -> Value {
    path.strip_prefix(dir).unwrap_or(path).display().to_string().into()
}

fn set(document: &mut DocumentMut, keys: &[&str], value: Value) {
    let place = keys.iter().fold(document.as_item_mut(), |item, key| &mut item[key]);
    *place = Item::Value(value);
}

fn first<'d>(document: &'d mut DocumentMut, key: &str) -> Option<&'d mut Table> {
    document.get_mut(key)?.as_array_of_tables_mut()?.get_mut(0)
}

fn put(table: &mut Table, key: &str, text: &str) {
    table[key] = Item::Value(text.into());
}

fn add(tables: &mut ArrayOfTables, name: &str, hash: &str) {
    let mut table = Table::new();
    put(&mut table, "name", name);
    put(&mut table, "password", hash);
    table.decor_mut().set_prefix("\n");
    tables.push(table);
}
