use std::fs;
use std::process::Command;

use restante_tests::{assert_same, below, collect, finish, found, skipped};

use crate::{APPLIANCE, PATIENCE, messages};

#[test]
fn swaks_sends_plain_by_starttls_and_in_a_pipeline() {
    let Some(swaks) = found("swaks") else { return };
    let ways: &[&[&str]] = if knows_tls() {
        &[&[], &["--tls"], &["--pipeline"]]
    } else {
        skipped("swaks by STARTTLS: perl has no Net::SSLeay");
        &[&[], &["--pipeline"]]
    };
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mail");
    let mut messages = messages();
    // It puts a line into a body that has none.
    messages
        .retain(|message| message.windows(4).position(|four| four == b"\r\n\r\n") != Some(message.len() - 4));
    let mut sent = Vec::new();
    for (message, how) in messages.iter().zip(ways.iter().cycle()) {
        // swaks puts CRLF for the LF of its file, and one more at its end.
        let text = crate::unix(message);
        fs::write(&file, text.strip_suffix(b"\n").unwrap_or(&text)).expect("written");
        let mut command = Command::new(&swaks);
        command.args([
            "--from",
            "sender@client.example",
            "--to",
            "swaks@example.test",
            "--helo",
            "client.example",
        ]);
        command.args([
            "--server",
            "127.0.0.1",
            "--port",
            &appliance.smtp.port().to_string(),
            "--timeout",
            "50",
        ]);
        command.args(["--hide-all", "--data"]).arg(format!("@{}", file.display())).args(*how);
        finish(&mut command, PATIENCE);
        sent.push(message);
    }
    let kept = collect(appliance.pop3, "swaks", sent.len());
    for (message, kept) in sent.iter().zip(&kept) {
        let (prelude, rest) = below(&kept.octets);
        assert!(prelude.received.starts_with("from client.example ([127.0.0.1]) "), "{}", prelude.received);
        assert_same(rest, message, "sent by swaks");
    }
    // It names the host it connects to by its address (RFC 6066 §3 forbids that): nothing to warn an admin of.
    assert!(!appliance.log().contains("SNI"));
}

fn knows_tls() -> bool {
    let asked = Command::new("perl").args(["-MNet::SSLeay", "-e", "1"]).output();
    asked.is_ok_and(|asked| asked.status.success())
}

#[test]
fn pythons_smtplib_sends_and_poplib_collects() {
    const SEND: &str = r#"
import smtplib, sys, pathlib
port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
with smtplib.SMTP('127.0.0.1', port, local_hostname='client.example', timeout=50) as client:
    for path in sorted(folder.iterdir()):
        refused = client.sendmail('sender@client.example', ['python@example.test'], path.read_bytes(),
                                  mail_options=['BODY=8BITMIME'])
        assert refused == {}, refused
    client.starttls()
    for path in sorted(folder.iterdir()):
        client.sendmail('sender@client.example', ['python@example.test'], path.read_bytes())
"#;
    const COLLECT: &str = r#"
import poplib, ssl, sys, pathlib
port, folder, password, secured = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4]
trusting = ssl.create_default_context()
trusting.check_hostname = False
trusting.verify_mode = ssl.CERT_NONE
if secured == 'pop3s':
    client = poplib.POP3_SSL('127.0.0.1', port, timeout=50, context=trusting)
else:
    client = poplib.POP3('127.0.0.1', port, timeout=50)
    before = client.capa()
    if secured == 'stls':
        client.stls(trusting)
    assert {'UIDL', 'TOP', 'USER', 'SASL', 'PIPELINING'} <= set(before), before
client.user('python')
client.pass_(password)
count, size = client.stat()
lines = client.list()[1]
assert len(lines) == count and sum(int(line.split()[1]) for line in lines) == size
assert len({line.split()[1] for line in client.uidl()[1]}) == count
for number in range(1, count + 1):
    octets = b''.join(line + b'\r\n' for line in client.retr(number)[1])
    assert len(octets) == int(client.list(number).split()[2])
    top = b''.join(line + b'\r\n' for line in client.top(number, 0)[1])
    assert octets.startswith(top) and top.endswith(b'\r\n\r\n')
    (folder / f'{number:03}').write_bytes(octets)
client.quit()
"#;
    let Some(python) = found("python3") else { return };
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = messages();
    for (number, message) in messages.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:03}")), message).expect("written");
    }
    let mut command = Command::new(&python);
    command.args(["-c", SEND, &appliance.smtp.port().to_string()]).arg(folder.path());
    finish(&mut command, PATIENCE);
    let kept = collect(appliance.pop3, "python", 2 * messages.len());
    for (message, kept) in messages.iter().cycle().zip(&kept) {
        assert_same(below(&kept.octets).1, message, "sent by smtplib");
    }
    for (secured, port) in
        [("plain", appliance.pop3.port()), ("stls", appliance.pop3.port()), ("pop3s", appliance.pop3s.port())]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(&python);
        command.args(["-c", COLLECT, &port.to_string()]).arg(folder.path());
        command.args([restante_tests::PASSWORD, secured]);
        finish(&mut command, PATIENCE);
        let files = crate::files(folder.path());
        assert_eq!(files.len(), kept.len());
        for (file, kept) in files.iter().zip(&kept) {
            assert_same(&fs::read(file).expect("readable"), &kept.octets, "collected by poplib");
        }
    }
}
