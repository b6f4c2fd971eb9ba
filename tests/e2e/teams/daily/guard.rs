//! A login that kept mail and deletes very much of it at once.

use super::*;

#[test]
fn who_deletes_very_much_at_once_is_told_of_and_can_have_it_back() {
    let mut setup = setup(
        &["alice", "bob"],
        "members = [{ login = \"alice\", mirrors = false }, { login = \"bob\", mirrors = false }]\n\
         trash = \"1 s\"\nrelease = { when = \"all-fetched\", hold = \"1 s\" }",
    );
    setup.tables = "[guard]\nmessages = 6\nkept = \"0 s\"\n".into();
    let mut appliance = ran(setup, &[]);
    if !keeps_trash(&appliance) {
        return;
    }
    send(&appliance, &["sales"], 1..=8);
    let uids = wait_listed(&appliance, "bob/sales", 8);
    fetch(&appliance, "alice/sales");
    // What people do every day is not told of, and is gone when its time is over.
    dele(&appliance, "bob/sales", [1, 2]);
    // Sessions that end in one millisecond are one.
    thread::sleep(Duration::from_millis(50));
    dele(&appliance, "bob/sales", 1..=6);
    let line = appliance.logged(&["WARN", "very much old mail was deleted at once", "mailbox=sales"]);
    assert!(line.contains("messages=6") && line.contains("bob"), "{line}");
    let found = until("status tells", || Some(reasons(&appliance)).filter(|found| !found.is_empty()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("sales: bob deleted very much old mail in one session at "), "{found:?}");
    let status = verb(&appliance, &["status"]);
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    let undo = "`restante undo --login bob --mailbox sales --since ";
    assert!(status.out.contains(&found[0]) && status.out.contains(undo), "{}", status.out);
    until("the two have gone", || {
        let team = team(&appliance);
        (messages(&team, "holds") == 0 && messages(&team, "trash") == 6).then_some(())
    });
    // Three times as long as the others stayed there.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(messages(&team(&appliance), "trash"), 6);
    assert!(appliance.stop().success());
    earlier(&appliance, "unsaid", 2 * MINUTE);
    appliance.restart();
    // As soon as it has looked.
    until("a start forgets nothing of it", || (reasons(&appliance) == found).then_some(()));
    wait_listed(&appliance, "postmaster", 1);
    let report = reports(&appliance).remove(0);
    assert!(report.contains("sales: bob deleted 6 messages in one session at "), "{report}");
    // What both suggest is pasted as it is: by then the deletion is further back than when they were written.
    let suggested = |text: &str| {
        let (_, behind) = text.split_once("`restante ").expect("a command");
        behind.split_once('`').expect("its end").0.to_owned()
    };
    let (shown, command) = (suggested(&status.out), suggested(&report));
    assert_eq!(shown, command);
    let undone = pasted(&appliance, &command);
    let was: Vec<_> = undone["undone"].as_array().expect("a list").iter().map(|it| &it["was"]).collect();
    assert_eq!(was, uids[2..].iter().collect::<Vec<_>>(), "{undone}");
    let back = listed(&appliance, "bob/sales");
    assert!(back.len() == 6 && back.iter().all(|uid| !uids.contains(uid)), "{back:?}");
    assert!(listed(&appliance, "alice/sales").is_empty(), "it comes back for him alone");
    let mails = fetch(&appliance, "bob/sales");
    assert!(mails.iter().zip(3..).all(|(mail, number)| mail.contains(&format!("\r\nbody {number}\r\n"))));
}

/// What comes of a command that is given to a shell as it stands.
fn pasted(appliance: &Appliance, command: &str) -> Value {
    let (program, folder) = (appliance.verb(&[]), appliance.config_dir());
    let line = format!("{} {command} --json --config {}", program.get_program().display(), folder.display());
    let ended = run(std::process::Command::new("sh").args(["-c", &line]), PATIENCE);
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{line}: {error}: {ended:?}"))
}
