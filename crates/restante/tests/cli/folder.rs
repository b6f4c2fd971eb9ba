use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A configuration folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With what `restante init` writes for alice and bob of example.test.
    pub(crate) fn ready() -> Self {
        let folder = Self::new();
        let run = folder
            .run("init --yes --hostname mx.example.test --domain example.test --mailbox alice --mailbox bob");
        assert_eq!(run.code, 0, "{run:?}");
        folder
    }

    /// With files of its own.
    pub(crate) fn of(mailboxes: &str) -> Self {
        let folder = Self::new();
        folder
            .write("restante.toml", "hostname = \"mx.example.test\"\n[pop3]\nlisten = []\nlisten-tls = []\n");
        folder.write("mailboxes.toml", mailboxes);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("etc").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        fs::write(self.path(name), text).unwrap();
        self.set_mode(name, 0o600);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
        command.args(line.split_whitespace()).arg("--config").arg(self.path(""));
        command
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, "")
    }

    /// Runs a line of words with something on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> Run {
        let mut command = self.command(line);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who asks nothing does not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let run = Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!run.out.contains('\x1b') && !run.err.contains('\x1b'), "colour without a terminal: {run:?}");
        run
    }
}
