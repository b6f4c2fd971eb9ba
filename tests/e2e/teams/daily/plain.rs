//! A mailbox that is a team's, then nobody's but its own, then a team's again.

use super::*;

const TEAM: &str = "members = [{ login = \"alice\", mirrors = false }, { login = \"bob\", mirrors = false }]\n\
                    trash = \"1 day\"\nrelease = { when = \"all-fetched\", hold = \"1 h\" }";
const PLAIN: &str = "password = \"PASSWORD-HASH\"\ntrash = \"1 day\"";

fn as_team() -> String {
    setup(&["alice", "bob"], TEAM).mailboxes
}

fn as_plain() -> String {
    setup(&["alice", "bob"], PLAIN).mailboxes
}

/// Five messages of which alice has deleted the first and bob has fetched all.
fn appliance() -> (Appliance, Vec<String>) {
    let appliance = ran(setup(&["alice", "bob"], TEAM), &[]);
    send(&appliance, &["sales"], 1..=5);
    let uids = wait_listed(&appliance, "alice/sales", 5);
    dele(&appliance, "alice/sales", [1]);
    fetch(&appliance, "bob/sales");
    until("the first is released", || (messages(&team(&appliance), "released") == 1).then_some(()));
    (appliance, uids)
}

/// Its own view joins a moment after the reload.
fn wait_owner(appliance: &Appliance) {
    appliance.logged(&["a view has joined", "mailbox=sales", "view=\"\""]);
}

#[test]
fn a_team_that_becomes_plain_and_a_team_again_loses_nothing() {
    let (mut appliance, uids) = appliance();
    reload(&mut appliance, |setup| setup.mailboxes = as_plain());
    wait_owner(&appliance);
    assert_eq!(listed(&appliance, "sales"), uids, "whoever has its password sees all that there is");
    assert!(answer(&appliance, "alice/sales").starts_with("-ERR [AUTH]"));
    appliance.restart();
    assert_eq!(listed(&appliance, "sales"), uids);
    send(&appliance, &["sales"], 6..=6);
    let six = wait_listed(&appliance, "sales", 6);
    // What its own login deletes it sees no more.
    dele(&appliance, "sales", [2]);
    let five: Vec<String> = six.iter().filter(|uid| **uid != six[1]).cloned().collect();
    assert_eq!(listed(&appliance, "sales"), five);
    appliance.restart();
    assert_eq!(listed(&appliance, "sales"), five);

    reload(&mut appliance, |setup| setup.mailboxes = as_team());
    wait_login(&appliance, "alice/sales");
    assert!(answer(&appliance, "sales").starts_with("-ERR [AUTH]"));
    for _ in 0..2 {
        // What the mailbox's own login was done with meanwhile is theirs as ever.
        assert_eq!(listed(&appliance, "alice/sales"), six[1..], "and what she deleted stays deleted");
        assert_eq!(listed(&appliance, "bob/sales"), six);
        appliance.restart();
    }
    let bob = seat(&appliance, "bob");
    assert_eq!((messages(&bob, "fetched"), messages(&bob, "waiting")), (5, 1), "{bob}");
    until("it is held again", || (messages(&team(&appliance), "released") == 1).then_some(()));
}

#[test]
fn a_team_that_is_plain_for_long_enough_is_forgotten_and_its_mail_is_not() {
    let (mut appliance, uids) = appliance();
    if !keeps_trash(&appliance) {
        return;
    }
    reload(&mut appliance, |setup| setup.mailboxes = as_plain());
    wait_owner(&appliance);
    dele(&appliance, "sales", [2]);
    appliance.logged(&["a view is not declared any more: it is kept for a while", "view=\"bob\"", "30 days"]);
    let memo = appliance.state_dir().join(MEMO);
    until("it is noted", || {
        fs::read_to_string(&memo).unwrap_or_default().contains("left sales bob").then_some(())
    });
    assert!(appliance.stop().success());
    earlier(&appliance, "left", 30 * DAY);
    appliance.restart();
    appliance.logged(&["a view has left: what only it wanted is free", "view=\"bob\""]);
    appliance.logged(&["nobody shares this mailbox any more", "mailbox=sales"]);
    // A plain mailbox like any other: what is deleted from now on goes into its trash, for good after its time.
    until("what it had deleted is in the trash", || {
        (listed(&appliance, "sales+trash") == uids[1..2]).then_some(())
    });
    let left: Vec<String> = uids.iter().filter(|uid| **uid != uids[1]).cloned().collect();
    assert_eq!(listed(&appliance, "sales"), left);
    dele(&appliance, "sales", [1]);
    assert_eq!(listed(&appliance, "sales"), left[1..]);
    assert!(listed(&appliance, "sales+trash").contains(&uids[0]));
    appliance.restart();
    assert_eq!(listed(&appliance, "sales"), left[1..]);
    reload(&mut appliance, |setup| setup.mailboxes = as_team());
    wait_login(&appliance, "alice/sales");
    for login in ["alice/sales", "bob/sales"] {
        assert_eq!(listed(&appliance, login), left[1..], "they begin anew");
    }
}
