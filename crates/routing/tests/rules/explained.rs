use std::fmt::Write as _;

use routing::rules::Trial;
use toml::Table;

use crate::case::{Case, says};
use crate::house::{compile_right, folder, folders, read};

/// What is said of each rule's trial, and what each condition saw, to the letter, of the first and of the last case of
/// each folder. With `RESTANTE_BLESS` set the file is written instead.
#[test]
fn trials_are_told_as_they_went() {
    let mut came = String::new();
    for folder in folders(&folder("")) {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let rules = compile_right(&read(&folder.join("rules.toml")), &folder);
        let cases: Table = read(&folder.join("cases.toml")).parse().expect("TOML");
        let cases = cases["case"].as_array().expect("cases");
        for place in [0, cases.len() - 1] {
            let case = Case::read(cases[place].as_table().expect("a table"), &name);
            let explained = rules.judge_explained(&case.facts, case.to.as_ref());
            writeln!(came, "{name}, case {}: {}", place + 1, says(&explained.judgement)).expect("a text");
            explained.trials.iter().for_each(|trial| tell(&mut came, trial));
        }
    }
    let path = folder("explained.txt");
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        std::fs::write(&path, &came).expect("explained.txt can be written");
    }
    let expected = read(&path);
    let differs = came.lines().zip(expected.lines()).position(|(came, expected)| came != expected);
    let at = differs.unwrap_or_else(|| came.lines().count().min(expected.lines().count()));
    let near = |text: &str| text.lines().skip(at.saturating_sub(3)).take(6).collect::<Vec<_>>().join("\n");
    assert!(came == expected, "line {}:\n{}\ninstead of\n{}", at + 1, near(&came), near(&expected));
}

fn tell(out: &mut String, trial: &Trial) {
    let Trial { rule, shadow, answer, note, asked } = trial;
    let shadow = if *shadow { " in shadow" } else { "" };
    let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    writeln!(out, "  {rule}{shadow}: {answer:?}{note}").expect("a text");
    for asked in asked {
        let space = " ".repeat(4 + 2 * usize::from(asked.depth));
        let what = match (asked.wants.as_str(), asked.saw.as_str()) {
            ("", "") => asked.key.clone(),
            (wants, saw) => format!("{} = {wants}, it is {saw}", asked.key),
        };
        writeln!(out, "{space}{what}: {:?}", asked.answer).expect("a text");
    }
}
