use std::os::unix::fs::symlink;

use crate::folder::Folder;
use crate::init::opens;

const HAND_MADE: &str = "\
# our people
[[domain]]
name = \"example.test\" # the first
postmaster = \"alice\"

# the boss
[[mailbox]]
name = \"alice\" # since 2019

# --- shared ---
[[mailbox]]
name = \"office\"
";

#[test]
fn a_password_is_set_and_the_file_stays_as_it_was() {
    let folder = Folder::of(HAND_MADE);
    folder.set_mode("mailboxes.toml", 0o640);
    let run = folder.run_with("passwd alice@example.test --stdin", "correct horse battery\nmore\n");
    assert_eq!((run.code, run.out.as_str()), (0, ""), "{run:?}");
    let text = folder.read("mailboxes.toml");
    let hash = text.lines().find_map(|line| line.strip_prefix("password = ")).unwrap();
    assert!(hash.starts_with("\"$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(text.replace(&format!("password = {hash}\n"), ""), HAND_MADE);
    assert_eq!(folder.mode("mailboxes.toml"), 0o640);
    assert!(opens(&folder, "alice", "correct horse battery") && !opens(&folder, "alice", "correct horse"));
    assert_eq!(folder.run("passwd alice --remove").code, 0);
    assert_eq!(folder.read("mailboxes.toml"), HAND_MADE);
}

#[test]
fn passwords_have_names_and_go_one_by_one() {
    let folder = Folder::of(HAND_MADE);
    assert_eq!(folder.run_with("passwd alice --name phone --stdin", "password of phone\r\n").code, 0);
    let made = folder.run("passwd alice --name laptop --generate");
    assert_eq!(made.code, 0, "{made:?}");
    assert!(opens(&folder, "alice", "password of phone") && opens(&folder, "alice", made.out.trim()));
    assert_eq!(
        folder.run("mailbox list").out,
        "mailbox\taddresses\tquota\tpasswords\tmost messages\tage\toctets\tmessages\tmembers\tdevices\tcollects\n\
         alice\talice@example.test\t2 GiB\tphone,laptop\tnone\tnone\t-\t-\t-\t-\t-\n\
         office\toffice@example.test\t2 GiB\t-\tnone\tnone\t-\t-\t-\t-\t-\n"
    );
    assert_eq!(folder.run("passwd alice --name phone --remove").code, 0);
    assert!(!opens(&folder, "alice", "password of phone") && opens(&folder, "alice", made.out.trim()));
    let again = folder.run("passwd alice --name phone --remove");
    assert_eq!(again.code, 66, "{again:?}");
}

#[test]
fn a_password_that_is_not_fit_is_not_set() {
    let folder = Folder::of(HAND_MADE);
    for (line, input, code) in [
        ("passwd alice --stdin", "short\n", 65),
        ("passwd alice --stdin", "", 66),
        ("passwd carol --stdin", "correct horse battery\n", 66),
        ("passwd alice", "correct horse battery\n", 2),
        ("passwd alice --stdin --generate", "", 2),
    ] {
        let run = folder.run_with(line, input);
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert!(!run.err.contains("horse"), "{run:?}");
        assert_eq!(folder.read("mailboxes.toml"), HAND_MADE);
    }
}

#[test]
fn mailboxes_come_and_go() {
    let folder = Folder::of(HAND_MADE);
    let added = folder.run("mailbox add carol --address c.jones --address cj --quota 1.5GiB");
    assert_eq!(added.code, 0, "{added:?}");
    assert!(
        opens(&folder, "c.jones@example.test", added.out.trim()) || opens(&folder, "carol", added.out.trim())
    );
    assert_eq!(
        folder.run("mailbox list").out.lines().last(),
        Some(
            "carol\tcarol@example.test,c.jones@example.test,cj@example.test\t1.5 GiB\tpassword\tnone\tnone\t-\t-\t-\t-\t-"
        )
    );
    assert_eq!(folder.run("route cj@example.test").code, 0);
    assert_eq!(folder.run("mailbox add dave --no-password").code, 0);

    let removed = folder.run("mailbox remove carol@example.test");
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(removed.out.contains("its mail is kept"), "{removed:?}");
    assert_eq!(folder.run("mailbox remove dave").code, 0);
    assert_eq!(folder.run("route cj@example.test").code, 1);
    assert_eq!(folder.read("mailboxes.toml").trim_end(), HAND_MADE.trim_end());
}

#[test]
fn an_edit_that_would_make_a_fault_is_not_made() {
    let folder = Folder::of(HAND_MADE);
    for (line, code, words) in [
        ("mailbox remove alice", 65, "mailboxes.toml:4:14"),
        ("mailbox remove alice --dry-run", 65, "mailboxes.toml:4:14"),
        ("mailbox remove carol", 66, "remove carol --delete-mail` deletes"),
        ("mailbox add office", 73, "already a mailbox `office` ("),
        ("mailbox add Office@example.test", 73, "mailboxes.toml:12:8)"),
        ("mailbox add a/b", 65, "restante: NAME: `a/b` cannot be a mailbox"),
        ("mailbox add carol --address alice", 65, "restante: --address: `alice@example.test` is already"),
        ("mailbox add carol --quota much", 65, "restante: --quota: `quota` is no size (expected a size from"),
        ("mailbox add carol --quota 3 --address alice --no-password", 65, "that would make 2 faults"),
    ] {
        let run = folder.run(line);
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert!(run.err.contains(words), "{line}: {}", run.err);
        // No line that is not there.
        assert!(
            !run.err.contains("mailboxes.toml:1") || run.err.contains("mailboxes.toml:12:8"),
            "{line}: {}",
            run.err
        );
        assert_eq!(folder.read("mailboxes.toml"), HAND_MADE, "{line}");
    }
    folder.set_mode("mailboxes.toml", 0o644);
    let run = folder.run("passwd alice --generate");
    assert_eq!((run.code, run.out.as_str()), (65, ""), "a hash that everybody could read: {run:?}");
    assert_eq!(folder.read("mailboxes.toml"), HAND_MADE);
    folder.write("mailboxes.toml", "[[mailbox]\n");
    let run = folder.run("passwd alice --generate");
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.contains("mailboxes.toml:1:"), "{run:?}");
}

#[test]
fn what_an_addition_makes_wrong_elsewhere_is_said_at_its_place() {
    let text = format!("{HAND_MADE}\n[[alias]]\naddress = \"info\"\nto = [\"alice\"]\n");
    let folder = Folder::of(&text);
    let run = folder.run("mailbox add info --no-password");
    assert!(run.code == 65 && run.err.contains("mailboxes.toml:15:11\n"), "{run:?}");
    assert!(run.err.contains("`info` is already an address of mailbox `info`"), "{run:?}");
    assert_eq!(folder.read("mailboxes.toml"), text);
}

#[test]
fn what_would_be_taken_out_is_told_beforehand() {
    let folder = Folder::of(HAND_MADE);
    let run = folder.run("mailbox remove office --dry-run");
    assert!(run.code == 0 && run.out.starts_with("mailbox `office` would be taken out of "), "{run:?}");
    assert_eq!(folder.read("mailboxes.toml"), HAND_MADE);
}

#[test]
fn a_mailbox_that_is_named_elsewhere_stays_and_the_places_are_said() {
    let text = HAND_MADE.replace("postmaster = \"alice\"", "postmaster = \"alice\"\ncatch-all = \"office\"")
        + "\n[[alias]]\naddress = \"team\"\nto = [\n  \"alice\",\n  \"office\",\n]\n";
    let folder = Folder::of(&text);
    for (name, places) in [
        ("alice", ["mailboxes.toml:4:14", "still the postmaster", "mailboxes.toml:18:3"]),
        ("office", ["mailboxes.toml:5:13", "still the catch-all", "mailboxes.toml:19:3"]),
    ] {
        let run = folder.run(&format!("mailbox remove {name}"));
        assert_eq!(run.code, 65, "{run:?}");
        assert!(places.iter().all(|place| run.err.contains(place)), "{run:?}");
        assert!(run.err.contains("still an alias's target") && !run.err.contains("there is no"), "{run:?}");
        assert!(run.err.contains("nothing was written") && folder.read("mailboxes.toml") == text, "{run:?}");
    }
}

#[test]
fn a_link_stays_a_link() {
    let folder = Folder::of(HAND_MADE);
    std::fs::rename(folder.path("mailboxes.toml"), folder.path("real.toml")).unwrap();
    symlink("real.toml", folder.path("mailboxes.toml")).unwrap();
    assert_eq!(folder.run("passwd alice --generate").code, 0);
    assert!(folder.path("mailboxes.toml").is_symlink());
    assert!(folder.read("real.toml").contains("$argon2id$"));
}

const TEAM: &str = "\
[[domain]]
name = \"example.test\"
postmaster = \"alice\"

[[mailbox]]
name = \"alice\"
devices = [\"phone\"]
collect = [\"sales\"]

[[mailbox]]
name = \"bob\"

[[mailbox]]
name = \"importer\"
receives = false

[[mailbox]]
name = \"sales\"
release = { when = \"never\" }
members = [
  \"alice\",
  { login = \"bob\", mirrors = false },
  { login = \"importer\", robot = true },
]
";

#[test]
fn who_collects_what_is_listed() {
    let folder = Folder::of(TEAM);
    let list = folder.run("mailbox list").out;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    let last = |at: usize| lines[at][8..].to_vec();
    assert_eq!(lines[0][8..], ["members", "devices", "collects"]);
    assert_eq!(last(1), ["-", "phone", "sales"]);
    assert_eq!(last(2), ["-", "-", "-"]);
    assert_eq!(last(4), ["alice,bob,importer (robot)", "-", "-"]);
}

#[test]
fn whoever_collects_or_is_collected_stays_and_the_places_are_said() {
    let folder = Folder::of(TEAM);
    for (name, places) in [
        ("bob", &[("mailboxes.toml:22:3", "`bob` is still a member of a team here")][..]),
        ("importer", &[("mailboxes.toml:23:3", "`importer` is still a member of a team here")]),
        ("sales", &[("mailboxes.toml:8:12", "`sales` is still collected here")]),
        (
            "alice",
            &[
                ("mailboxes.toml:3:14", "`alice` is still the postmaster here"),
                ("mailboxes.toml:21:3", "`alice` is still a member of a team here"),
            ],
        ),
    ] {
        let run = folder.run(&format!("mailbox remove {name}"));
        assert_eq!(run.code, 65, "{name}: {run:?}");
        for (place, words) in places {
            let said = run.err.contains(&format!("{words}\n")) && run.err.contains(&format!("{place}\n"));
            assert!(said, "{place} {words}: {run:?}");
        }
        assert!(
            run.err.contains("nothing was written") && !run.err.contains("there is no"),
            "{name}: {run:?}"
        );
        assert_eq!(folder.read("mailboxes.toml"), TEAM);
    }
    // Out of the team, then out of the file.
    folder.write("mailboxes.toml", &TEAM.replace("  { login = \"bob\", mirrors = false },\n", ""));
    assert_eq!(folder.run("mailbox remove bob").code, 0);
}

#[test]
fn passwords_of_teams_and_members_are_set_and_taken_away() {
    let folder = Folder::of(TEAM);
    for (name, login) in [("bob", "bob/sales"), ("sales", "sales"), ("alice", "alice+phone")] {
        let set = folder.run_with(&format!("passwd {name} --stdin"), "correct horse battery\n");
        assert_eq!(set.code, 0, "{name}: {set:?}");
        assert!(opens(&folder, login, "correct horse battery"), "{login}");
        assert_eq!(folder.run(&format!("passwd {name} --remove")).code, 0, "{name}");
        assert!(!opens(&folder, login, "correct horse battery"), "{login}");
    }
    assert_eq!(folder.read("mailboxes.toml"), TEAM);
}

const FAULTY: &str = "\
[[rule]]
name = \"news\"
when = { recipient = \"alice@*\" }
then = { deliver = [\"news\"] }

[[rule]]
name = \"broken\"
when = { recipient = 7 }
then = { discard = true }
";

/// Also those that an edit cures: what is to come may be named by a rule already.
#[test]
fn faults_of_the_rules_alone_keep_no_mailbox_and_no_password_from_being_set() {
    let folder = Folder::of(HAND_MADE);
    folder.write("rules.toml", FAULTY);
    assert_eq!(folder.run("check").code, 78);
    let told = |run: &crate::folder::Run, words: &str| {
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.err.lines().filter(|line| line.contains("rules.toml")).count(), 1, "{run:?}");
        assert!(run.err.contains(words) && run.err.contains("`restante check`"), "{run:?}");
    };
    told(&folder.run_with("passwd alice --stdin", "correct horse battery\n"), "rules.toml has 2 faults");
    assert!(folder.read("mailboxes.toml").contains("password = \"$argon2id$"));
    told(&folder.run("passwd alice --remove"), "rules.toml has 2 faults");
    told(&folder.run("mailbox add news --no-password"), "rules.toml has 1 fault,");
    folder.write("rules.toml", &FAULTY.replace("7", "\"bob@*\""));
    let sound = folder.run("passwd news --generate");
    assert!(sound.code == 0 && !sound.err.contains("rules.toml"), "{sound:?}");
    // What a rule names stays, and what else is wrong stops it as before.
    let before = folder.read("mailboxes.toml");
    let run = folder.run("mailbox remove news");
    assert!(run.code == 65 && run.err.contains("rules.toml:4:"), "{run:?}");
    folder.write("rules.toml", FAULTY);
    folder.write("restante.toml", "hostname = 7\n");
    for line in ["mailbox add carol", "passwd alice --generate"] {
        let run = folder.run(line);
        assert!(run.code == 78 && run.err.contains("restante.toml:1:"), "{line}: {run:?}");
    }
    assert_eq!(folder.read("mailboxes.toml"), before);
}
