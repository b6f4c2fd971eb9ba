//! A helpdesk's importer beside people.

use super::*;

fn appliance() -> Appliance {
    let sales = "members = [\"alice\", { login = \"desk\", robot = true }]\n\
                 release = { when = \"all-fetched\", hold = \"1 s\" }";
    let appliance = ran(setup(&["alice", "desk"], sales), &[]);
    send(&appliance, &["sales"], 1..=3);
    wait_listed(&appliance, "alice/sales", 3);
    appliance
}

#[test]
fn a_robot_has_its_view_to_itself_and_is_done_at_quit() {
    let mut appliance = appliance();
    let uids = listed(&appliance, "desk/sales");
    let mut first = pop3(appliance.pop3, "desk/sales");
    let answer_to_second = answer(&appliance, "desk/sales");
    assert!(answer_to_second.starts_with("-ERR [IN-USE]"), "{answer_to_second}");
    assert_eq!(listed(&appliance, "alice/sales").len(), 3, "people may come at any time");
    first.retrieve(1);
    assert!(first.command("DELE 1").starts_with("+OK"));
    drop(first);
    // The importer died: it imports that one again, and no colleague of its was kept out for it.
    assert_eq!(until("it is free", || free(&appliance)), uids);
    let mut third = until("it is free", || session(&appliance));
    for number in [1, 2] {
        third.retrieve(number);
        assert!(third.command(&format!("DELE {number}")).starts_with("+OK"));
    }
    third.quit();
    // The answer to QUIT is said when the view is free.
    assert_eq!(listed(&appliance, "desk/sales"), uids[2..]);
    assert_eq!(listed(&appliance, "alice/sales"), uids);
    appliance.restart();
    assert_eq!(listed(&appliance, "desk/sales"), uids[2..]);
    let team = team(&appliance);
    assert_eq!(messages(&team, "released"), 0, "no person has any of it: {team}");
}

#[test]
fn a_message_that_stops_a_robot_is_put_aside_for_it_alone_and_postmaster_hears_of_it() {
    let mut appliance = appliance();
    let uids = listed(&appliance, "desk/sales");
    for _ in 0..5 {
        let mut client = until("it is free", || session(&appliance));
        assert_eq!(client.listing("UIDL").len(), 3);
        client.retrieve(1);
        drop(client);
    }
    appliance.logged(&["parked: 5 sessions of this robot fetched it"]);
    assert_eq!(until("it is free", || free(&appliance)), uids[1..]);
    assert_eq!(listed(&appliance, "alice/sales"), uids);
    traced(&appliance, &uids[0], "parked in sales for the robot desk: fetched in 5 sessions");
    // The look that notes it comes soon.
    until("it is noted", || {
        let noted = fs::read_to_string(appliance.state_dir().join(MEMO)).unwrap_or_default();
        noted.contains("unsaid").then_some(())
    });
    assert!(appliance.stop().success());
    earlier(&appliance, "unsaid", 2 * MINUTE);
    appliance.restart();
    wait_listed(&appliance, "postmaster", 1);
    let report = reports(&appliance).remove(0);
    assert!(report.contains(&format!("sales: the robot desk fetched {} in 5 sessions", uids[0])), "{report}");
    assert_eq!(listed(&appliance, "desk/sales"), uids[1..], "it stays so");
}

/// What the robot lists, once no session has its view: one that broke off gives it up a moment later.
fn free(appliance: &Appliance) -> Option<Vec<String>> {
    let mut client = session(appliance)?;
    let uids = client.listing("UIDL").into_iter().map(|line| line.value).collect();
    client.quit();
    Some(uids)
}

fn session(appliance: &Appliance) -> Option<Client> {
    let mut client = Client::connect(appliance.pop3);
    client.line().expect("a greeting");
    client.command("USER desk/sales");
    let answer = client.command(&format!("PASS {PASSWORD}"));
    assert!(answer.starts_with("+OK") || answer.starts_with("-ERR [IN-USE]"), "{answer}");
    answer.starts_with("+OK").then_some(client)
}
