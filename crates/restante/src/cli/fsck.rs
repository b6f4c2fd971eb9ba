use std::path::{Path, PathBuf};

use queue_sled::OpenError;
use queue_sled::backup::{Frozen, Progress};
use queue_sled::fsck::{self, Checked, Fault, Grade, Salvaged, Wanted};

use super::backup::{MIB, Moment};
use super::progress::Bar;
use super::{Answer, Context, Failure, json, say};
use crate::control::{self, Code, daemon_of, holder, machine};
use crate::identity;

/// Check the store: what is damaged, and whose mail it is
///
/// Nothing is changed. While the daemon runs, one moment of its store is looked at. Exits with 0 when all is well,
/// 1 when there are faults (all other mail is served), 3 when the store cannot be opened and must be salvaged or
/// restored.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read every octet of every message, too
    #[arg(long, conflicts_with = "salvage")]
    deep: bool,
    /// Write every message that is intact into a new folder, whatever else is broken; the daemon must be stopped
    #[arg(long, value_name = "DIR")]
    salvage: Option<PathBuf>,
    /// Salvage deleted messages too, as far as they are still there
    #[arg(long, requires = "salvage")]
    deleted: bool,
    /// Look at the store in this folder, such as one that was moved aside; no daemon must have it
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let (store, owned, has_daemon) = match &args.store {
        Some(store) => (there(store)?, store.clone(), false),
        None => {
            let config = machine(&context.config)?;
            let has_daemon = daemon_of(&config)?.is_some();
            (config.state_dir.join("store"), config.state_dir, has_daemon)
        }
    };
    if let Some(dir) = &args.salvage {
        if has_daemon || holder(&store).is_some() {
            return Err(in_use(&store));
        }
        return salvage(context, &store, dir, args);
    }
    let checked = if has_daemon {
        let mut moment = Moment::freeze(context)?;
        let frozen = moment.frozen.clone();
        let checked = check(&store, Some(&frozen), args.deep, || moment.tell_alive());
        moment.let_go()?;
        checked?
    } else {
        if args.store.is_none() {
            say("restante: the daemon is not running: looking at the store directly");
        }
        as_owner(&owned, || check(&store, None, args.deep, || {}))?
    };
    if args.json {
        json::print(context, &checked)?;
    } else {
        tell(context, &checked.faults)?;
        let Checked { faults, segments, entries, queued, .. } = &checked;
        let so = if faults.is_empty() { "all is well" } else { "NOT all is well" };
        writeln!(context.out, "{so}: {segments} segments, {entries} messages in mailboxes, {queued} queued")?;
    }
    Ok(answer(checked.worst()))
}

/// A folder that somebody has named, if it is one of a store: a slip of the pen is no broken store.
fn there(store: &Path) -> Result<PathBuf, Failure> {
    if store.join("log").is_dir() {
        return Ok(store.to_owned());
    }
    let fault = control::Fault::new(Code::NotFound, format!("there is no store in {}", store.display()));
    Err(fault.hint("--store takes the folder that has log/ in it").into())
}

/// What sled writes when it is opened shall be the service's.
fn as_owner<T: Send>(owned: &Path, work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    let work = || {
        identity::become_service(owned).map_err(|error| Failure::Io(owned.into(), error))?;
        work()
    };
    let ended = std::thread::scope(|scope| scope.spawn(work).join());
    ended.unwrap_or_else(|_| Err(control::Fault::internal("the check broke off").into()))
}

fn check(
    store: &Path,
    frozen: Option<&Frozen>,
    deep: bool,
    mut alive: impl FnMut(),
) -> Result<Checked, Failure> {
    let mut bar: Option<Bar> = None;
    let checked = fsck::check(store, frozen, deep, &mut |Progress { done, of }| {
        bar.get_or_insert_with(|| Bar::new(of, "segments")).to(done);
        alive();
    });
    checked.map_err(|error| match error {
        OpenError::Locked(_) => in_use(store),
        OpenError::Io(error) => Failure::Io(store.into(), error),
        error => Failure::Unavailable(format!("the store in {}: {error}", store.display())),
    })
}

fn in_use(store: &Path) -> Failure {
    let fault = control::Fault::new(Code::Unavailable, format!("{} is in use", store.display()));
    fault.hint("systemctl stop restante").into()
}

fn salvage(context: &mut Context<'_>, store: &Path, dir: &Path, args: &Args) -> Result<Answer, Failure> {
    let mut bar: Option<Bar> = None;
    let wanted = Wanted { deleted: args.deleted };
    let salvaged = fsck::salvage(store, dir, wanted, &mut |Progress { done, of }| {
        bar.get_or_insert_with(|| Bar::new(of / MIB, "MiB")).to(done / MIB);
    });
    drop(bar);
    let salvaged = salvaged.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Exists(error.to_string()),
        _ => Failure::Io(dir.into(), error),
    })?;
    if args.json {
        json::print(context, &salvaged)?;
    } else {
        tell(context, &salvaged.faults)?;
        let Salvaged { mailboxes, queued, unknown, deleted, .. } = &salvaged;
        writeln!(
            context.out,
            "salvaged into {}: {mailboxes} messages of mailboxes, {queued} queued, {unknown} of unknown place, \
             {deleted} deleted",
            dir.display()
        )?;
    }
    // What is out is out: a store that is broken is no reason to say that this was not done.
    Ok(if salvaged.faults.is_empty() { Answer::Yes } else { Answer::No })
}

fn tell(context: &mut Context<'_>, faults: &[Fault]) -> Result<(), Failure> {
    for Fault { grade, place, what, whom } in faults {
        let grade = match grade {
            Grade::Mends => "mends",
            Grade::Mail => "mail",
            Grade::Fatal => "FATAL",
        };
        writeln!(context.out, "{grade:<6} {place}: {what}")?;
        for whom in whom {
            writeln!(context.out, "       {whom}")?;
        }
    }
    Ok(())
}

fn answer(worst: Option<Grade>) -> Answer {
    match worst {
        None => Answer::Yes,
        Some(Grade::Mends | Grade::Mail) => Answer::No,
        Some(Grade::Fatal) => Answer::Broken,
    }
}
