use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use queue_sled::backup::{self, Owner, Progress};
use serde::Serialize;

use super::backup::MIB;
use super::failure::counted;
use super::progress::Bar;
use super::{Answer, Context, Failure, json, table};
use crate::control::{Code, Fault, daemon_of, machine};
use crate::{identity, wire};

/// Make the store from a backup, while the daemon is stopped
///
/// Every file is checked on the way, and the store is there whole or not at all. Clients see the UIDLs they know;
/// mail that comes from now on gets others than any mail that came after the backup. The index is built at the
/// next start.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that `restante backup` was given
    dir: PathBuf,
    /// Move a store that is there already aside, and keep it
    #[arg(long)]
    force: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Serialize)]
struct Done {
    made: String,
    files: u64,
    octets: u64,
    store: PathBuf,
    aside: Option<PathBuf>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let config = machine(&context.config)?;
    if daemon_of(&config)?.is_some() {
        let fault = Fault::new(Code::Unavailable, "the daemon is running, and has its store");
        return Err(fault.hint("systemctl stop restante").into());
    }
    let state = &config.state_dir;
    let owner = prepare(state)?;
    let store = state.join("store");
    let mut bar: Option<Bar> = None;
    let restored = backup::restore(&args.dir, &store, args.force, owner, &mut |Progress { done, of }| {
        bar.get_or_insert_with(|| Bar::new(of / MIB, "MiB")).to(done / MIB);
    });
    let restored = restored.map_err(Fault::from)?;
    if restored.clock_behind {
        let words = "restante: the clock of this machine is behind the backup: set it before mail comes in";
        bar.get_or_insert_with(|| Bar::new(0, "MiB")).say(words);
    }
    drop(bar);
    let made = i64::try_from(restored.made_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let made = made.unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let (files, octets) = (restored.files, restored.octets);
    if args.json {
        json::print(context, &Done { made, files, octets, store, aside: restored.aside })?;
        return Ok(Answer::Yes);
    }
    let files = counted(usize::try_from(files).unwrap_or(usize::MAX), "file");
    let size = table::size(octets);
    writeln!(context.out, "restored into {}: {files}, {size}, as of {made}", store.display())?;
    if let Some(aside) = restored.aside {
        writeln!(context.out, "the store that was there is kept in {}", aside.display())?;
    }
    Ok(Answer::Yes)
}

/// Makes the state folder if it is not there: whose everything in it shall be.
fn prepare(state: &Path) -> Result<Option<Owner>, Failure> {
    let is_new = !state.exists();
    wire::prepare(state).map_err(|error| Failure::Refused(error.to_string()))?;
    if !identity::is_root() {
        return Ok(None);
    }
    let found = fs::metadata(state).map_err(|error| Failure::Io(state.into(), error))?;
    let service = identity::service_user().filter(|_| is_new);
    let (uid, gid) = service.map_or((found.uid(), found.gid()), |user| (user.uid, user.gid));
    chown(state, Some(uid), Some(gid)).map_err(|error| Failure::Io(state.into(), error))?;
    Ok(Some(Owner { uid, gid }))
}
