use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use mail::{ReversePath, harmless};
use sha2::{Digest, Sha256};

use super::moved::Moved;
use super::progress::Bar;
use super::table::size;
use super::{Answer, Context, Failure, say};
use crate::control::verb::import::{self, Import, Item};
use crate::control::{AskedThere, Code, Fault, NoStore, Reach, Said};
use crate::migrate::{
    Letter, ListError, Maildir, Quoting, Text, Uidl, UidlFormat, UidlList, is_packed, mbox_letters,
    return_path,
};

/// Bring mail of another server into a mailbox
///
/// Messages come in the order of the old server, below what the mailbox has already, and are served as they
/// were: nothing is put on top of them. With --uidl-from they keep the unique ids that the old server printed,
/// so that programs that leave a copy on the server do not download everything again. Without it, a Maildir
/// message is called by the name of its file, and any other by its content.
///
/// Run again, it brings in what is not there yet. What cannot be brought in is named with its reason, and the
/// exit code is then 1. A quota does not stop an import.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true).args(["maildir", "mbox"]))]
pub(crate) struct Args {
    /// Mailbox that the mail comes into
    #[arg(long, value_name = "NAME")]
    mailbox: String,
    /// Maildir to read: the folder that has `cur` and `new` in it
    #[arg(long, value_name = "DIR")]
    maildir: Option<PathBuf>,
    /// Read this folder of the Maildir as well, such as `Sent`; may be given several times
    #[arg(long, value_name = "FOLDER", requires = "maildir")]
    folder: Vec<String>,
    /// mbox to read
    #[arg(long, value_name = "FILE")]
    mbox: Option<PathBuf>,
    /// How the mbox hides lines that begin with `From `
    #[arg(long, value_enum, default_value = "mboxrd", value_name = "HOW")]
    quoting: Quoting,
    /// Unique ids of the old server: its `dovecot-uidlist`, or lines `UIDL NAME`, where NAME is the name of a
    /// Maildir file or the number of a message, from 1
    #[arg(long, value_name = "FILE")]
    uidl_from: Option<PathBuf>,
    /// The old server's `pop3_uidl_format`, where that was not its default `%08Xu%08Xv`
    #[arg(long, value_name = "FORMAT", requires = "uidl_from")]
    uidl_format: Option<UidlFormat>,
    /// Read and check everything, and bring in nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let letters = read(args)?;
    all_different(&letters)?;
    let reach = Reach::find(&context.config, NoStore::Make)?;
    let asked = reach.begin::<Import>(&import::Args { mailbox: args.mailbox.clone() })?;
    let mut sending = Sending { asked, taken: HashMap::new(), copies: HashMap::new(), dry: args.dry_run };
    sending.learn()?;
    let mut moved = Moved::default();
    let mut bar = Bar::new(letters.len() as u64, "messages");
    let mut fit = 0;
    for (done, letter) in (1..).zip(&letters) {
        if !sending.asked.is_taken() {
            break;
        }
        match sending.send(letter)? {
            Sent::New => fit += 1,
            Sent::Already => moved.already += 1,
            Sent::Not(reason) => moved.failed(&bar, &letter.name, &reason),
        }
        bar.to(done);
    }
    sending.asked.end()?;
    let answer = sending.asked.answer(|_| {})?;
    drop(bar);
    moved.messages = if args.dry_run { fit } else { answer.messages };
    if let Some(quota) = answer.quota {
        let (name, holds, quota) = (&args.mailbox, size(answer.holds), size(quota));
        say(&format!(
            "restante: {name} holds {holds} now, of {quota} that it may: new mail for it is put off"
        ));
    }
    let done = if args.dry_run { "would be brought into" } else { "brought into" };
    moved.tell(context, args.json, &format!("{done} {}", args.mailbox))
}

