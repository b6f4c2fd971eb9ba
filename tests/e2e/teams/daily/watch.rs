//! Mailboxes that nobody collects any more, and what postmaster hears of them.

use super::*;

/// Who was here every minute until this long ago, as an earlier run has noted it.
fn pickups(ago: Ms) -> String {
    let (last, first) = (now() - ago, now() - ago - 2 * HOUR);
    let row = |who: &str| format!("{who} {last} {first} 60000 fetchmail\n");
    ["alice -", "bob -", "sales desk", "sales alice"].map(row).concat()
}

#[test]
fn who_stays_away_shows_in_status_and_log_and_in_one_mail_until_he_is_back() {
    let mut setup = setup(
        &["alice", "bob", "desk"],
        "members = [\"alice\", { login = \"desk\", robot = true }]\ntrash = \"2 s\"\n\
         release = { when = \"all-done\" }",
    );
    setup.tables = "[watchdog]\nmailbox = \"2 hours\"\nrobot = \"1 h\"\nignore = [\"postmaster\"]\n".into();
    let mut appliance = ran(setup, &[("pickups", pickups(3 * HOUR))]);
    let desk = "the poller of desk stopped: it has not collected sales for 3 h";
    let bob = "bob@example.test was not collected by anyone for 3 h";
    appliance.logged(&["WARN", desk, "mailbox=sales"]);
    assert_eq!(reasons(&appliance), [desk], "nobody else has anything to collect");
    send(&appliance, &["bob"], 1..=1);
    appliance.logged(&["WARN", bob, "mailbox=bob"]);
    let found = until("status tells", || Some(reasons(&appliance)).filter(|found| found.len() == 2));
    assert_eq!(found, [bob, desk]);
    let status = verb(&appliance, &["status"]);
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    for part in [bob, desk, "see that whoever collects it still does"] {
        assert!(status.out.contains(part), "{part} in {}", status.out);
    }
    // It waits a minute for others that may follow.
    assert!(listed(&appliance, "postmaster").is_empty());
    assert!(appliance.stop().success());
    earlier(&appliance, "unsaid", 2 * MINUTE);
    appliance.restart();
    appliance.logged(&["postmaster is told what there is to say", "things=2"]);
    wait_listed(&appliance, "postmaster", 1);
    let report = reports(&appliance).remove(0);
    assert!(report.starts_with("Return-Path: <> Delivered-To: postmaster@example.test "), "{report}");
    for part in [bob, desk, "Subject: mx.example.test: 2 things to know", "Auto-Submitted: auto-generated"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    assert_eq!(reasons(&appliance), [bob, desk], "and status says so for as long as it is so");
    // Whoever is back is told of no more, and what is new waits for the next day.
    fetch(&appliance, "bob");
    listed(&appliance, "desk/sales");
    until("all is well", || reasons(&appliance).is_empty().then_some(()));
    appliance.logged(&["it is collected again", "mailbox=bob"]);
    assert!(appliance.stop().success());
    let memo = appliance.state_dir().join(MEMO);
    let noted = fs::read_to_string(&memo).expect("noted");
    assert!(!noted.contains("unsaid") && !noted.contains("silent"), "{noted}");
    fs::write(&memo, format!("{noted}unsaid {} something else.\n", now() - 2 * MINUTE)).expect("written");
    appliance.restart();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(listed(&appliance, "postmaster").len(), 1, "once a day");
    assert!(appliance.stop().success());
    earlier(&appliance, "reported", DAY);
    appliance.restart();
    wait_listed(&appliance, "postmaster", 2);
    let next = reports(&appliance).remove(1);
    assert!(next.contains("one thing to know") && next.contains("something else."), "{next}");
}
