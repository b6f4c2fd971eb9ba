use queue_sled::OpenError;

use super::{Answer, Context, Failure};
use crate::control::{self, Code, Fault};
use crate::identity;
use crate::wire::{Appliance, ServeError, fall_back};

/// Run the servers until they are told to stop
///
/// SIGHUP reads the configuration again; SIGTERM and SIGINT end it: messages in flight are finished, and all
/// that was acknowledged is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run as root all the same: for a container or a trial, never for a server
    #[arg(long)]
    allow_root: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    if identity::is_root() && !args.allow_root {
        let words = "serve does not run as root: start it by systemd (`systemctl start restante`) or as the user \
                     restante; `--allow-root` is for a container or a trial";
        return Err(Failure::Refused(words.into()));
    }
    identity::keep_memory_to_ourselves();
    identity::raise_open_files();
    let (loaded, unused) = match control::load(&context.config) {
        Ok(loaded) => (loaded, None),
        // With rules that cannot be used, the last ones that could are better than none, and than no service.
        Err(Failure::Config(faults)) => {
            let (loaded, faults) = fall_back(&context.config, faults).map_err(Failure::Config)?;
            (loaded, Some(faults))
        }
        Err(failure) => return Err(failure),
    };
    Appliance::run(&context.config, loaded, unused.as_ref()).map_err(|error| match error {
        ServeError::StateDir { .. } | ServeError::Tls(_) => Failure::Refused(error.to_string()),
        ServeError::Store { path, error: OpenError::Locked(_) } => {
            let who = control::holder(&path).map_or_else(|| "another process".into(), process);
            let text = format!("the store in {} is in use by {who}", path.display());
            let hint = "one process serves a store: stop that one first (systemctl stop restante), or name \
                        another state-dir";
            Failure::Told(Fault::new(Code::Unavailable, text).hint(hint))
        }
        ServeError::Store { .. } | ServeError::Listen(..) | ServeError::System(_) => {
            Failure::Unavailable(error.to_string())
        }
    })?;
    Ok(Answer::Yes)
}

/// Which it is, and what its program calls itself: a daemon, or a verb that works on the store without one.
fn process(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match name.trim() {
        "" => format!("process {pid}"),
        name => format!("process {pid} ({})", mail::harmless(name)),
    }
}
