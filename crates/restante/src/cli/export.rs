use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write as _};
use std::path::{Path, PathBuf};

use mail::{ReversePath, Uid};

use super::moved::Moved;
use super::progress::Bar;
use super::{Answer, Context, Failure};
use crate::control::verb::export::{self, Export, Item};
use crate::control::{NoStore, Reach, Said, machine};
use crate::migrate::{MaildirWriter, MboxWriter};

/// Write the mail of a mailbox to a Maildir or an mbox
///
/// Oldest first, as POP3 serves it; lines end in LF. Nothing changes in the mailbox. A Maildir is added to:
/// run again, it gets what has come since. An mbox (mboxrd) must not be there yet, and is there when it is
/// whole. A message that cannot be read is named with its reason, and the exit code is then 1.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("to").required(true).args(["maildir", "mbox"]))]
pub(crate) struct Args {
    /// Mailbox that the mail comes from
    #[arg(long, value_name = "NAME")]
    mailbox: String,
    /// Maildir to write to: messages go into its folder `new`
    #[arg(long, value_name = "DIR")]
    maildir: Option<PathBuf>,
    /// mbox to write
    #[arg(long, value_name = "FILE")]
    mbox: Option<PathBuf>,
    /// Write the unique ids as well: lines `UIDL NAME`, as `import --uidl-from` reads them
    #[arg(long, value_name = "FILE")]
    uidl_to: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let reach = Reach::find(&context.config, NoStore::Refuse)?;
    let mut asked = reach.begin::<Export>(&export::Args { mailbox: args.mailbox.clone() })?;
    // The first item shows that the mailbox is there; before that nothing is made on the disk.
    let Said::Item(Item::Count(count), _) = asked.hear()? else {
        return Err(Failure::Unavailable("the daemon sends no mail".into()));
    };
    let host = machine(&context.config)?.hostname;
    let mut writing = Writing::begin(args, &host)?;
    let (mut bar, mut done) = (Bar::new(count, "messages"), 0);
    loop {
        match asked.hear()? {
            Said::Item(Item::Message { uid, uidl, received_ms, sender, octets }, part) => {
                let path = format!("<{sender}>");
                let sender = ReversePath::parse(&path).map_or(ReversePath::Null, |(sender, _)| sender);
                writing.message(Uid(uid), uidl, received_ms, &sender, octets)?;
                writing.write(&part)?;
                done += 1;
                bar.to(done);
            }
            Said::Item(Item::Part, part) => writing.write(&part)?,
            Said::Item(Item::Broken { uidl, why }, _) => {
                writing.abandon()?;
                writing.moved.failed(&bar, &uidl, &why);
            }
            Said::Item(Item::Count(_), _) | Said::Progress(_) => {}
            Said::Answer(_) => break,
        }
    }
    drop(bar);
    let (moved, path) = writing.close()?;
    moved.tell(context, args.json, &format!("written to {}", path.display()))
}

/// Mail on its way to the disk.
struct Writing {
    target: Target,
    path: PathBuf,
    list: Option<(PathBuf, BufWriter<File>)>,
    /// The message at hand.
    begun: Option<Begun>,
    moved: Moved,
}

enum Target {
    Maildir(MaildirWriter),
    Mbox(MboxWriter),
}

struct Begun {
    uidl: String,
    /// Its name in the Maildir.
    name: Option<String>,
    new: bool,
    /// Octets that are still to come.
    left: u64,
}

impl Writing {
    fn begin(args: &Args, host: &str) -> Result<Self, Failure> {
        let list = args.uidl_to.as_deref().map(|path| {
            let file = File::create_new(path).map_err(|error| not_made(path, error))?;
            Ok::<_, Failure>((path.to_owned(), BufWriter::new(file)))
        });
        let list = list.transpose()?;
        let (target, path) = match (&args.maildir, &args.mbox) {
            (Some(path), _) => (MaildirWriter::open(path, host).map(Target::Maildir), path),
            (None, Some(path)) => (MboxWriter::create(path).map(Target::Mbox), path),
            (None, None) => return Err(Failure::Usage("give --maildir DIR or --mbox FILE".into())),
        };
        let target = target.map_err(|error| not_made(path, error))?;
        Ok(Self { target, path: path.clone(), list, begun: None, moved: Moved::default() })
    }

    fn message(
        &mut self,
        uid: Uid,
        uidl: String,
        received_ms: u64,
        sender: &ReversePath,
        octets: u64,
    ) -> Result<(), Failure> {
        let begun = match &mut self.target {
            Target::Maildir(to) => to.begin(uid, received_ms).map(|(name, new)| (Some(name), new)),
            Target::Mbox(to) => to.begin(sender, received_ms).map(|()| (None, true)),
        };
        let (name, new) = self.written(begun)?;
        self.begun = Some(Begun { uidl, name, new, left: octets });
        Ok(())
    }

    /// The next octets of the message; with the last of them it is whole.
    fn write(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let Some(begun) = &mut self.begun else { return Ok(()) };
        begun.left = begun.left.saturating_sub(octets.len() as u64);
        let whole = begun.left == 0;
        let written = match &mut self.target {
            Target::Maildir(to) => to.write(octets),
            Target::Mbox(to) => to.write(octets),
        };
        self.written(written)?;
        if whole { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let Some(begun) = self.begun.take() else { return Ok(()) };
        let finished = match &mut self.target {
            Target::Maildir(to) => to.finish(),
            Target::Mbox(to) => to.finish(),
        };
        self.written(finished)?;
        *(if begun.new { &mut self.moved.messages } else { &mut self.moved.already }) += 1;
        let Some((path, list)) = &mut self.list else { return Ok(()) };
        let line = match begun.name {
            Some(name) => writeln!(list, "{} {name}", begun.uidl),
            None => writeln!(list, "{} {}", begun.uidl, self.moved.messages),
        };
        line.map_err(|error| Failure::Io(path.clone(), error))
    }

    /// The message at hand will not become whole.
    fn abandon(&mut self) -> Result<(), Failure> {
        if self.begun.take().is_none() {
            return Ok(());
        }
        let gone = match &mut self.target {
            Target::Maildir(to) => to.abandon(),
            Target::Mbox(to) => to.abandon(),
        };
        self.written(gone)
    }

    /// Makes all of it durable.
    fn close(self) -> Result<(Moved, PathBuf), Failure> {
        let closed = match self.target {
            Target::Maildir(mut to) => to.sync(),
            Target::Mbox(to) => to.close(),
        };
        closed.map_err(|error| not_made(&self.path, error))?;
        if let Some((path, list)) = self.list {
            let file = list.into_inner().map_err(IntoInnerError::into_error);
            file.and_then(|file| file.sync_all()).map_err(|error| Failure::Io(path, error))?;
        }
        Ok((self.moved, self.path))
    }

    fn written<T>(&self, outcome: io::Result<T>) -> Result<T, Failure> {
        outcome.map_err(|error| Failure::Io(self.path.clone(), error))
    }
}

fn not_made(path: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Exists(format!("{} is there already; give another name", path.display()))
        }
        _ => Failure::Io(path.to_owned(), error),
    }
}
