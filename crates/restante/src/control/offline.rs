use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use directory::{Directory, VerifierParams};
use queue::Store;
use queue_sled::{OpenError, SledStore, StartReport};
use tokio_util::sync::CancellationToken;

use super::call::{Call, Patience};
use super::client::Client;
use super::desk::Desk;
use super::door::answer;
use super::fault::{Code, Fault};
use super::holder::holder;
use super::reach::NoStore;
use crate::cli::{Failure, say};
use crate::config::{self, Config};
use crate::trace::{Folder, Keeper};
use crate::{identity, wire};

/// The store, opened by ourselves, and one call served from it. It is closed when this is dropped.
pub struct Offline {
    client: Option<Client>,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Offline {
    pub(super) fn open(config_dir: &Path, config: &Config, no_store: NoStore) -> Result<Self, Failure> {
        let (ours, theirs) = UnixStream::pair().map_err(internal)?;
        let (tell, told) = mpsc::channel();
        let stop = CancellationToken::new();
        let serving = Serving {
            stream: theirs,
            config_dir: config_dir.to_owned(),
            config: config.clone(),
            no_store,
            stop: stop.clone(),
        };
        let serving = std::thread::Builder::new()
            .name("offline".into())
            .spawn(move || serving.run(&tell))
            .map_err(internal)?;
        let report = told.recv().map_err(internal)??;
        if report.rebuilt.is_some() || !report.damaged.is_empty() {
            say(&format!("restante: the store: {report}"));
        }
        Ok(Self { client: Some(Client::over(ours)), stop, serving: Some(serving) })
    }

    /// The other end of what is served.
    pub(super) fn client(&mut self) -> Client {
        self.client.take().expect("taken by `begin`, which takes the whole reach")
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        drop(self.client.take());
        // After an answer there is nothing left to stop.
        self.stop.cancel();
        if self.serving.take().is_some_and(|serving| serving.join().is_err()) {
            say("restante: the store was not closed cleanly; the next start repairs it");
        }
    }
}

/// The thread that has the store. It becomes the owner of the state folder, and every thread that it starts is
/// born so; the thread of the command line stays who it was.
struct Serving {
    stream: UnixStream,
    config_dir: PathBuf,
    config: Config,
    no_store: NoStore,
    stop: CancellationToken,
}

impl Serving {
    fn run(self, tell: &mpsc::Sender<Result<StartReport, Failure>>) {
        let opened = self.become_owner().and_then(|()| self.store()).and_then(|(store, report)| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            Ok((runtime.map_err(internal)?, store, report))
        });
        match opened {
            Ok((runtime, store, report)) => {
                let _ = tell.send(Ok(report));
                runtime.block_on(self.serve(store));
            }
            Err(failure) => drop(tell.send(Err(failure))),
        }
    }

    fn become_owner(&self) -> Result<(), Failure> {
        let state = &self.config.state_dir;
        identity::become_service(state).map_err(|error| Failure::Io(state.clone(), error))
    }

    fn store(&self) -> Result<(SledStore, StartReport), Failure> {
        let state = &self.config.state_dir;
        let path = state.join("store");
        match std::fs::metadata(path.join("STORE")) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Failure::Denied(path));
            }
            Err(_) if self.no_store == NoStore::Refuse => {
                let fault = Fault::new(Code::NotFound, format!("there is no store in {}", state.display()));
                return Err(fault.hint("`restante serve` makes it when it first starts").into());
            }
            Ok(_) | Err(_) => {}
        }
        wire::prepare(state).map_err(|error| Failure::Refused(error.to_string()))?;
        SledStore::open(&path, wire::store_params(&self.config)).map_err(|error| match error {
            OpenError::Locked(_) => {
                let who = holder(&path).map_or_else(String::new, |pid| format!(" {pid}"));
                let text = format!("{error}{who}, which does not answer on the control socket");
                let fault = Fault::new(Code::Unavailable, text);
                Failure::Told(fault.hint("the daemon is starting or stopping: try again in a moment"))
            }
            OpenError::Io(error) => Failure::Io(path.clone(), error),
            error => Failure::Unavailable(format!("the store in {}: {error}", path.display())),
        })
    }

    async fn serve(self, store: SledStore) {
        let directory = config::load(&self.config_dir).ok();
        let directory = directory.map(|loaded| Directory::new(loaded.table, VerifierParams::default()));
        // What is done to mail without the daemon is told as well; where that fails, mail is done to all the same.
        let trace = Keeper::start(Folder::of(&self.config.state_dir), wire::trace_bounds(&self.config)).ok();
        let journeys = trace.as_ref().map(Keeper::journeys).unwrap_or_default();
        let state_dir = &self.config.state_dir;
        let desk =
            Desk::offline(store.clone(), self.config_dir, state_dir, directory).with_journeys(journeys);
        let stream =
            self.stream.set_nonblocking(true).and_then(|()| tokio::net::UnixStream::from_std(self.stream));
        match stream {
            Ok(stream) => answer(Call::new(stream, Patience::default()), &desk, &self.stop).await,
            Err(error) => say(&format!("restante: {error}")),
        }
        trace.into_iter().for_each(Keeper::stop);
        if let Err(error) = store.close().await {
            say(&format!("restante: the store was not closed cleanly: {error}; the next start repairs it"));
        }
    }
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::Told(Fault::internal(error.to_string()))
}
