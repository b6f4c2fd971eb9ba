use crate::house::{compile, folder, folders, read, show};

/// All that is said of each broken file, to the letter. With `RESTANTE_BLESS` set the files are written instead.
#[test]
fn broken_rules_say_what_is_wrong() {
    let bless = std::env::var_os("RESTANTE_BLESS").is_some();
    let mut wrong = Vec::new();
    let folders = folders(&folder("bad"));
    assert!(folders.len() > 20, "the fixtures are where this test looks");
    for folder in folders {
        let text = read(&folder.join("rules.toml"));
        let (set, said) = compile(&text, &folder);
        let mut shown: Vec<String> = said.iter().map(|said| show(said, &text)).collect();
        if let Some(set) = set {
            let failures = set.run_tests().into_iter().filter_map(|outcome| outcome.failure);
            shown.extend(failures.map(|failure| show(&failure, &text)));
        }
        let came = shown.join("\n\n") + "\n";
        let path = folder.join("expected.txt");
        if bless {
            std::fs::write(&path, &came).expect("expected.txt can be written");
        }
        if read(&path) != came {
            wrong.push(format!("{}:\n{came}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
