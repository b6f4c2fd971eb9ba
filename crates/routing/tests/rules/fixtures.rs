use toml::Table;

use crate::case::{Case, says};
use crate::house::{compile_right, folder, folders, read};

#[test]
fn every_case_comes_out_as_it_says() {
    let mut wrong = Vec::new();
    let folders = folders(&folder(""));
    assert!(!folders.is_empty(), "the fixtures are where this test looks");
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let rules = compile_right(&read(&folder.join("rules.toml")), &folder);
        let cases: Table = read(&folder.join("cases.toml")).parse().unwrap_or_else(|e| panic!("{name}: {e}"));
        for (place, table) in cases["case"].as_array().expect("cases").iter().enumerate() {
            let case = Case::read(table.as_table().expect("a table"), &format!("{name} {}", place + 1));
            let to = case.to.as_ref();
            let came = says(&rules.judge(&case.facts, to));
            if came != case.says {
                wrong.push(format!("{name}, case {}: {}\n    came: {came}", place + 1, case.says));
            }
            let explained = rules.judge_explained(&case.facts, to);
            assert_eq!(says(&explained.judgement), came, "{name}, case {}", place + 1);
        }
        for outcome in rules.run_tests() {
            assert_eq!(outcome.failure, None, "{name}: {}", outcome.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
