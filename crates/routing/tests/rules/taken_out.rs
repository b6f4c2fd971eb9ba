//! Every condition and every action stands in some fixture that notices when it is taken out: when a condition never
//! holds, when it always does, when an action is not done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::case::{Case, says};
use crate::house::{compile, folder, folders, read};

/// What is done to each condition or action of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum How {
    Never,
    Always,
    Undone,
}

/// The names in the first column of a table of `RULES.md`.
fn names(section: &str) -> BTreeSet<String> {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("RULES.md"));
    let (_, text) = text.split_once(&format!("\n## {section}\n")).expect("its section");
    let text = text.split("\n## ").next().expect("its text");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let column =
        rows.flat_map(|row| row.split(" | ").next().expect("a column").split('`').skip(1).step_by(2));
    let word = |code: &str| {
        let end = code.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(code.len());
        code[..end].to_owned()
    };
    // What a refusal says belongs to it.
    column.map(word).filter(|name| name != "text").collect()
}

/// Does it to a `when`, at every depth.
fn condition(when: &mut Table, name: &str, how: How) {
    for value in when
        .iter_mut()
        .filter(|(key, _)| matches!(key.as_str(), "any" | "all" | "not"))
        .map(|(_, value)| value)
    {
        match value {
            Value::Array(inner) => {
                let tables = inner.iter_mut().filter_map(Value::as_table_mut);
                tables.for_each(|inner| condition(inner, name, how));
            }
            Value::Table(inner) => condition(inner, name, how),
            _ => {}
        }
    }
    if when.remove(name).is_some() {
        let from = |network: &str| Value::String(network.into());
        match how {
            // No case comes from there.
            How::Never => when.insert("ip".into(), from("203.0.113.254")),
            // A table without any condition is none.
            How::Always if when.is_empty() => when.insert("ip".into(), from("0.0.0.0/0")),
            How::Always | How::Undone => None,
        };
    }
}

/// The rules of a fixture, changed; nothing where the name does not stand there.
fn changed(text: &str, name: &str, how: How) -> Option<String> {
    let mut file: Table = text.parse().expect("TOML");
    let before = file.clone();
    for rule in file.get_mut("rule")?.as_array_mut()?.iter_mut().filter_map(Value::as_table_mut) {
        match how {
            How::Undone => {
                rule.get_mut("then").and_then(Value::as_table_mut).and_then(|then| {
                    then.remove(name)?;
                    if name == "refuse" { then.remove("text") } else { None }
                });
            }
            How::Never | How::Always => {
                rule.get_mut("when")
                    .and_then(Value::as_table_mut)
                    .into_iter()
                    .for_each(|when| condition(when, name, how));
            }
        }
    }
    // What its tests expect is another matter.
    file.remove("test");
    let mark = if text.contains("# without scanners") { "# without scanners\n" } else { "" };
    (file.get("rule") != before.get("rule"))
        .then(|| format!("{mark}{}", toml::to_string(&file).expect("TOML")))
}

/// Whether a case of a folder comes out otherwise.
fn is_noticed(folder: &Path, rules: &str) -> bool {
    // What cannot be without it is not what is asked here.
    let (Some(rules), _) = compile(rules, folder) else { return false };
    let cases: Table = read(&folder.join("cases.toml")).parse().expect("TOML");
    cases["case"].as_array().expect("cases").iter().any(|table| {
        let case = Case::read(table.as_table().expect("a table"), "a case");
        says(&rules.judge(&case.facts, case.to.as_ref())) != case.says
    })
}

#[test]
fn whatever_is_taken_out_some_fixture_notices() {
    let fixtures: Vec<(PathBuf, String)> = folders(&folder(""))
        .into_iter()
        .map(|folder| {
            let text = read(&folder.join("rules.toml"));
            (folder, text)
        })
        .collect();
    let (conditions, actions) = (names("Conditions"), names("Actions"));
    assert!(conditions.len() >= 30 && actions.len() >= 9, "{conditions:?} {actions:?}");
    let wanted = conditions
        .iter()
        .flat_map(|name| [(name, How::Never), (name, How::Always)])
        .chain(actions.iter().map(|name| (name, How::Undone)));
    let mut noticed: BTreeMap<(&String, How), usize> = BTreeMap::new();
    for (name, how) in wanted {
        let by = fixtures.iter().filter(|(folder, text)| {
            changed(text, name, how).is_some_and(|rules| is_noticed(folder, &rules))
        });
        noticed.insert((name, how), by.count());
    }
    println!("{noticed:?}");
    let unnoticed: Vec<_> = noticed.iter().filter(|(_, count)| **count == 0).map(|(what, _)| what).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
