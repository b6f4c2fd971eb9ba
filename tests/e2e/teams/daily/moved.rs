//! A team in a backup: views, trash and releases are in it.

use super::*;

/// What hangs on the views: who lists what, and what is counted of whom.
fn standing(appliance: &Appliance) -> (Vec<Vec<String>>, [[u64; 3]; 3], [u64; 3]) {
    let logins = ["alice", "alice/sales", "bob/sales", "desk/sales", "alice+trash"];
    let lists = logins.map(|login| listed(appliance, login)).to_vec();
    let counts = ["alice", "bob", "desk"].map(|view| {
        let seat = seat(appliance, view);
        [messages(&seat, "waiting"), messages(&seat, "fetched"), seat["done"].as_u64().expect("a number")]
    });
    let team = team(appliance);
    (lists, counts, ["holds", "released", "trash"].map(|sum| messages(&team, sum)))
}

#[test]
fn a_backup_keeps_views_trash_and_what_is_released() {
    let sales = "members = [{ login = \"alice\", mirrors = false }, { login = \"bob\", mirrors = false },\n\
                 { login = \"desk\", robot = true }]\ntrash = \"1 day\"\n\
                 release = { when = \"all-fetched\", hold = \"1 day\" }";
    let setup = setup(&["alice", "bob", "desk"], sales);
    let first = ran(setup.clone(), &[]);
    if !keeps_trash(&first) {
        return;
    }
    send(&first, &["sales"], 1..=4);
    send(&first, &["alice"], 5..=6);
    wait_listed(&first, "alice/sales", 4);
    let own = wait_listed(&first, "alice", 2);
    dele(&first, "alice/sales", [1, 4]);
    dele(&first, "desk/sales", [1, 2]);
    let mut bob = pop3(first.pop3, "bob/sales");
    bob.retrieve(1);
    bob.quit();
    dele(&first, "alice", [1]);
    until("the first is released", || (messages(&team(&first), "released") == 1).then_some(()));
    let before = standing(&first);
    assert_eq!(before.2, [4, 1, 0]);
    assert_eq!(before.0.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 4, 2, 1]);

    let elsewhere = tempfile::tempdir().expect("a folder");
    let backup = elsewhere.path().join("backup");
    let path = backup.to_str().expect("text");
    let made = verb(&first, &["backup", path]);
    assert!(made.status.success(), "{made:?}");
    // What comes after it is not in it.
    dele(&first, "bob/sales", [2, 3, 4]);
    drop(first);

    let mut second = Appliance::prepare(setup);
    let restored = verb(&second, &["restore", path]);
    assert!(restored.status.success(), "{restored:?}");
    second.restart();
    assert_eq!(standing(&second), before);
    let undone = document(&second, &["undo", "--login", "alice", "--last", "1h"]);
    assert_eq!(undone["undone"][0]["was"].as_str(), Some(own[0].as_str()), "{undone}");
    let undone = document(&second, &["undo", "--login", "alice", "--mailbox", "sales", "--last", "1h"]);
    assert_eq!(undone["undone"].as_array().map(Vec::len), Some(2), "{undone}");
    assert_eq!((listed(&second, "alice").len(), listed(&second, "alice/sales").len()), (2, 4));
    assert_eq!(listed(&second, "bob/sales"), before.0[2], "nobody else sees what came back");
    // And it goes on: what is new is everybody's, under a unique id that nobody has seen.
    send(&second, &["sales"], 7..=7);
    let new = wait_listed(&second, "bob/sales", 5).remove(4);
    assert!(before.0.iter().all(|uids| !uids.contains(&new)));
    assert_eq!(wait_listed(&second, "desk/sales", 3)[2], new);
}
