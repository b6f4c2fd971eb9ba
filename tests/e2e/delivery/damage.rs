use std::fs;
use std::os::unix::fs::FileExt;

use restante_tests::{Appliance, Client, PASSWORD, deliver, pop3, smtp};

fn retr(client: &mut Client) -> String {
    client.command("RETR 1")
}

/// RFC 3206 §4. A file that the disk has spoilt breaks one session off, and no more than one.
#[test]
fn a_damaged_message_does_not_keep_the_others_back() {
    let appliance = Appliance::start();
    let mut client = smtp(appliance.smtp);
    let big = [b"Subject: big\r\n\r\n".to_vec(), b"line of the big one\r\n".repeat(300_000)].concat();
    for message in [&big[..], b"Subject: small\r\n\r\n"] {
        assert!(deliver(&mut client, &["alice@example.test"], message).starts_with("250 "));
    }
    let folder = appliance.state_dir().join("store/big");
    let file = fs::read_dir(&folder).expect("readable").next().expect("one file").expect("readable");
    let spoilt = fs::File::options().write(true).open(file.path()).expect("opens");
    spoilt.write_all_at(b"?", 3_000_000).expect("written");

    let mut first = pop3(appliance.pop3, "alice");
    assert!(retr(&mut first).starts_with("+OK"), "nobody knows yet");
    let broken = first.try_lines();
    assert!(broken.is_err(), "it has an end as if it were whole");
    let mut second = pop3(appliance.pop3, "alice");
    let damaged = "-ERR [SYS/PERM] message is damaged on the disk; see the server's log";
    assert_eq!(retr(&mut second), damaged);
    assert_eq!(second.command("TOP 1 0"), damaged);
    assert!(String::from_utf8_lossy(&second.retrieve(2)).contains("Subject: small"));
    assert!(second.command("DELE 1").starts_with("+OK"), "whoever gives it up may");
    second.quit();
    let name = file.file_name().into_string().expect("text");
    appliance.logged(&["ERROR", &format!("big/{name}"), "user=\"alice\""]);
    assert!(!appliance.log().contains(PASSWORD));
}