/// Everything that there is to bring in, and what the old server called it.
fn read(args: &Args) -> Result<Vec<Letter>, Failure> {
    let list = args.uidl_from.as_deref().map(|path| UidlList::read(path, args.uidl_format.as_ref()));
    let mut list = list.transpose().map_err(no_list)?;
    let letters = match (&args.maildir, &args.mbox) {
        (Some(folder), _) => maildir(folder, &args.folder, list.as_mut())?,
        (None, Some(path)) if path.is_dir() => {
            return Err(Failure::Usage(format!("{} is a folder: use --maildir", path.display())));
        }
        (None, Some(path)) => {
            mbox_letters(path, args.quoting, list.as_mut()).map_err(|e| not_read(path, e))?
        }
        (None, None) => return Err(Failure::Usage("give --maildir DIR or --mbox FILE".into())),
    };
    if let (Some(list), Some(path)) = (&list, &args.uidl_from) {
        if args.uidl_format.is_some() && !list.is_ordered() {
            let path = path.display();
            say(&format!("restante: {path} is a plain list of unique ids: --uidl-format is not used"));
        }
        let unnamed = letters.iter().filter(|letter| letter.uidl.is_none()).count();
        if list.left() > 0 {
            let path = path.display();
            say(&format!("restante: {path}: {} of its lines name no message that is there", list.left()));
        }
        if unnamed > 0 {
            say(&format!("restante: {unnamed} messages have no unique id: they are called by their content"));
        }
    }
    Ok(letters)
}

fn maildir(path: &Path, folders: &[String], list: Option<&mut UidlList>) -> Result<Vec<Letter>, Failure> {
    if path.is_file() {
        return Err(Failure::Usage(format!("{} is a file: use --mbox", path.display())));
    }
    let maildir = Maildir::open(path).map_err(|error| not_read(path, error))?;
    for asked in folders {
        all_there(path, asked, &maildir.folders)?;
    }
    if list.is_none() && maildir.has_uidlist {
        let list = path.join("dovecot-uidlist");
        say(&format!(
            "restante: {list} is there: with `--uidl-from {list}` programs would not download this mail again",
            list = list.display()
        ));
    }
    let left = maildir.folders.iter().filter(|name| !folders.iter().any(|asked| is_folder(asked, name)));
    let left: Vec<&str> = left.map(String::as_str).collect();
    if !left.is_empty() {
        say(&format!(
            "restante: folders that are left out, --folder takes one in: {}",
            harmless(left.join(" "))
        ));
    }
    let found = maildir.letters(folders, list).map_err(|error| not_read(path, error))?;
    for name in &found.odd {
        say(&format!("restante: {} is no file, and so no message: it is left out", harmless(name)));
    }
    Ok(found.letters)
}

fn is_folder(asked: &str, name: &str) -> bool {
    asked.strip_prefix('.').unwrap_or(asked) == name.strip_prefix('.').unwrap_or(name)
}

/// A folder that is asked for and not there is a slip of the pen: what is there is named.
fn all_there(path: &Path, asked: &str, folders: &[String]) -> Result<(), Failure> {
    if folders.iter().any(|name| is_folder(asked, name)) {
        return Ok(());
    }
    let (path, asked) = (path.display(), asked.strip_prefix('.').unwrap_or(asked));
    let fault = Fault::new(Code::NotFound, format!("{path}: there is no folder `.{asked}` in it"));
    let there = harmless(folders.join(" "));
    Err(if there.is_empty() { fault } else { fault.hint(format!("there are: {there}")) }.into())
}

fn no_list(error: ListError) -> Failure {
    match error {
        ListError::Io(path, error) => not_read(&path, error),
        ListError::Line { .. } => Failure::Data(error.to_string()),
    }
}

fn not_read(path: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound if !path.exists() => {
            Fault::new(Code::NotFound, format!("{}: not there", path.display())).into()
        }
        io::ErrorKind::InvalidData => Failure::Data(format!("{}: {error}", path.display())),
        _ => Failure::Io(path.to_owned(), error),
    }
}

/// Two messages of one unique id would be one to every client.
fn all_different(letters: &[Letter]) -> Result<(), Failure> {
    let mut seen: HashMap<&Uidl, &str> = HashMap::new();
    for letter in letters {
        let Some(uidl) = &letter.uidl else { continue };
        if let Some(before) = seen.insert(uidl, &letter.name) {
            let (uidl, name) = (uidl.as_str(), &letter.name);
            let text = format!("`{uidl}` is the unique id of both {before} and {name}");
            return Err(Failure::Data(harmless(text)));
        }
    }
    Ok(())
}

