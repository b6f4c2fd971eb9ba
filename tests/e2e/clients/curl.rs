use std::fs;
use std::process::Command;

use restante_tests::{PASSWORD, assert_same, below, collect, finish, found, pop3};

use crate::{APPLIANCE, PATIENCE, messages};

/// It changes nothing on the way in or out, so this is octet for octet, plain and by every kind of TLS.
#[test]
fn curl_sends_and_collects_octet_for_octet() {
    let Some(curl) = found("curl") else { return };
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mail");
    let messages = messages();
    let mut sent = Vec::new();
    for tls in [false, true] {
        for message in &messages {
            fs::write(&file, message).expect("written");
            let mut command = Command::new(&curl);
            command.args(["--silent", "--show-error", "--insecure", "--max-time", "50"]);
            command.args(["--mail-from", "sender@client.example", "--mail-rcpt", "curl@example.test"]);
            command.arg("--upload-file").arg(&file).arg(format!("smtp://{}/client.example", appliance.smtp));
            if tls {
                command.arg("--ssl-reqd");
            }
            finish(&mut command, PATIENCE);
            sent.push(message);
        }
    }
    let kept = collect(appliance.pop3, "curl", sent.len());
    for (message, kept) in sent.iter().zip(&kept) {
        assert_same(below(&kept.octets).1, message, "sent by curl");
    }
    let fetch = |url: String, more: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["--silent", "--show-error", "--insecure", "--max-time", "50"]);
        command.arg("--user").arg(format!("curl:{PASSWORD}")).args(more).arg("--output").arg(&file).arg(url);
        finish(&mut command, PATIENCE);
        fs::read(&file).expect("readable")
    };
    for (number, kept) in (1..).zip(&kept) {
        for (url, more) in [
            (format!("pop3://{}/{number}", appliance.pop3), &[][..]),
            (format!("pop3://{}/{number}", appliance.pop3), &["--ssl-reqd"][..]),
            (format!("pop3s://{}/{number}", appliance.pop3s), &[][..]),
        ] {
            assert_same(&fetch(url, more), &kept.octets, "fetched by curl");
        }
    }
    let listed = String::from_utf8(fetch(format!("pop3://{}/", appliance.pop3), &["--request", "UIDL"]))
        .expect("text");
    let uids: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(uids, kept.iter().map(|one| one.uid.as_str()).collect::<Vec<_>>());
    pop3(appliance.pop3, "curl").quit();
}
