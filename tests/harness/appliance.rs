use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::setup::{Setup, certificate};

/// How long the binary may take to start or to stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real binary at work, killed when dropped. With `RESTANTE_KEEP` in the environment its files stay when a test
/// has failed.
#[derive(Debug)]
pub struct Appliance {
    folder: TempDir,
    setup: Setup,
    child: Option<Child>,
    starts: usize,
    /// Where SMTP listens.
    pub smtp: SocketAddr,
    /// Where POP3 listens.
    pub pop3: SocketAddr,
    /// Where POP3 over TLS listens.
    pub pop3s: SocketAddr,
}

impl Appliance {
    /// Starts it with alice and bob of example.test.
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    /// Starts it with a setup.
    pub fn with(setup: Setup) -> Self {
        let mut appliance = Self::prepare(setup);
        appliance.launch();
        appliance
    }

    /// Writes its files and does not start it.
    pub fn prepare(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("restante-").tempdir().expect("a folder");
        certificate(folder.path());
        setup.write(folder.path());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { folder, setup, child: None, starts: 0, smtp: nowhere, pop3: nowhere, pop3s: nowhere }
    }

    /// Starts one whose last run ended so long ago: by its clock mail may grow old, if that is believed.
    pub fn that_ran(setup: Setup, ago: Duration) -> Self {
        let mut appliance = Self::prepare(setup);
        let state = appliance.state_dir();
        DirBuilder::new().mode(0o700).create(&state).expect("made");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        fs::write(state.join("upkeep"), format!("time {}\n", (now - ago).as_millis())).expect("written");
        appliance.launch();
        appliance
    }

    /// Changes what it was told; [`Appliance::hangup`] or a restart lets it see that.
    pub fn configure(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.setup.write(self.folder.path());
    }

    /// The folder of the three files.
    pub fn config_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the store.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The LMTP socket.
    pub fn lmtp(&self) -> PathBuf {
        self.folder.path().join("lmtp.sock")
    }

    /// The binary's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// The most memory that its process ever had, in octets.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// The processor time that its process has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its times");
        // Behind the name, which may hold anything: utime and stime are the 12th and 13th field, in ticks.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks =
            fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks"));
        let per_second = rustix::param::clock_ticks_per_second();
        Duration::from_millis(ticks.sum::<u64>() * 1000 / per_second)
    }

    /// All it has logged since it was first started.
    pub fn log(&self) -> String {
        (0..self.starts).map(|start| self.log_of(start)).collect()
    }

    /// Waits until a line of the log has all these parts.
    pub fn logged(&self, parts: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "no log line with {parts:?} in:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pulls the plug: `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("waited for");
        }
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("running");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("waited for") {
                return status;
            }
            if Instant::now() > until {
                child.kill().expect("killed");
                child.wait().expect("waited for");
                panic!("it does not stop:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same folder, killing it if it runs.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Starts it, and pulls the plug while it starts.
    pub fn interrupt_start(&mut self, after: Duration) {
        self.kill();
        self.spawn();
        thread::sleep(after);
        self.kill();
    }

    /// Lets it read its configuration again.
    pub fn hangup(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("signalled");
    }

    /// A verb of the command line on this configuration.
    pub fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.config_dir());
        command
    }

    /// A start of the daemon that is expected to fail.
    pub fn serve(&self) -> Command {
        self.verb(&["serve", "--allow-root"])
    }

    fn log_of(&self, start: usize) -> String {
        let octets = fs::read(self.log_file(start)).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.folder.path().join(format!("log-{start}"))
    }

    fn launch(&mut self) {
        self.spawn();
        self.find_ports();
    }

    fn spawn(&mut self) {
        let log = File::create(self.log_file(self.starts)).expect("a log file");
        self.starts += 1;
        let mut words = self.setup.wrapper.clone();
        words.push(binary().display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--allow-root").arg("--config").arg(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("started"));
    }

    fn find_ports(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.log_of(self.starts - 1);
            if log.lines().any(|line| line.ends_with(" ready")) {
                for (service, place) in
                    [("smtp", &mut self.smtp), ("pop3", &mut self.pop3), ("pop3s", &mut self.pop3s)]
                {
                    *place = listening(&log, service).unwrap_or(*place);
                }
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("waited for"));
            assert!(ended.is_none(), "it ended with {ended:?}:\n{log}");
            assert!(Instant::now() < until, "it does not start:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- log of the appliance\n{}", self.log());
            if std::env::var_os("RESTANTE_KEEP").is_some() {
                self.folder.disable_cleanup(true);
                let _ = writeln!(std::io::stderr(), "--- kept in {}", self.folder.path().display());
            }
        }
    }
}

/// One appliance for all tests of a file that run at the same time, ended with the last of them.
#[derive(Debug)]
pub struct Shared {
    setup: fn() -> Setup,
    running: Mutex<Weak<Appliance>>,
}

impl Shared {
    /// None runs yet.
    pub const fn new(setup: fn() -> Setup) -> Self {
        Self { setup, running: Mutex::new(Weak::new()) }
    }

    /// The one that runs, or a new one.
    pub fn get(&self) -> Arc<Appliance> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let appliance = Arc::new(Appliance::with((self.setup)()));
            *running = Arc::downgrade(&appliance);
            appliance
        })
    }
}

/// `… listening service=smtp address=127.0.0.1:4321`
fn listening(log: &str, service: &str) -> Option<SocketAddr> {
    let mark = format!("service={service} ");
    let line = log.lines().find(|line| line.contains("listening") && line.contains(&mark))?;
    line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok()
}

/// The binary beside the test that runs: both come from one build folder.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(Path::parent).expect("a build folder");
    let binary = folder.join("restante");
    assert!(binary.exists(), "{} is not built: run `cargo build --workspace` first", binary.display());
    binary
}
