use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::call::{Call, Patience};
use super::desk::Desk;
use super::fault::{Code, Fault};
use super::frame::Frame;
use super::verb;

/// Callers at once.
const CALLERS: usize = 16;
/// How long we rest when the system gives us no connection.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// The file in the state folder.
const NAME: &str = "control.sock";
/// Octets of a socket's path: `sun_path` of unix(7) without the octet that ends it.
pub const PATH_MAX: usize = 107;

/// Where the socket of a state folder is.
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// Whether a socket can have this path at all.
pub fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_MAX
}

/// The socket, listening; its file goes with it.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it, for the owner alone, in the place of one that a dead daemon left. **Only for who holds the
    /// store's lock**: that proves that nobody serves there any more. Inside a tokio runtime.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "something that is no socket is there",
                ));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = StdUnixListener::bind(path)?;
        // Who connects before this is still asked who it is.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, path: path.to_owned() })
    }

    /// Serves callers until `stop`; each runs as a task of `tasks`, and is told when it is cut short.
    pub async fn serve(self, desk: Arc<Desk>, stop: CancellationToken, tasks: TaskTracker) {
        let slots = Arc::new(Semaphore::new(CALLERS));
        while let Some(taken) = stop.run_until_cancelled(self.listener.accept()).await {
            let stream = match taken {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "cannot take a connection of the control socket now");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            if let Err(fault) = admit(stream.peer_cred()) {
                refuse(&stream, fault);
                continue;
            }
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                refuse(&stream, Fault::new(Code::Busy, format!("{CALLERS} callers are being served")));
                continue;
            };
            let (desk, stop) = (desk.clone(), stop.clone());
            tasks.spawn(async move {
                answer(Call::new(stream, Patience::default()), &desk, &stop).await;
                drop(slot);
            });
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // One that stays is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// One call from its request to its last line.
pub(super) async fn answer(mut call: Call, desk: &Desk, stop: &CancellationToken) {
    let outcome = stop.run_until_cancelled(verb::attend(desk, &mut call)).await;
    let outcome = outcome.unwrap_or_else(|| Err(Fault::new(Code::Unavailable, "the daemon is stopping")));
    if let Err(fault) = &outcome {
        debug!(%fault, "a call on the control socket failed");
    }
    call.finish(outcome).await;
}

/// Only root and who we are ourselves: the file's mode says the same, until somebody changes it.
fn admit(caller: io::Result<UCred>) -> Result<(), Fault> {
    let denied = || Fault::new(Code::Permission, "permission denied").hint(super::WHO_MAY);
    let caller = caller.map_err(|_| denied())?;
    if caller.uid() == 0 || caller.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    warn!(uid = caller.uid(), pid = caller.pid(), "refused a stranger on the control socket");
    Err(denied())
}

/// Best effort, and never waits.
fn refuse(stream: &UnixStream, fault: Fault) {
    if let Ok(line) = Frame::Error(fault).encode(0) {
        let _ = stream.try_write(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_dead_daemon_left_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = socket(folder.path());
        drop(StdUnixListener::bind(&path).expect("bound"));
        let door = Door::open(&path).expect("replaced");
        let mode = fs::symlink_metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(door);
        assert!(!path.exists(), "it goes with the daemon");
        fs::write(&path, "a letter").expect("written");
        assert_eq!(Door::open(&path).expect_err("no socket").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("still there"), b"a letter");
    }

    #[test]
    fn the_longest_path_is_what_the_kernel_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = PATH_MAX - folder.path().as_os_str().len() - 1;
        let longest = folder.path().join("s".repeat(room));
        assert!(fits(&longest) && StdUnixListener::bind(&longest).is_ok());
        let longer = folder.path().join("s".repeat(room + 1));
        assert!(!fits(&longer) && StdUnixListener::bind(&longer).is_err());
    }
}
