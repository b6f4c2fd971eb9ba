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

/// Beside the mailboxes and the settings of the folder, whatever is wrong with the rules that are in it now.
#[test]
fn other_rules_are_tested_before_they_are_installed() {
    let folder = folder();
    folder.write("rules.toml", "[[rule]]\n");
    let rules = |to: &str| {
        format!(
            "[[rule]]\nname = \"news\"\nwhen = {{ subject = \"news\" }}\nthen = {{ deliver = [\"newsletters\"] }}\n\
             [[test]]\nname = \"news are sorted\"\nmail = {{ to = \"alice@example.test\", subject = \"News\" }}\n\
             expect = {{ deliver = [\"{to}\"] }}\n"
        )
    };
    folder.write("new.toml", &rules("newsletters"));
    folder.write("wrong.toml", &rules("alice"));
    folder.write("none.toml", "");
    let path = |name: &str| folder.path(name).display().to_string();
    let run = folder.run(&format!("rules test {}", path("new.toml")));
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "1 test passed\n", ""));
    let run = folder.run(&format!("rules test {} --json", path("new.toml")));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["passed"][0], "news are sorted", "{document}");
    let run = folder.run(&format!("rules test {}", path("wrong.toml")));
    let place = format!("{}:8:22", path("wrong.toml"));
    assert!(run.code == 78 && run.err.contains(&place) && !run.err.contains("rules.toml"), "{run:?}");
    let run = folder.run(&format!("rules test {}", path("none.toml")));
    assert!(run.code == 0 && run.out.contains("none.toml has no tests"), "{run:?}");
    let run = folder.run(&format!("rules test {}", path("gone.toml")));
    assert!(run.code == 66 && run.err.contains("gone.toml: there is no such file"), "{run:?}");
    let run = folder.run("rules test");
    assert!(run.code == 78 && run.err.contains("rules.toml:1"), "those of the folder: {run:?}");
    folder.write("rules.toml", "");
    // What the shell gives for what a command prints is no regular file, and ends.
    for verb in ["test", "diff"] {
        let line = format!(
            "exec 3<&0; {} rules {verb} /dev/fd/3 --config {}",
            env!("CARGO_BIN_EXE_restante"),
            folder.path("").display()
        );
        let mut child = std::process::Command::new("sh")
            .args(["-c", &line])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"[[rule]]\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(78) && said.contains("/dev/fd/3:1:1"), "{verb}: {said}");
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
