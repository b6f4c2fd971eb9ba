//! What a verb is given and cannot use: one line that says what to do, and the exit code that goes with it.

use std::fs;
use std::os::unix::process::CommandExt;

use crate::folder::{Folder, Run};

fn refused(run: &Run, code: i32, words: &str) {
    let lines = run.err.trim_end().lines().count();
    assert!(run.code == code && lines == 1 && run.err.contains(words), "{code}, {words}: {run:?}");
}

#[test]
fn an_import_says_what_is_not_there_or_something_else() {
    let folder = Folder::ready();
    for part in ["cur", "new", ".Sent/cur", ".Sent/new", ".Bad\x1b[2J/cur", ".Bad\x1b[2J/new"] {
        fs::create_dir_all(folder.path("mail").join(part)).unwrap();
    }
    folder.write("box", "From a@b Mon Jan  1 00:00:00 2024\n\nx\n");
    folder.write("mail/plain", "one 1\n");
    let path = |name: &str| folder.path(name).display().to_string();
    let import = |given: &str| folder.run(&format!("import --mailbox alice {given}"));
    let (maildir, mbox, list, gone) = (path("mail"), path("box"), path("mail/plain"), path("gone"));
    refused(&import(&format!("--maildir {gone}")), 66, "gone: not there");
    refused(&import(&format!("--mbox {gone}")), 66, "gone: not there");
    refused(&import(&format!("--mbox {mbox} --uidl-from {gone}")), 66, "gone: not there");
    refused(&import(&format!("--mbox {maildir}")), 2, "use --maildir");
    refused(&import(&format!("--maildir {mbox}")), 2, "use --mbox");
    refused(&import(&format!("--maildir {}", path(""))), 65, "no Maildir");
    let typo = import(&format!("--maildir {maildir} --folder Drafts"));
    assert!(typo.code == 66 && typo.err.contains("no folder `.Drafts` in it; there are: "), "{typo:?}");
    assert!(typo.err.contains(".Bad\\u{1b}[2J .Sent"), "{typo:?}");
    let unused = import(&format!("--mbox {mbox} --uidl-from {list} --uidl-format %08Xu%08Xv --dry-run"));
    assert!(unused.err.contains("--uidl-format is not used"), "{unused:?}");
    let used = import(&format!("--mbox {mbox} --uidl-from {list} --dry-run"));
    assert!(!used.err.contains("--uidl-format"), "{used:?}");
}

#[test]
fn a_file_is_no_folder_of_files() {
    let folder = Folder::ready();
    for line in ["check", "status", "route alice", "mailbox list", "passwd alice --generate"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_restante"));
        command.args(line.split_whitespace()).arg("--config").arg(folder.path("restante.toml"));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains("give the folder") && said.lines().count() == 1, "{line}: {said}");
    }
}

/// As root alone can this be seen: somebody else runs what he may run, and may not read what is not his.
#[test]
fn who_may_not_read_the_files_is_told_so_in_one_line() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let folder = Folder::ready();
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("restante");
    // By a process of its own: one that another test starts while this one wrote would keep the file from being run.
    let copy = std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_restante")).arg(&program).status();
    assert!(copy.unwrap().success());
    for path in [place.path(), folder.path("").parent().unwrap(), &folder.path("")] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for name in ["restante.toml", "mailboxes.toml"] {
        folder.set_mode(name, 0o600);
    }
    for line in
        ["check", "route alice", "recipients", "mailbox list", "passwd alice --generate", "serve", "status"]
    {
        let mut command = std::process::Command::new(&program);
        command.args(line.split_whitespace()).arg("--config").arg(folder.path("")).uid(65_533).gid(65_533);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(77), "{line}: {said}");
        assert!(
            said.contains("permission denied: run this as") && said.lines().count() == 1,
            "{line}: {said}"
        );
    }
}

#[test]
fn a_backup_names_the_folder_that_is_missing_and_goes_into_no_state_folder() {
    let folder = Folder::of("[[domain]]\nname = \"example.test\"\n\n[[mailbox]]\nname = \"alice\"\n");
    let text = folder.read("restante.toml");
    folder.write("restante.toml", &format!("state-dir = \"state\"\n{text}"));
    fs::create_dir(folder.path("state")).unwrap();
    let backup = |name: &str| folder.run(&format!("backup {}", folder.path(name).display()));
    refused(&backup("gone/backup"), 66, "gone is not there; of a path, only the last folder is made");
    refused(&backup("state/backup"), 73, "must not lie inside each other");
    refused(&backup("state"), 73, "must not lie inside each other");
    assert!(!folder.path("state/backup").exists() && !folder.path("gone").exists());
}
