use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use queue_sled::backup::{self, Frozen, Progress};
use serde::Serialize;

use super::failure::counted;
use super::progress::Bar;
use super::{Answer, Context, Failure, json, table};
use crate::control::verb::NoArgs;
use crate::control::verb::freeze::{Freeze, Item};
use crate::control::{self, AskedThere, Code, Fault, NoStore, Reach, Said};

/// How often the daemon hears that a moment is still needed.
const ALIVE: Duration = Duration::from_secs(10);
pub(super) const MIB: u64 = 1 << 20;

/// Back up all mail into a folder, while the daemon runs or when it does not
///
/// Everything acknowledged before is in it. What is there from the last time is not copied again; until the new
/// state is complete the old one is valid, and a backup that was cut off goes on where it was. Only the store goes
/// in: keep the configuration and the TLS key apart from it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder for the backups of this store alone; made when it is not there, where the folder
    /// that it is in is
    dir: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Serialize)]
struct Done {
    files: u64,
    octets: u64,
    kept: u64,
    linked: u64,
    copied: u64,
    copied_octets: u64,
    removed: u64,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let dir = std::path::absolute(&args.dir).map_err(|error| Failure::Io(args.dir.clone(), error))?;
    fit(context, &dir)?;
    let mut moment = Moment::freeze(context)?;
    let frozen = moment.frozen.clone();
    let mut bar: Option<Bar> = None;
    let taken = backup::take(&frozen, &dir, &mut |Progress { done, of }| {
        bar.get_or_insert_with(|| Bar::new(of / MIB, "MiB")).to(done / MIB);
        moment.tell_alive();
    });
    drop(bar);
    let report = taken.map_err(Fault::from)?;
    let damaged = moment.let_go()?;
    let backup::Report { files, octets, kept, linked, copied, copied_octets, removed } = report;
    if args.json {
        json::print(context, &Done { files, octets, kept, linked, copied, copied_octets, removed })?;
    } else {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        writeln!(
            context.out,
            "backed up into {}: {}, {}; {kept} there from before, {linked} linked, {copied} copied ({}), {removed} removed",
            dir.display(),
            counted(count(files), "file"),
            table::size(octets),
            table::size(copied_octets),
        )?;
    }
    if !damaged.is_empty() {
        super::say(&format!(
            "restante: part of the log is damaged and was set aside, so it is in no new backup: {}; keep the older ones",
            damaged.join(", ")
        ));
    }
    Ok(Answer::Yes)
}

/// What can be refused before the store is held.
fn fit(context: &Context<'_>, dir: &Path) -> Result<(), Failure> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    let parent = match parent.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!("{} is not there", parent.display());
            return Err(Fault::new(Code::NotFound, text)
                .hint("of a path, only the last folder is made")
                .into());
        }
        // Whoever can go on says what is wrong.
        Err(_) => return Ok(()),
        Ok(parent) => parent,
    };
    let state = control::machine(&context.config)?.state_dir;
    let dir = dir.canonicalize().unwrap_or(parent);
    if state.canonicalize().is_ok_and(|state| dir.starts_with(state)) {
        let text =
            format!("the backup and the state folder {} must not lie inside each other", state.display());
        return Err(Fault::new(Code::Exists, text).hint("give a folder on another disk").into());
    }
    Ok(())
}

/// A moment of the store, from the daemon or from the store itself.
pub(super) struct Moment {
    asked: AskedThere<Freeze>,
    pub(super) frozen: Frozen,
    told: Instant,
}

impl Moment {
    pub(super) fn freeze(context: &Context<'_>) -> Result<Self, Failure> {
        let mut asked = Reach::find(&context.config, NoStore::Refuse)?.begin::<Freeze>(&NoArgs {})?;
        let frozen = loop {
            match asked.hear()? {
                Said::Item(Item::Frozen(frozen), _) => break frozen,
                Said::Item(Item::Alive, _) | Said::Progress(_) => {}
                Said::Answer(_) => return Err(Fault::internal("no moment of the store was given").into()),
            }
        };
        Ok(Self { asked, frozen, told: Instant::now() })
    }

    /// Without this the daemon takes us for gone. That it is gone itself is no harm: what it gave us lasts until it
    /// starts again.
    pub(super) fn tell_alive(&mut self) {
        if self.told.elapsed() > ALIVE {
            self.told = Instant::now();
            let _ = self.asked.send(&Item::Alive, &[]);
        }
    }

    /// What is known to be damaged. A daemon that stopped meanwhile has nothing to let go.
    pub(super) fn let_go(mut self) -> Result<Vec<String>, Failure> {
        if !self.asked.is_taken() {
            return Ok(Vec::new());
        }
        self.asked.end()?;
        Ok(self.asked.answer(|_| {}).map_or_else(|_| Vec::new(), |answer| answer.damaged))
    }
}
