//! A member who stays away for weeks. The shortest absence that a team may ignore is of fourteen days, so the first run
//! is under a clock of three weeks ago.

use restante_tests::found;

use super::*;

/// Runs the binary by a clock that is behind; the time that has passed is measured as ever.
fn behind(days: u64) -> Vec<String> {
    let days = format!("FAKETIME=-{days}d");
    let library = "LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1";
    ["env", library, &days, "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"].map(str::to_owned).to_vec()
}

#[test]
fn an_absent_member_is_told_of_a_week_before_mail_goes_without_him() {
    let members =
        "members = [{ login = \"alice\", mirrors = false }, { login = \"bob\", mirrors = false }]\n";
    let release = "release = { when = \"all-fetched\", hold = \"1 s\", ignore-absent = \"14 days\" }";
    let mut setup = setup(&["alice", "bob"], &format!("{members}{release}"));
    if found("faketime").is_none() {
        return;
    }
    setup.wrapper = behind(21);
    let mut appliance = Appliance::with(setup);
    send(&appliance, &["sales"], 1..=1);
    wait_listed(&appliance, "alice/sales", 1);
    assert!(appliance.stop().success());

    appliance.configure(|setup| setup.wrapper.clear());
    believe(&appliance);
    appliance.restart();
    appliance.logged(&["WARN", "the claim will lapse", "mailbox=sales", "view=\"bob\"", "21 days"]);
    let uids = listed(&appliance, "alice/sales");
    fetch(&appliance, "alice/sales");
    let bob = seat(&appliance, "bob");
    let (lapses, week) = (bob["lapses_ms"].as_u64().expect("an instant"), now() + 7 * DAY);
    assert!(lapses <= week && lapses > week - 2 * MINUTE, "{bob}");
    assert_eq!((messages(&bob, "holds_back"), bob["is_absent"].as_bool()), (1, Some(false)), "{bob}");
    until("alice is here", || seat(&appliance, "alice")["lapses_ms"].is_null().then_some(()));
    // It is noted after QUIT has its answer.
    until("alice has it", || (messages(&seat(&appliance, "alice"), "fetched") == 1).then_some(()));
    let shown = verb(&appliance, &["team", "sales"]).out;
    assert!(shown.contains("without who was away for 14 days") && shown.contains("  lapses "), "{shown}");
    assert!(appliance.stop().success());

    // A day before a week is over nothing has gone, and after it all of it.
    earlier(&appliance, "lapsing", 6 * DAY);
    earlier(&appliance, "unsaid", 6 * DAY);
    appliance.restart();
    wait_listed(&appliance, "postmaster", 1);
    let report = reports(&appliance).remove(0);
    assert!(report.contains("sales: bob has collected nothing for 21 days. From 20"), "{report}");
    thread::sleep(Duration::from_secs(2));
    assert_eq!((messages(&team(&appliance), "holds"), messages(&team(&appliance), "released")), (1, 0));
    assert!(appliance.stop().success());
    earlier(&appliance, "lapsing", DAY);
    appliance.restart();
    until("it goes", || (messages(&team(&appliance), "holds") == 0).then_some(()));
    assert_eq!(seat(&appliance, "bob")["is_absent"], true);
    let shown = verb(&appliance, &["team", "sales"]).out;
    assert!(shown.contains("absent: its claim has lapsed"), "{shown}");
    traced(&appliance, &uids[0], "in sales, released: everyone has fetched it");

    // Back, he counts as before.
    assert!(listed(&appliance, "bob/sales").is_empty());
    until("bob is back", || (seat(&appliance, "bob")["is_absent"] == false).then_some(()));
    send(&appliance, &["sales"], 2..=2);
    wait_listed(&appliance, "alice/sales", 1);
    fetch(&appliance, "alice/sales");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(listed(&appliance, "bob/sales").len(), 1, "it waits for him");
    assert_eq!(messages(&team(&appliance), "released"), 0);
    assert_eq!(listed(&appliance, "postmaster").len(), 1);
}
