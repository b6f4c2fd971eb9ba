//! When each rule that refuses does so, as `check` and `explain` tell it.

use serde_json::{Value, json};

use crate::folder::Folder;

const MAILBOXES: &str = "\
[[domain]]
name = \"example.test\"
postmaster = \"office\"

[[mailbox]]
name = \"office\"

[[mailbox]]
name = \"alice\"
";

/// What is known at the connection or at MAIL is told at RCPT, where it is known that the mail is not for a postmaster;
/// what is above and undecided is waited for.
const RULES: &str = "\
[[rule]]
name = \"network\"
when = { ip = \"192.0.2.0/24\" }
then = { refuse = \"550 5.7.1\" }

[[rule]]
name = \"sender\"
when = { sender = \"*@burned.example\" }
then = { refuse = \"550 5.7.1\" }

[[rule]]
name = \"recipient\"
when = { recipient = \"alice+old@*\" }
then = { refuse = \"550 5.7.1\" }

[[rule]]
name = \"either\"
when = { any = [{ sender = \"*@odd.example\" }, { subject = \"*odd*\" }] }
then = { refuse = \"554 5.7.1\" }

[[rule]]
name = \"programs\"
when = { attachment = \"*.exe\" }
then = { refuse = \"554 5.7.1\" }

[[rule]]
name = \"friends\"
when = { recipient = \"alice@*\", body = \"*password*\" }
then = { tag = \"[friend]\" }

[[rule]]
name = \"late\"
when = { helo = \"late.example\" }
then = { refuse = \"550 5.7.1\" }

[[rule]]
name = \"in shadow\"
mode = \"shadow\"
when = { ip = \"198.51.100.0/24\" }
then = { refuse = \"550 5.7.1\" }
";

const PHASES: [(&str, &str); 6] = [
    ("network", "refuses at RCPT"),
    ("sender", "refuses at RCPT"),
    ("recipient", "refuses at RCPT"),
    ("either", "refuses at RCPT, or else at the end of the data"),
    ("programs", "refuses at the end of the data"),
    ("late", "refuses at the end of the data (it waits for rule `either` above it)"),
];

/// The same for programs.
fn documents() -> Value {
    let one = |rule: &str, earliest: &str, latest: &str, behind: Option<&str>| json!({ "rule": rule, "earliest": earliest, "latest": latest, "behind": behind });
    json!([
        one("network", "rcpt", "rcpt", None),
        one("sender", "rcpt", "rcpt", None),
        one("recipient", "rcpt", "rcpt", None),
        one("either", "rcpt", "data", None),
        one("programs", "data", "data", None),
        one("late", "data", "data", Some("either")),
    ])
}

fn folder() -> Folder {
    let folder = Folder::of(MAILBOXES);
    folder.write("rules.toml", RULES);
    folder.write("mail.eml", "From: a@b.example\nSubject: hello\n\nwords\n");
    folder
}

#[test]
fn check_says_at_which_phase_each_rule_refuses() {
    let folder = folder();
    let run = folder.run("check");
    assert_eq!(run.code, 0, "{run:?}");
    let told: Vec<&str> = run.out.lines().filter(|line| line.starts_with("rule ")).collect();
    assert_eq!(told, PHASES.map(|(rule, when)| format!("rule `{rule}` {when}")));
    let run = folder.run("check --json");
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["refusals"], documents());
    // Rules that refuse nothing have no phase to speak of.
    folder.write("rules.toml", "[[rule]]\nname = \"a\"\nthen = { tag = \"x\" }\n");
    let run = folder.run("check");
    assert!(run.code == 0 && !run.out.contains("refuses"), "{run:?}");
}

#[test]
fn explain_says_it_beside_each_rule_that_it_tries() {
    let folder = folder();
    let mail = folder.path("mail.eml").display().to_string();
    let run = folder.run(&format!("explain {mail} --to alice@example.test --from x@b.example"));
    assert_eq!(run.code, 0, "{run:?}");
    let told: Vec<&str> = run.out.lines().filter(|line| line.contains("refuses")).collect();
    // It does nothing, so it has no phase.
    assert!(run.out.contains("  rule `in shadow`, in shadow: no\n"), "{run:?}");
    assert!(run.out.contains("  rule `friends`: no\n"), "{run:?}");
    assert_eq!(told, PHASES.map(|(rule, when)| format!("  rule `{rule}`, {when}: no")), "{run:?}");
    let run = folder.run(&format!("explain --json {mail} --to alice@example.test --from x@b.example"));
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["refusals"], documents());
}

/// What they say is what happens: at RCPT, or not before the end.
#[test]
fn a_mail_is_refused_where_it_is_said() {
    let folder = folder();
    folder.write("odd.eml", "From: a@b.example\nSubject: very odd\n\nwords\n");
    let explain = |mail: &str, options: &str| {
        let mail = folder.path(mail).display().to_string();
        let run = folder.run(&format!("explain {mail} --to alice@example.test {options}"));
        (run.code, run.out.contains("refused at RCPT: 55"), run.out.contains("the sender is told: 55"))
    };
    assert_eq!(explain("mail.eml", "--from x@burned.example"), (1, true, true));
    assert_eq!(explain("mail.eml", "--from x@odd.example"), (1, true, true));
    assert_eq!(explain("odd.eml", "--from x@b.example"), (1, false, true));
    assert_eq!(explain("mail.eml", "--from x@b.example --helo late.example"), (1, false, true));
    assert_eq!(explain("mail.eml", "--from x@b.example"), (0, false, false));
}
