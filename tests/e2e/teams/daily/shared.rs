//! One password for a whole team: what its deletions do to the members.

use super::*;

/// A team with a password of its own, and what DELE by that does.
fn appliance(on_dele: &str) -> Appliance {
    let sales = format!("members = [\"alice\", \"bob\"]\npassword = \"PASSWORD-HASH\"\n{on_dele}\n");
    let appliance = ran(setup(&["alice", "bob"], &sales), &[]);
    send(&appliance, &["sales"], 1..=2);
    wait_listed(&appliance, "sales", 2);
    appliance
}

fn counts(appliance: &Appliance) -> [usize; 3] {
    ["sales", "alice/sales", "bob/sales"].map(|login| listed(appliance, login).len())
}

#[test]
fn a_shared_login_is_done_for_itself_alone() {
    for on_dele in ["", "on-dele = \"done\""] {
        let mut appliance = appliance(on_dele);
        dele(&appliance, "sales", [1]);
        assert_eq!(counts(&appliance), [1, 2, 2]);
        dele(&appliance, "alice/sales", [1, 2]);
        appliance.restart();
        assert_eq!(counts(&appliance), [1, 0, 2], "{on_dele}");
        assert_eq!(messages(&team(&appliance), "trash"), 0);
    }
}

#[test]
fn a_shared_login_can_take_from_all_and_undo_brings_it_back() {
    let mut appliance = appliance("on-dele = \"trash\"");
    if !keeps_trash(&appliance) {
        return;
    }
    let uids = listed(&appliance, "bob/sales");
    let check = verb(&appliance, &["check"]);
    assert!(check.status.success() && format!("{}{}", check.out, check.err).contains("on-dele"), "{check:?}");
    dele(&appliance, "alice/sales", [2]);
    dele(&appliance, "sales", [1]);
    assert_eq!(counts(&appliance), [1, 0, 1], "hers is done for her alone");
    appliance.restart();
    assert_eq!(counts(&appliance), [1, 0, 1]);
    assert_eq!(messages(&team(&appliance), "trash"), 1);
    assert_eq!(listed(&appliance, "sales+trash"), uids[..1]);
    // Who did not delete it herself finds it all the same, with what she did.
    let hers = document(&appliance, &["undo", "--login", "alice/sales", "--last", "1h", "--dry-run"]);
    let was: Vec<_> = hers["undone"].as_array().expect("a list").iter().map(|it| &it["was"]).collect();
    assert_eq!(was, [&uids[0], &uids[1]], "{hers}");
    let undone = document(&appliance, &["undo", "--login", "bob", "--mailbox", "sales", "--last", "1h"]);
    assert_eq!(undone["undone"].as_array().map(Vec::len), Some(1), "{undone}");
    assert_eq!(counts(&appliance), [1, 0, 2], "for whoever asks for it");
    let again = verb(&appliance, &["undo", "--login", "bob/sales", "--id", &uids[0]]);
    assert!(
        again.err.contains("nothing to bring back: 1 message came back for this login before"),
        "{again:?}"
    );
    dele(&appliance, "sales", [1]);
    assert_eq!(counts(&appliance), [0, 0, 1], "what came back for bob is bob's");
    let undone = document(&appliance, &["undo", "--login", "sales", "--last", "1h"]);
    assert_eq!(undone["undone"].as_array().map(Vec::len), Some(2), "{undone}");
    assert_eq!(
        counts(&appliance),
        [2, 1, 2],
        "from whom it was taken has it again, and bob's first one no second time"
    );
}

#[test]
fn a_shared_login_that_keeps_changes_nothing() {
    let mut appliance = appliance("on-dele = \"keep\"");
    dele(&appliance, "sales", [1, 2]);
    assert_eq!(counts(&appliance), [2, 2, 2]);
    let nothing = verb(&appliance, &["undo", "--login", "sales", "--last", "1h"]);
    assert!(nothing.err.contains("stays in sales, by its on-dele = \"keep\""), "{nothing:?}");
    appliance.restart();
    assert_eq!(counts(&appliance), [2, 2, 2]);
    // The members' deletions are theirs as ever.
    dele(&appliance, "alice/sales", [1]);
    assert_eq!(counts(&appliance), [2, 1, 2]);
}
