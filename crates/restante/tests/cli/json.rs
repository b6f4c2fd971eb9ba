//! What programs read: one document on one line, whatever comes of the verb.

use serde_json::{Value, json};

use crate::folder::Folder;

const MAILBOXES: &str = "\
[[domain]]
name = \"example.test\"
catch-all = \"office\"

[[mailbox]]
name = \"office\"
quota = \"1 GiB\"

[[mailbox]]
name = \"alice\"
addresses = [\"boss\"]
quota = \"none\"

[[refuse]]
address = \"old@example.test\"
text = \"closed\"
";

fn document(folder: &Folder, line: &str, code: i32) -> Value {
    let run = folder.run(line);
    assert_eq!(run.code, code, "{line}: {run:?}");
    assert_eq!(run.out.lines().count(), 1, "{line}: {run:?}");
    serde_json::from_str(&run.out).unwrap()
}

#[test]
fn each_verb_that_prints_has_a_document() {
    let folder = Folder::of(MAILBOXES);
    let check = document(&folder, "check --json", 0);
    assert_eq!((&check["mailboxes"], &check["closed_addresses"]), (&json!(2), &json!(1)));
    assert!(check["warnings"].is_array(), "{check}");

    let route = document(&folder, "route --json boss@example.test", 0);
    assert_eq!((&route["mailboxes"], &route["reply"]), (&json!(["alice"]), &Value::Null));
    assert!(route["steps"][0]["why"].is_string(), "{route}");
    let route = document(&folder, "route --json old@example.test", 1);
    assert_eq!((&route["mailboxes"], &route["reply"]), (&json!([]), &json!("550 5.1.1 closed")));

    let recipients = document(&folder, "recipients --json", 0);
    let entries = recipients["entries"].as_array().unwrap();
    assert!(entries.contains(&json!({"pattern": "old@example.test", "refused": "closed"})), "{recipients}");
    assert_eq!(entries.last(), Some(&json!({"pattern": "*@example.test", "refused": null})));
    assert_eq!(recipients["separator"], "+");

    let list = document(&folder, "mailbox list --json", 0);
    let alice = &list["mailboxes"][1];
    assert_eq!(alice["addresses"], json!(["alice@example.test", "boss@example.test"]), "{list}");
    assert_eq!(
        (&alice["quota_octets"], &list["mailboxes"][0]["quota_octets"]),
        (&Value::Null, &json!(1 << 30))
    );
}

#[test]
fn a_failure_is_a_document_too() {
    let folder = Folder::of(&MAILBOXES.replace("catch-all = \"office\"", "catch-all = \"offcie\""));
    for line in ["check --json", "route --json a@b", "recipients --json", "mailbox list --json"] {
        let failed = document(&folder, line, 78);
        assert_eq!((&failed["error"]["code"], &failed["error"]["exit"]), (&json!("config"), &json!(78)));
        let fault = &failed["error"]["faults"][0];
        assert_eq!(
            (&fault["line"], &fault["column"], &fault["severity"]),
            (&json!(3), &json!(13), &json!("error"))
        );
        assert!(fault["hint"].as_str().unwrap().contains("did you mean"), "{fault}");
    }
    let failed = document(&Folder::of(MAILBOXES), "route --json alice@", 2);
    assert_eq!(failed["error"]["code"], "usage");
}

/// Where there is no daemon: nothing is made, and the exit code tells.
#[test]
fn without_a_daemon_status_and_reload_say_so() {
    let folder = Folder::of(MAILBOXES);
    let text = folder.read("restante.toml");
    folder.write("restante.toml", &format!("state-dir = \"state\"\n{text}"));
    let status = document(&folder, "status --json", 1);
    assert_eq!(status["health"]["state"], "failed", "{status}");
    assert_eq!(document(&folder, "reload --json", 69)["error"]["code"], "unavailable");
    let run = folder.run("status");
    assert!(run.code == 1 && run.out.starts_with("health        failed\n") && run.err.is_empty(), "{run:?}");
    assert!(!folder.path("state").exists());
    folder.write("restante.toml", "state-dir = 7\n");
    for line in ["status", "reload"] {
        let run = folder.run(line);
        assert!(run.code == 78 && run.err.contains("restante.toml:1:13"), "{run:?}");
    }
}

#[test]
fn teams_are_documents_too() {
    let team = "\n[[mailbox]]\nname = \"bot\"\nreceives = false\ndevices = [\"nas\"]\ncollect = [\"sales\"]\n\n\
                [[mailbox]]\nname = \"sales\"\nmembers = [\"alice\", { login = \"bot\", robot = true }]\n";
    let folder = Folder::of(&format!("{MAILBOXES}{team}"));
    let members = json!([{"login": "alice", "robot": false}, {"login": "bot", "robot": true}]);
    let route = document(&folder, "route --json sales@example.test", 0);
    assert_eq!(route["teams"], json!([{"mailbox": "sales", "members": members, "shared": false}]), "{route}");
    let route = document(&folder, "route --json alice@example.test", 0);
    assert_eq!(route["teams"], json!([]), "{route}");
    let list = document(&folder, "mailbox list --json", 0);
    let row = |at: usize| &list["mailboxes"][at];
    assert_eq!(
        (&row(3)["members"], &row(3)["devices"], &row(3)["collect"]),
        (&members, &json!([]), &json!([]))
    );
    assert_eq!((&row(2)["members"], &row(2)["devices"]), (&json!([]), &json!(["nas"])), "{list}");
    assert_eq!(row(2)["collect"], json!(["sales"]));
}
