use std::io;
use std::path::Path;

use super::client::{Asked, Client, Said, Unreached};
use super::desk::not_running;
use super::door::socket;
use super::fault::{Code, Fault};
use super::frame::Progress;
use super::offline::Offline;
use super::verb::Verb;
use crate::cli::{Failure, say};
use crate::config::{self, Config, Loaded};
use crate::identity;

/// What to do where no store was ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStore {
    /// Say so.
    Refuse,
    /// Make one.
    Make,
}

/// The way to the mail: the store belongs to one process, so a verb asks the daemon, or is the one process.
/// Which it is, is said on standard error.
pub enum Reach {
    /// The daemon has it.
    Running(Client),
    /// Nobody had it; we have it now.
    Offline(Offline),
}

impl Reach {
    /// Finds the way by what `restante.toml` of a folder says. Either way the caller stays who it is: files it
    /// reads and makes are its own, while the store is touched by the owner of the state folder alone.
    pub fn find(config_dir: &Path, no_store: NoStore) -> Result<Self, Failure> {
        let config = machine(config_dir)?;
        if let Some(client) = daemon_of(&config)? {
            say("restante: talking to the running daemon");
            return Ok(Self::Running(client));
        }
        let offline = Offline::open(config_dir, &config, no_store)?;
        say("restante: the daemon is not running: working on the store directly");
        Ok(Self::Offline(offline))
    }

    /// The daemon alone, for a verb that means nothing without it.
    pub fn daemon(config_dir: &Path) -> Result<Client, Failure> {
        daemon_of(&machine(config_dir)?)?.ok_or_else(|| Failure::Told(not_running()))
    }

    /// Asks for a verb that streams nothing, and waits for its answer.
    pub fn ask<V: Verb>(self, args: &V::Args, progress: impl FnMut(&Progress)) -> Result<V::Answer, Failure> {
        self.begin::<V>(args)?.answer(progress)
    }

    /// Asks for a verb that streams.
    pub fn begin<V: Verb>(self, args: &V::Args) -> Result<AskedThere<V>, Failure> {
        let (client, offline) = match self {
            Self::Running(client) => (client, None),
            Self::Offline(mut offline) => (offline.client(), Some(offline)),
        };
        Ok(AskedThere { asked: client.begin(args)?, _offline: offline })
    }
}

/// What `restante.toml` says, whatever is wrong with the rest.
pub(crate) fn machine(config_dir: &Path) -> Result<Config, Failure> {
    readable(config_dir, &[config::File::Restante])?;
    config::machine(config_dir).map_err(Failure::Config)
}

/// What the three files say, without a fault.
pub(crate) fn load(config_dir: &Path) -> Result<Loaded, Failure> {
    readable(config_dir, &config::File::ALL)?;
    config::load(config_dir).map_err(Failure::Config)
}

/// Who may not read the files is told so: to whom they are open is right as it is. Where the service itself may
/// not, that is a fault of theirs, and whoever loads them says how to mend it.
pub(crate) fn readable(config_dir: &Path, files: &[config::File]) -> Result<(), Failure> {
    if config_dir.is_file() {
        return Err(Failure::Usage(format!(
            "{} is a file: give the folder that it is in",
            config_dir.display()
        )));
    }
    let ours = rustix::process::geteuid().as_raw();
    if identity::service_user().is_some_and(|user| user.uid == ours) {
        return Ok(());
    }
    for path in files.iter().map(|file| config_dir.join(file.name())) {
        match std::fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Failure::Denied(path));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// The daemon that serves a state folder, if one does.
pub(crate) fn daemon_of(config: &Config) -> Result<Option<Client>, Failure> {
    let socket = socket(&config.state_dir);
    match Client::connect(&socket) {
        Ok(client) => Ok(Some(client)),
        Err(Unreached::NotRunning) => Ok(None),
        Err(Unreached::Denied) => Err(Failure::Denied(socket)),
        Err(Unreached::Silent) => {
            let fault =
                Fault::new(Code::Unavailable, "the daemon does not answer").hint("journalctl -u restante");
            Err(fault.into())
        }
        Err(Unreached::Io(error)) => Err(Failure::Io(socket, error)),
    }
}

/// A verb that was asked for, wherever it is served. See [`Asked`].
pub struct AskedThere<V: Verb> {
    asked: Asked<V>,
    /// Closes the store after the connection is gone.
    _offline: Option<Offline>,
}

impl<V: Verb> AskedThere<V> {
    /// See [`Asked::send`].
    pub fn send(&mut self, item: &V::Item, octets: &[u8]) -> Result<(), Failure> {
        Ok(self.asked.send(item, octets)?)
    }

    /// See [`Asked::is_taken`].
    pub fn is_taken(&self) -> bool {
        self.asked.is_taken()
    }

    /// See [`Asked::end`].
    pub fn end(&mut self) -> Result<(), Failure> {
        Ok(self.asked.end()?)
    }

    /// See [`Asked::hear`].
    pub fn hear(&mut self) -> Result<Said<V>, Failure> {
        Ok(self.asked.hear()?)
    }

    /// See [`Asked::answer`].
    pub fn answer(self, progress: impl FnMut(&Progress)) -> Result<V::Answer, Failure> {
        Ok(self.asked.answer(progress)?)
    }
}
