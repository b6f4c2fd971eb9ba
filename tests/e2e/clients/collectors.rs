use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use restante_tests::{Appliance, PASSWORD, collect, finish, found, run};

use crate::{APPLIANCE, PATIENCE, assert_held, files, fill};

/// A file that its program trusts: nobody else may read it.
fn private(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("closed to others");
}

/// A program that puts what it reads into a file of its own in `folder`.
fn into_folder(folder: &Path) -> PathBuf {
    let script = folder.join("deliver");
    let text = format!("#!/bin/sh\nexec cat > \"$(mktemp '{}/mail.XXXXXXXX')\"\n", folder.display());
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("made a program");
    script
}

pub(crate) fn mails(folder: &Path) -> Vec<PathBuf> {
    let is_mail =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mail."));
    files(folder).into_iter().filter(is_mail).collect()
}

pub(crate) fn fetchmail(
    appliance: &Appliance,
    folder: &Path,
    user: &str,
    keep: &str,
    tls: bool,
) -> Option<i32> {
    let program = found("fetchmail")?;
    let script = into_folder(folder);
    let (port, ssl) =
        if tls { (appliance.pop3s.port(), "ssl") } else { (appliance.pop3.port(), "sslproto ''") };
    let rc = folder.join("fetchmailrc");
    private(
        &rc,
        &format!(
            "set no bouncemail\nset no spambounce\n\
             poll 127.0.0.1 protocol pop3 port {port} timeout 50 uidl\n\
             user '{user}' password '{PASSWORD}' {ssl} no sslcertck no rewrite {keep} mda '{}'\n",
            script.display()
        ),
    );
    let mut command = Command::new(program);
    command.env("FETCHMAILHOME", folder).env("HOME", folder).arg("--nosyslog").arg("--fetchmailrc").arg(rc);
    command.arg("--idfile").arg(folder.join("ids")).arg("--pidfile").arg(folder.join("pid"));
    let ended = run(&mut command, PATIENCE);
    let code = ended.status.code();
    // 1: there was no mail (fetchmail(1), EXIT CODES).
    assert!(matches!(code, Some(0 | 1)), "{ended:?}");
    code
}

#[test]
fn fetchmail_takes_everything_away() {
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = fill(&appliance, "fetchmail");
    collect(appliance.pop3, "fetchmail", messages.len());
    let Some(code) = fetchmail(&appliance, folder.path(), "fetchmail", "nokeep", false) else { return };
    assert_eq!(code, 0);
    assert_held(&mails(folder.path()), &messages);
    collect(appliance.pop3, "fetchmail", 0);
    assert_eq!(fetchmail(&appliance, folder.path(), "fetchmail", "nokeep", false), Some(1));
}

#[test]
fn fetchmail_leaves_copies_and_takes_each_once() {
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = fill(&appliance, "fetchmail-keep");
    collect(appliance.pop3, "fetchmail-keep", messages.len());
    let Some(code) = fetchmail(&appliance, folder.path(), "fetchmail-keep", "keep", true) else { return };
    assert_eq!(code, 0);
    assert_held(&mails(folder.path()), &messages);
    assert_eq!(fetchmail(&appliance, folder.path(), "fetchmail-keep", "keep", true), Some(1));
    assert_eq!(mails(folder.path()).len(), messages.len());
    collect(appliance.pop3, "fetchmail-keep", messages.len());
}

pub(crate) fn getmail(
    appliance: &Appliance,
    folder: &Path,
    user: &str,
    delete: &str,
    tls: bool,
) -> Option<Vec<PathBuf>> {
    let program = found("getmail")?;
    let script = into_folder(folder);
    let (kind, port) = match tls {
        true => ("SimplePOP3SSLRetriever", appliance.pop3s.port()),
        false => ("SimplePOP3Retriever", appliance.pop3.port()),
    };
    let rc = folder.join("getmailrc");
    private(
        &rc,
        &format!(
            "[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {port}\nusername = {user}\n\
             password = {PASSWORD}\ntimeout = 50\n\
             [destination]\ntype = MDA_external\npath = {}\nallow_root_commands = true\n\
             [options]\nread_all = false\n{delete}\ndelivered_to = false\nreceived = false\nverbose = 0\n",
            script.display()
        ),
    );
    let mut command = Command::new(program);
    command.env("HOME", folder).arg("--getmaildir").arg(folder).arg("--rcfile").arg(rc);
    finish(&mut command, PATIENCE);
    Some(mails(folder))
}

#[test]
fn getmail_takes_everything_away() {
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = fill(&appliance, "getmail");
    collect(appliance.pop3, "getmail", messages.len());
    let Some(held) = getmail(&appliance, folder.path(), "getmail", "delete = true", true) else { return };
    assert_held(&held, &messages);
    collect(appliance.pop3, "getmail", 0);
}

#[test]
fn getmail_leaves_copies_and_takes_each_once() {
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = fill(&appliance, "getmail-keep");
    collect(appliance.pop3, "getmail-keep", messages.len());
    let Some(held) = getmail(&appliance, folder.path(), "getmail-keep", "delete = false", false) else {
        return;
    };
    assert_held(&held, &messages);
    let again =
        getmail(&appliance, folder.path(), "getmail-keep", "delete = false", false).expect("installed");
    assert_eq!(again, held);
    collect(appliance.pop3, "getmail-keep", messages.len());
}

pub(crate) fn mpop(port: u16, folder: &Path, user: &str, keep: &str, starttls: &str) -> Option<Vec<PathBuf>> {
    let program = found("mpop")?;
    let maildir = folder.join("Maildir");
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(part)).expect("made");
    }
    let rc = folder.join("mpoprc");
    private(
        &rc,
        &format!(
            "account default\nhost 127.0.0.1\nport {port}\nuser {user}\npassword \"{PASSWORD}\"\ntimeout 50\n\
             tls on\ntls_starttls {starttls}\ntls_certcheck off\nkeep {keep}\nreceived_header off\n\
             delivery maildir {}\nuidls_file {}\n",
            maildir.display(),
            folder.join("uidls").display()
        ),
    );
    let mut command = Command::new(program);
    command.env("HOME", folder).arg("--quiet").arg("--file").arg(rc);
    finish(&mut command, PATIENCE);
    Some(files(&maildir.join("new")))
}

#[test]
fn mpop_leaves_copies_by_stls_and_then_takes_them_away() {
    let appliance = APPLIANCE.get();
    let folder = tempfile::tempdir().expect("a folder");
    let messages = fill(&appliance, "mpop");
    collect(appliance.pop3, "mpop", messages.len());
    let mpop = |keep: &str, starttls: &str, port: u16| mpop(port, folder.path(), "mpop", keep, starttls);
    let Some(held) = mpop("on", "on", appliance.pop3.port()) else { return };
    assert_held(&held, &messages);
    assert_eq!(mpop("on", "on", appliance.pop3.port()).as_ref(), Some(&held));
    collect(appliance.pop3, "mpop", messages.len());
    assert_eq!(mpop("off", "off", appliance.pop3s.port()), Some(held));
    collect(appliance.pop3, "mpop", 0);
}
