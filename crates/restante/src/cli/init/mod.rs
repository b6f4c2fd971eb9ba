//! The first configuration of a machine.

mod answers;
mod certificate;
mod texts;

use std::path::{Path, PathBuf};

use directory::password;
use mail::Secret;

use super::{Answer, Context, Failure};
use crate::config::replace::{Access, create, create_folder};
use crate::config::{self, File, Texts};
use crate::identity;
use answers::Answers;

/// Write the three files of a new configuration
///
/// Asks for what is not given as an option when there is a terminal. Each mailbox gets a password that is made
/// up and printed once; only its hash is written. Without --certificate a self-signed one is made. Nothing
/// that is there is overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Our name, as other servers look it up
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// The domain to receive for
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// A mailbox; may be repeated, the first is postmaster
    #[arg(long = "mailbox", value_name = "NAME")]
    mailboxes: Vec<String>,
    /// Which mailbox gets what nobody else has; unknown addresses are refused without
    #[arg(long, value_name = "MAILBOX")]
    catch_all: Option<String>,
    /// The certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The folder that the daemon keeps everything in; relative to the configuration folder
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where SMTP listens, such as [::]:25; may be repeated, as the next three
    #[arg(long, value_name = "ADDRESS")]
    listen_smtp: Vec<String>,
    /// Where LMTP listens, such as unix:/run/restante/lmtp.sock
    #[arg(long, value_name = "ADDRESS")]
    listen_lmtp: Vec<String>,
    /// Where POP3 listens, such as [::]:110
    #[arg(long, value_name = "ADDRESS")]
    listen_pop3: Vec<String>,
    /// Where POP3 over TLS listens, such as [::]:995
    #[arg(long, value_name = "ADDRESS")]
    listen_pop3s: Vec<String>,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

/// A file that is about to be written.
struct Planned {
    path: PathBuf,
    octets: Vec<u8>,
    /// Whether it holds a secret.
    secret: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: Args) -> Result<Answer, Failure> {
    let dir =
        std::path::absolute(&context.config).map_err(|error| Failure::Io(context.config.clone(), error))?;
    refuse_to_overwrite(&dir, args.certificate.is_none())?;
    let answers = answers::gather(args)?;
    let passwords: Vec<String> = answers.mailboxes.iter().map(|_| password::generate()).collect();
    let hashes =
        passwords.iter().map(|text| password::hash(&Secret::from(text.as_bytes()))).collect::<Vec<_>>();
    let texts = Texts {
        dir: dir.clone(),
        restante: texts::restante(&answers, &dir),
        mailboxes: texts::mailboxes(&answers, &hashes),
        rules: texts::rules(&answers),
    };
    config::check(&texts).map_err(|faults| Failure::Unsound(faults, Vec::new()))?;
    write(&dir, plan(&dir, texts, &answers)?)?;
    report(context, &dir, &answers, &passwords)
}

/// The names of the pair that is made when none is given.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

fn refuse_to_overwrite(dir: &Path, with_pair: bool) -> Result<(), Failure> {
    let pair: &[&str] = if with_pair { &[CERTIFICATE, KEY] } else { &[] };
    let names = File::ALL.iter().map(|file| file.name()).chain(pair.iter().copied());
    let there: Vec<&str> = names.filter(|name| dir.join(name).symlink_metadata().is_ok()).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(Failure::Exists(format!("{} already has {}; nothing was written", dir.display(), there.join(", "))))
}

fn plan(dir: &Path, texts: Texts, answers: &Answers) -> Result<Vec<Planned>, Failure> {
    let planned =
        |name: &str, text: String, secret| Planned { path: dir.join(name), octets: text.into(), secret };
    let mut files = vec![
        planned(File::Restante.name(), texts.restante, false),
        planned(File::Mailboxes.name(), texts.mailboxes, true),
        planned(File::Rules.name(), texts.rules, false),
    ];
    if answers.pair.is_none() {
        let made = certificate::self_signed(&answers.hostname)
            .map_err(|error| Failure::Unavailable(format!("cannot make a certificate: {error}")))?;
        files.push(planned(CERTIFICATE, made.certificate, false));
        files.push(planned(KEY, made.key, true));
    }
    Ok(files)
}

/// All files or none: what was written before one failed is taken away again.
fn write(dir: &Path, files: Vec<Planned>) -> Result<(), Failure> {
    // The service reads through its group; without such a user everything stays ours.
    let owner = identity::service_user().filter(|_| identity::is_root()).map(|user| (0, user.gid));
    create_folder(dir, Access { mode: 0o750, owner }).map_err(|error| Failure::Io(dir.into(), error))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for Planned { path, octets, secret } in files {
        let mode = if secret && owner.is_none() { 0o600 } else { 0o640 };
        if let Err(error) = create(&path, &octets, Access { mode, owner }) {
            for path in
                written.iter().chain([&path]).filter(|_| error.kind() != std::io::ErrorKind::AlreadyExists)
            {
                let _ = std::fs::remove_file(path);
            }
            return Err(Failure::Io(path, error));
        }
        written.push(path);
    }
    Ok(())
}

fn report(
    context: &mut Context<'_>,
    dir: &Path,
    answers: &Answers,
    passwords: &[String],
) -> Result<Answer, Failure> {
    let out = &mut *context.out;
    for (mailbox, password) in answers.mailboxes.iter().zip(passwords) {
        writeln!(out, "mailbox {mailbox}\tpassword {password}")?;
    }
    out.flush()?;
    let names = File::ALL.map(File::name).join(", ");
    super::say(&format!("restante: {names} are in {}; the passwords are shown only now", dir.display()));
    if answers.pair.is_none() {
        super::say(&format!(
            "restante: {CERTIFICATE} is self-signed, mail programs will ask about it; put a real pair in its place, or name one in [tls]"
        ));
    }
    let option =
        if dir == Path::new(super::CONFIG) { String::new() } else { format!(" --config {}", dir.display()) };
    super::say(&format!("restante: next, `restante check{option}`, then `restante serve{option}`"));
    Ok(Answer::Yes)
}
