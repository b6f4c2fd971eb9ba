//! A disk that runs low.

use super::*;

#[test]
fn the_trash_goes_first_when_the_disk_runs_low() {
    let sales = "members = [\"alice\", \"bob\"]\ntrash = \"1 day\"\nrelease = { when = \"all-done\" }";
    let mut appliance = ran(setup(&["alice", "bob"], sales), &[]);
    if !keeps_trash(&appliance) {
        return;
    }
    send(&appliance, &["alice", "sales"], 1..=3);
    let uids = wait_listed(&appliance, "alice", 3);
    wait_listed(&appliance, "alice/sales", 3);
    dele(&appliance, "alice", [1, 2]);
    dele(&appliance, "alice/sales", [1]);
    assert_eq!(listed(&appliance, "alice+trash"), uids[..2]);
    assert!(appliance.stop().success());
    // More than this disk has.
    appliance.configure(|setup| setup.tables = "[limits]\nmin-free-disk = \"1024 GiB\"\n".into());
    appliance.restart();
    let free = document(&appliance, &["status"])["disk"]["free"].as_u64().expect("a number");
    if free > 1 << 40 {
        return skipped("more than 1 TiB is free here");
    }
    appliance.logged(&["WARN", "the disk runs low: the oldest of the trash went", "messages=2"]);
    until("the trash is empty", || listed(&appliance, "alice+trash").is_empty().then_some(()));
    assert_eq!(listed(&appliance, "alice"), uids[2..], "nothing else goes");
    assert_eq!((listed(&appliance, "alice/sales").len(), listed(&appliance, "bob/sales").len()), (2, 3));
    traced(&appliance, &uids[0], "removed from alice: in the trash when the disk ran low");
    let went = "the disk runs low: 2 messages of the trash went before their time";
    until("status tells", || reasons(&appliance).iter().any(|text| text == went).then_some(()));
    // What is not in the trash any more cannot come back, and what others still have can.
    let undone = verb(&appliance, &["undo", "--login", "alice", "--last", "1h"]);
    assert_eq!(undone.status.code(), Some(1), "{undone:?}");
}
