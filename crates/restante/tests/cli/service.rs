//! What only root can try: files that the service could not read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::folder::Folder;

/// `nobody`: any user that is not root.
const SERVICE: u32 = 65_534;

#[test]
fn root_checks_what_the_service_will_be_able_to_read() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let folder = Folder::ready();
    let outside = folder.path("..");
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o711)).unwrap();
    let state = outside.join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    chown(&state, Some(SERVICE), Some(SERVICE)).unwrap();
    let text = folder.read("restante.toml");
    let text =
        text.replace("state-dir = \"/var/lib/restante\"", &format!("state-dir = \"{}\"", state.display()));
    folder.write("restante.toml", &text);

    let names = ["", "restante.toml", "mailboxes.toml", "rules.toml", "tls.crt", "tls.key"];
    for name in names {
        chown(folder.path(name), None, Some(SERVICE)).unwrap();
        folder.set_mode(name, if name.is_empty() { 0o750 } else { 0o640 });
    }
    let run = folder.run("check");
    assert_eq!(run.code, 0, "{run:?}");

    folder.set_mode("tls.key", 0o600);
    let run = folder.run("check");
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.contains("tls.key") && run.err.contains("Permission denied"), "{run:?}");

    folder.set_mode("tls.key", 0o640);
    folder.set_mode("mailboxes.toml", 0o600);
    let run = folder.run("check");
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.err.contains("cannot read") && run.err.contains("mailboxes.toml"), "{run:?}");
}
