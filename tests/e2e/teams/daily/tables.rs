//! `restante team` and `restante who`, while a team is at work.

use super::*;

#[test]
fn team_says_who_has_what_and_what_holds_it_back() {
    let sales = "members = [{ login = \"alice\", mirrors = false }, { login = \"bob\", mirrors = false },\n\
                 { login = \"desk\", robot = true }]\ntrash = \"1 day\"\n\
                 release = { when = \"all-fetched\", hold = \"14 days\", max-age = \"1 year\" }";
    let mut appliance = ran(setup(&["alice", "bob", "desk"], sales), &[]);
    send(&appliance, &["sales"], 1..=4);
    wait_listed(&appliance, "alice/sales", 4);
    fetch(&appliance, "alice/sales");
    dele(&appliance, "alice/sales", [1]);
    dele(&appliance, "bob/sales", [1, 2]);
    dele(&appliance, "desk/sales", 1..=4);
    // Two are everybody's; the others wait for bob.
    until("two are released", || (messages(&team(&appliance), "released") == 2).then_some(()));
    for running in [true, false] {
        let team = team(&appliance);
        let sums = ["holds", "held_back", "released", "unread", "trash"].map(|sum| messages(&team, sum));
        assert_eq!(sums, [4, 2, 2, 0, 0], "{team}");
        assert_eq!(team["release"]["hold_seconds"], 14 * 86_400, "{team}");
        assert_eq!(
            (team["goes"][0]["messages"].as_u64(), &team["goes"][1]),
            (Some(2), &Value::Null),
            "{team}"
        );
        let of = |view: &str| {
            let seat = seat(&appliance, view);
            assert!(seat["joined_ms"].as_u64().is_some_and(|ms| ms <= now()), "{seat}");
            assert!(!seat["last_pickup_ms"].is_null(), "{seat}");
            let sums = ["waiting", "fetched", "holds_back"].map(|sum| messages(&seat, sum));
            (sums, seat["done"].as_u64().expect("a number"), seat["robot"] == true)
        };
        assert_eq!(of("alice"), ([0, 3, 0], 1, false));
        assert_eq!(of("bob"), ([2, 0, 2], 2, false));
        assert_eq!(of("desk"), ([0, 0, 0], 4, true));
        let text = verb(&appliance, &["team", "sales"]).out;
        let parts = [
            "release       when all have fetched it, then held for 14 days; at the latest at an age of 1 year",
            "still wanted  by bob: 2 messages, ",
            "let go        2 messages, ",
            "2 messages on 20",
            "  has         0 messages, 0 B waiting, 3 fetched, 1 done",
            "desk          robot\n",
        ];
        for part in parts {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        let line = verb(&appliance, &["team"]).out;
        assert!(line.starts_with("sales ") && line.lines().count() == 1, "{line}");
        assert!(line.contains("3 members, 4 messages, ") && line.contains("most by bob; 2 let go"), "{line}");
        if running {
            assert!(appliance.stop().success());
        }
    }
    let nobody = verb(&appliance, &["team", "alice"]);
    assert!(nobody.status.code() == Some(66) && nobody.out.is_empty(), "{nobody:?}");
    assert!(
        nobody.err.contains("neither members nor devices") && nobody.err.contains("`restante trace alice`")
    );
}

#[test]
fn a_mailbox_with_devices_shows_what_each_of_them_has() {
    let mut setup = setup(&["alice", "bob"], "members = [\"bob\"]");
    setup.mailboxes =
        setup.mailboxes.replace("name = \"alice\"\n", "name = \"alice\"\ndevices = [\"phone\"]\n");
    let mut appliance = ran(setup, &[]);
    send(&appliance, &["alice"], 1..=3);
    wait_listed(&appliance, "alice+phone", 3);
    dele(&appliance, "alice", [1, 2]);
    dele(&appliance, "alice+phone", [1]);
    for running in [true, false] {
        let found = document(&appliance, &["team", "alice"])["teams"][0].take();
        assert!(found["devices"] == true && found["mailbox"] == "alice", "{found}");
        assert_eq!(["holds", "held_back", "released"].map(|sum| messages(&found, sum)), [2, 2, 0], "{found}");
        let text = verb(&appliance, &["team", "alice"]).out;
        let parts = [
            "mailbox       alice\n",
            "release       when all are done with it\n",
            "still wanted  by (its own login): 1 message, ",
            "              by phone: 2 messages, ",
            "trash         1 message, ",
            "  last pickup 0 s ago",
            "  has         2 messages, ",
        ];
        for part in parts.iter().filter(|part| running || !part.contains("ago")) {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        if running {
            assert!(appliance.stop().success());
        }
    }
}

/// Whoever reads the log must tell mail whose hold begins from mail that is not there any more.
#[test]
fn what_is_let_go_and_what_goes_for_good_have_a_word_each_in_the_log() {
    let sales = "members = [{ login = \"alice\", mirrors = false }]\ntrash = \"none\"\n\
                 release = { when = \"all-fetched\", hold = \"1 s\" }";
    let appliance = ran(setup(&["alice"], sales), &[]);
    send(&appliance, &["sales"], 1..=1);
    wait_listed(&appliance, "alice/sales", 1);
    fetch(&appliance, "alice/sales");
    let lines = [
        ("released", "everyone has fetched it"),
        ("removed", "goes for good: everyone had it, held for 1 s"),
    ];
    for (word, part) in lines {
        appliance.logged(&["mailbox=sales messages=1", &format!("status=\"{word}\""), part]);
    }
    assert!(!appliance.log().contains("+released"), "nobody has named that view");
}

#[test]
fn who_says_which_views_are_open_and_what_was_done_there() {
    let mut setup = setup(&["alice", "bob"], "members = [\"alice\", \"bob\"]");
    let bob = "name = \"bob\"\n";
    setup.mailboxes = setup.mailboxes.replace(bob, &format!("{bob}collect = [\"sales\"]\n"));
    let appliance = ran(setup, &[]);
    send(&appliance, &["sales", "bob"], 1..=3);
    send(&appliance, &["bob"], 4..=4);
    wait_listed(&appliance, "alice/sales", 3);
    wait_listed(&appliance, "bob", 4);
    let mut alice = pop3(appliance.pop3, "alice/sales");
    let mut bob = pop3(appliance.pop3, "bob@example.test");
    let octets = alice.retrieve(2).len();
    assert!(alice.command("NOOP").starts_with("+OK"));
    assert!(bob.command("DELE 1").starts_with("+OK"));
    // A session is there until the store knows what it fetched.
    let found = until("the others have gone", || {
        let found = document(&appliance, &["who"]);
        (found["sessions"].as_array().map(Vec::len) == Some(2)).then_some(found)
    });
    let sessions = found["sessions"].as_array().expect("a list");
    let row = |session: &Value| {
        let views = session["views"].as_array().expect("a list").iter();
        let views: Vec<_> = views.map(|view| view.as_str().expect("a name").to_owned()).collect();
        let number = |name: &str| session[name].as_u64().expect("a number");
        let numbers = ["messages", "fetched", "fetched_octets", "marked"].map(number);
        assert!(number("since_ms") <= now() && session["ip"] == "127.0.0.1", "{session}");
        (session["login"].as_str().expect("a name").to_owned(), views.join(" "), numbers)
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let expected = [
        ("alice/sales".to_owned(), "sales/alice".to_owned(), [3, 1, octets as u64, 0]),
        ("bob@example.test".to_owned(), "bob sales/bob".to_owned(), [4, 0, 0, 1]),
    ];
    assert_eq!(rows, expected);
    let text = verb(&appliance, &["who"]).out;
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[1][..3], ["alice/sales", "sales/alice", "127.0.0.1"], "{text}");
    assert_eq!(lines[2][..4], ["bob@example.test", "bob,", "sales/bob", "127.0.0.1"], "{text}");
    assert!(text.contains("0/3") && text.contains("1/4"), "{text}");
    alice.quit();
    let sessions = || document(&appliance, &["who"])["sessions"].as_array().map(Vec::len);
    until("alice has gone", || (sessions() == Some(1)).then_some(()));
    drop(bob);
    until("nobody is there", || (verb(&appliance, &["who"]).status.code() == Some(1)).then_some(()));
    assert_eq!(listed(&appliance, "bob").len(), 4, "without QUIT nothing is deleted");
}