const PACKED: &str = "it is packed or encrypted, and only the old server can read it: let that write a plain Maildir, such as \
     by `doveadm backup`";

/// What became of a message on this side.
enum Sent {
    New,
    Already,
    Not(String),
}

struct Sending {
    asked: AskedThere<Import>,
    /// The unique ids that are taken, and how long what has them is.
    taken: HashMap<String, u64>,
    /// How often each content was met that has no other name.
    copies: HashMap<[u8; 32], u32>,
    dry: bool,
}

impl Sending {
    /// What is there already.
    fn learn(&mut self) -> Result<(), Failure> {
        loop {
            match self.asked.hear()? {
                Said::Item(Item::Taken { uidl, octets }, _) => drop(self.taken.insert(uidl, octets)),
                Said::Item(Item::Ready, _) => return Ok(()),
                Said::Item(Item::Part | Item::Drop | Item::Message { .. }, _) | Said::Progress(_) => {}
                Said::Answer(_) => return Err(Failure::Unavailable("the daemon wants no mail".into())),
            }
        }
    }

    fn send(&mut self, letter: &Letter) -> Result<Sent, Failure> {
        let mut text = match letter.open() {
            Ok(text) => text,
            Err(error) => return Ok(Sent::Not(error.to_string())),
        };
        match &letter.uidl {
            Some(uidl) => match self.taken.get(uidl.as_str()) {
                Some(octets) => Ok(compare(&mut text, *octets)),
                None => self.pass_on(letter, text, Some(uidl)),
            },
            None => self.pass_on(letter, text, None),
        }
    }

    /// Sends the octets as they are read, and says at the end what they are; or that they are not wanted.
    fn pass_on(&mut self, letter: &Letter, mut text: Text, uidl: Option<&Uidl>) -> Result<Sent, Failure> {
        let (mut ahead, mut sender, mut begun) = (Vec::new(), letter.sender.clone(), false);
        let mut digest = uidl.is_none().then(Sha256::new);
        loop {
            let octets = match text.chunk() {
                Ok(Some(octets)) => octets,
                Ok(None) => break,
                Err(error) => {
                    self.item(&Item::Drop, &[])?;
                    return Ok(Sent::Not(error.to_string()));
                }
            };
            if let Some(digest) = &mut digest {
                digest.update(octets);
            }
            if begun {
                self.item(&Item::Part, &ahead)?;
            } else if is_packed(octets) {
                return Ok(Sent::Not(PACKED.into()));
            } else if sender.is_none() {
                sender = return_path(octets);
            }
            begun = true;
            ahead.clear();
            ahead.extend_from_slice(octets);
        }
        let uidl = match (uidl, digest) {
            (Some(uidl), _) => uidl.clone(),
            (None, digest) => self.name_by(digest.unwrap_or_default().finalize().into()),
        };
        if self.taken.contains_key(uidl.as_str()) {
            self.item(&Item::Drop, &[])?;
            return Ok(Sent::Already);
        }
        let sender = sender.unwrap_or(ReversePath::Null).to_string();
        let (uidl, received_ms) = (uidl.to_string(), letter.received_ms);
        self.item(&Item::Message { uidl, received_ms, sender }, &ahead)?;
        Ok(Sent::New)
    }

    /// What a message of that content is called; its equals are counted.
    fn name_by(&mut self, digest: [u8; 32]) -> Uidl {
        let copies = self.copies.entry(digest).or_default();
        *copies += 1;
        Uidl::of_content(&digest, *copies)
    }

    fn item(&mut self, item: &Item, octets: &[u8]) -> Result<(), Failure> {
        if self.dry { Ok(()) } else { self.asked.send(item, octets) }
    }
}

/// A message whose unique id is taken must be the one that has it.
fn compare(text: &mut Text, there: u64) -> Sent {
    let mut octets = 0;
    loop {
        match text.chunk() {
            Ok(Some(more)) => octets += more.len() as u64,
            Ok(None) => break,
            Err(error) => return Sent::Not(error.to_string()),
        }
    }
    if octets + if text.unterminated() { 2 } else { 0 } == there {
        return Sent::Already;
    }
    Sent::Not(format!("another message of {there} octets has its unique id already"))
}
