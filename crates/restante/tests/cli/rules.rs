use serde_json::Value;

use crate::folder::Folder;

const PEOPLE: &str = "\
[[domain]]
name = \"example.test\"
postmaster = \"alice\"

[[mailbox]]
name = \"alice\"

[[mailbox]]
name = \"newsletters\"
";

fn folder() -> Folder {
    let folder = Folder::of(PEOPLE);
    let text = folder.read("restante.toml");
    folder.write("restante.toml", &format!("state-dir = \"state\"\n{text}"));
    std::fs::create_dir(folder.path("state")).unwrap();
    folder.set_mode("state", 0o700);
    folder.write("rules.toml", "");
    folder
}

#[test]
fn a_fault_of_other_rules_is_told_of_the_file_that_they_stand_in() {
    let folder = folder();
    folder.write("new.toml", "[[rule]]\nname = \"x\"\nthen = 7\n");
    let new = folder.path("new.toml");
    let run = folder.run(&format!("rules diff {}", new.display()));
    assert!(run.code == 78 && run.err.contains(&format!("{}:3:8", new.display())), "{run:?}");
    assert!(!run.err.contains("rules.toml"), "{run:?}");
    let run = folder.run(&format!("rules diff {} --json", new.display()));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let fault = &document["error"]["faults"][0];
    assert_eq!((fault["path"].as_str(), fault["line"].as_u64()), (new.to_str(), Some(3)), "{document}");
}

#[test]
fn a_mailbox_that_nobody_has_is_no_mailbox_without_mail() {
    let folder = folder();
    let same = folder.path("rules.toml");
    let run = folder.run(&format!("rules diff {} --box newsleters", same.display()));
    assert_eq!(run.code, 66, "{run:?}");
    let words = "there is no mailbox `newsleters`";
    assert!(run.err.contains(words) && run.err.contains("did you mean `newsletters`?"), "{run:?}");
}

#[test]
fn a_refusal_is_a_match_and_its_recipient_counts() {
    let folder = folder();
    std::fs::create_dir(folder.path("state/trace")).unwrap();
    let refused = |phase: &str, to: &str| {
        format!(
            "{{\"at\":\"2026-11-28T09:30:00Z\",\"event\":\"refused\",\"by\":\"SMTP\",\"ip\":null,\"helo\":\"x\",\"tls\":null,\
             \"from\":\"a@x.test\",\"to\":[{to}],\"phase\":\"{phase}\",\"code\":550,\"rule\":\"closed\",\"reason\":\"no\"}}\n"
        )
    };
    let day =
        refused("rcpt", "\"alice@example.test\"") + &refused("data", "\"a@example.test\",\"b@example.test\"");
    folder.write("state/trace/2026-11-28.refused.jsonl", &day);
    let run = folder.run("rules stats --json");
    let document: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let rows = document["rules"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "closed").unwrap();
    assert_eq!((&row["matched"], &row["refused"]), (&2.into(), &2.into()), "{document}");
    assert_eq!(document["recipients"], 3, "{document}");
}

#[test]
fn what_is_printed_is_no_message_that_is_chosen() {
    let folder = folder();
    for verb in ["release", "delete"] {
        let run = folder.run(&format!("quarantine {verb} --json"));
        assert_eq!(run.code, 2, "{run:?}");
        let usage = folder.run(&format!("quarantine {verb} --help")).out;
        let usage = usage.lines().find(|line| line.contains("Usage:")).unwrap().to_owned();
        assert!(usage.contains("--mailbox <NAME>") && !usage.contains("--json"), "{usage}");
    }
}

/// A reload waits for what it reads.
#[test]
fn what_is_no_file_is_not_read_for_one() {
    let folder = folder();
    std::fs::remove_file(folder.path("rules.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/ptmx", folder.path("rules.toml")).unwrap();
    let run = folder.run("check");
    let words = format!(
        "cannot read {}: it is a device; expected a regular file",
        folder.path("rules.toml").display()
    );
    assert!(run.code == 78 && run.err.contains(&words), "{run:?}");
    std::fs::remove_file(folder.path("rules.toml")).unwrap();
    folder.write("rules.toml", "[lists]\nvip = { file = \"/dev/zero\" }\n");
    let run = folder.run("check");
    assert!(run.code == 78 && run.err.contains("/dev/zero: it is a device"), "{run:?}");
}
