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
    let undone = document(&appliance, &["undo", "--login", "sales", "--id", &uids[0]]);
    assert_eq!(undone["undone"].as_array().map(Vec::len), Some(1), "{undone}");
    assert_eq!(counts(&appliance), [2, 0, 1], "for whoever deleted it");
    let undone = document(&appliance, &["undo", "--login", "bob", "--mailbox", "sales", "--id", &uids[0]]);
    assert_eq!(undone["undone"].as_array().map(Vec::len), Some(1), "{undone}");
    assert_eq!(counts(&appliance), [2, 0, 2], "and for whoever asks for it");
}

#[test]
fn a_shared_login_that_keeps_changes_nothing() {
    let mut appliance = appliance("on-dele = \"keep\"");
    dele(&appliance, "sales", [1, 2]);
    assert_eq!(counts(&appliance), [2, 2, 2]);
    appliance.restart();
    assert_eq!(counts(&appliance), [2, 2, 2]);
    // The members' deletions are theirs as ever.
    dele(&appliance, "alice/sales", [1]);
    assert_eq!(counts(&appliance), [2, 1, 2]);
}
