use std::fs;
use std::process::Command;

use restante_tests::{Appliance, PASSWORD, finish, found};

use super::{PATIENCE, exported, imported, text};

/// Makes a Maildir and two mboxes with Python's own `mailbox`.
const MAKE: &str = r#"
import mailbox, sys, os
folder = sys.argv[1]
bodies = ["plain\n", ">From quoted\nFrom not\n>>From twice\n", "", "no end", "\nFrom a@b Thu Jan  1 00:00:10 1970\n\nx\n", "\n\n\n", ".\n..\n", "\u00fc\n"]
maildir = mailbox.Maildir(os.path.join(folder, "Maildir"), create=True)
mbox = mailbox.mbox(os.path.join(folder, "mbox"), create=True)
for number, body in enumerate(bodies):
    text = ("Subject: number %d\nFrom: s@client.example\n\n%s" % (number, body)).encode()
    message = mailbox.MaildirMessage(text)
    message.set_date(1000000000 + number)
    if number % 2:
        message.set_subdir("cur"); message.add_flag("S")
    maildir.add(message)
    message = mailbox.mboxMessage(text)
    message.set_from("s@client.example", __import__("time").gmtime(1000000000 + number))
    mbox.add(message)
mbox.close()
open(os.path.join(folder, "count"), "w").write(str(len(bodies)))
"#;

/// Collects a mailbox with poplib, and holds it against a Maildir and an mbox that were exported from it.
const HOLD: &str = r#"
import mailbox, poplib, sys, os
folder, port, password, user = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
client = poplib.POP3("127.0.0.1", port); client.user(user); client.pass_(password)
count = client.stat()[0]
served = [b"\n".join(client.retr(n + 1)[1]) + b"\n" for n in range(count)]
uidls = [line.decode().split(" ", 1)[1] for line in client.uidl()[1]]
client.quit()
assert count == int(open(os.path.join(folder, "count")).read()), count
assert len(set(uidls)) == count, uidls
maildir = mailbox.Maildir(os.path.join(folder, user, "Maildir"), create=False)
files = [maildir.get_bytes(key) for key in maildir.keys()]
assert sorted(files) == sorted(served), (files, served)
mbox = mailbox.mbox(os.path.join(folder, user, "mbox"), create=False)
def unquote(text):
    lines = text.split(b"\n")
    return b"\n".join(l[1:] if l.lstrip(b">").startswith(b"From ") and l.startswith(b">") else l for l in lines)
parts = [unquote(mbox.get_bytes(key)) for key in mbox.keys()]
assert parts == served, (parts, served)
want = ["number %d" % n for n in range(count)]
found = [mailbox.Message(text)["Subject"] for text in served]
assert (sorted(found) if user == "alice" else found) == want, found
for text in served:
    assert text.startswith(b"Subject: number "), text
print("held", count)
"#;

fn python(script: &str, arguments: &[&str]) -> Option<String> {
    let python = found("python3")?;
    let mut command = Command::new(python);
    command.arg("-c").arg(script).args(arguments);
    Some(finish(&mut command, PATIENCE).out)
}

/// Python's `mailbox` writes what we read and reads what we write, and poplib is served the same.
#[test]
fn python_agrees_on_every_octet() {
    let folder = tempfile::tempdir().expect("a folder");
    if python(MAKE, &[text(folder.path())]).is_none() {
        return;
    }
    let appliance = Appliance::start();
    let [maildir, mbox] = ["Maildir", "mbox"].map(|name| folder.path().join(name));
    imported(&appliance, &["--maildir", text(&maildir)]);
    let bob = ["import", "--mailbox", "bob", "--mbox", text(&mbox), "--quoting", "mboxo"];
    finish(&mut appliance.verb(&bob), PATIENCE);
    for user in ["alice", "bob"] {
        let out = folder.path().join(user);
        fs::create_dir(&out).expect("made");
        let [maildir, mbox] = ["Maildir", "mbox"].map(|name| out.join(name));
        if user == "alice" {
            exported(&appliance, &["--maildir", text(&maildir)]);
            exported(&appliance, &["--mbox", text(&mbox)]);
        } else {
            let to = [["--maildir", text(&maildir)], ["--mbox", text(&mbox)]];
            for to in to {
                finish(&mut appliance.verb(&[&["export", "--mailbox", "bob"], &to[..]].concat()), PATIENCE);
            }
        }
        let port = appliance.pop3.port().to_string();
        let held = python(HOLD, &[text(folder.path()), &port, PASSWORD, user]).expect("python3 was there");
        assert_eq!(held, "held 8\n");
    }
}
