use std::io::{self, IsTerminal};

use directory::password;
use mail::Secret;

use super::failure::counted;
use super::{Answer, Context, Failure, prompt};
use crate::config::{self, Edit, File, Sound};
use crate::control;

/// Set a password of a mailbox
///
/// Asks for it twice without showing it, or reads the first line of standard input; it has at least 12
/// characters. Only its argon2id hash is
/// written, into mailboxes.toml, where everything else stays as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The mailbox, by its name or its address
    mailbox: String,
    /// One of several passwords, such as one per device: its name stands in the log
    #[arg(long)]
    name: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with_all = ["generate", "remove"])]
    stdin: bool,
    /// Make one up and print it
    #[arg(long, conflicts_with = "remove")]
    generate: bool,
    /// Take the password away
    #[arg(long)]
    remove: bool,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    control::readable(&context.config, Sound::ButRules.files())?;
    let mut edit = Edit::open(&context.config, Sound::ButRules)?;
    let mailbox = edit.named(&args.mailbox)?;
    let name = args.name.as_deref();
    let which = name.map_or_else(|| format!("of `{mailbox}`"), |name| format!("`{name}` of `{mailbox}`"));
    if args.remove {
        edit.remove_password(&mailbox, name)?;
        edit.save()?;
        writeln!(context.out, "the password {which} is gone{RELOAD}")?;
        tell_of_rules(context);
        return Ok(Answer::Yes);
    }
    let generated = args.generate.then(password::generate);
    let secret = match &generated {
        Some(text) => Secret::from(text.as_bytes()),
        None => chosen(args.stdin)?,
    };
    edit.set_password(&mailbox, name, &password::hash(&secret));
    edit.save()?;
    if let Some(text) = generated {
        writeln!(context.out, "{text}")?;
    }
    super::say(&format!("the password {which} is in {}{RELOAD}", File::Mailboxes.name()));
    tell_of_rules(context);
    Ok(Answer::Yes)
}

/// What makes a change count.
pub(super) const RELOAD: &str = "; `restante reload` lets a running daemon read it";

/// Says that `rules.toml`, which was not looked at before, has faults: a reload is refused for them.
pub(super) fn tell_of_rules(context: &Context<'_>) {
    let faults = config::faults_of_rules(&context.config);
    if faults > 0 {
        let (name, faults) = (File::Rules.name(), counted(faults, "fault"));
        super::say(&format!("{name} has {faults}, and a reload waits for that: `restante check` shows what"));
    }
}

/// A password from a person or a pipe that is fit to be set.
pub(super) fn chosen(piped: bool) -> Result<Secret, Failure> {
    let fit = |secret: &Secret| {
        password::check_strength(secret).map_err(|why| Failure::Data(format!("{why}; nothing was written")))
    };
    if piped {
        let secret = prompt::piped_password().map_err(Failure::Input)?;
        fit(&secret)?;
        return Ok(secret);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "no terminal to ask at: give the password with --stdin, or --generate one".into(),
        ));
    }
    let secret = typed("New password")?;
    fit(&secret)?;
    let again = typed("Again")?;
    if secret.expose() != again.expose() {
        return Err(Failure::Data("the two are not the same; nothing was written".into()));
    }
    Ok(secret)
}

fn typed(question: &str) -> Result<Secret, Failure> {
    prompt::typed_password(question).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::Data("given up; nothing was written".into()),
        _ => Failure::Input(error),
    })
}
