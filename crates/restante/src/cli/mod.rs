//! The command line: one file per verb.
//!
//! A verb answers yes or no, or fails for a [`Failure`]; this file alone turns that into words on standard
//! error and an exit code.

mod backup;
mod check;
mod completions;
mod explain;
mod export;
mod failure;
mod firing;
mod fsck;
mod import;
mod init;
mod json;
mod mailbox;
mod man;
mod members;
mod moved;
mod passwd;
mod progress;
mod prompt;
mod quarantine;
mod recipients;
mod reload;
mod restore;
mod route;
mod rules;
mod serve;
mod status;
mod table;
mod team;
mod trace;
mod undo;
mod who;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::control::Code;

pub(crate) use explain::ruling;
pub use failure::Failure;
pub(crate) use failure::{counted, cure};

/// A mail-drop appliance: mail in by SMTP, kept until it is called for, out by POP3.
#[derive(Debug, Parser)]
#[command(name = "restante", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// Folder of restante.toml, mailboxes.toml and rules.toml
    #[arg(long, global = true, value_name = "DIR", default_value = CONFIG)]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

/// Where the three files are unless somebody says otherwise.
const CONFIG: &str = "/etc/restante";

const EXIT_CODES: &str = "\
Exit codes: 0 done, or the answer is yes; 1 the answer is no, or not healthy; 2 wrong use; 3 the store must be \
salvaged or restored; 78 the configuration has faults; 65 what was given does not fit; 66, 69, 70, 73, 74, 76, 77 as in sysexits.h: input missing, \
unavailable (the daemon is not running), a fault of ours, cannot create, input/output error, the daemon is of \
another version, permission denied.";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Args),
    Serve(serve::Args),
    Status(status::Args),
    Who(who::Args),
    Trace(trace::Args),
    Undo(undo::Args),
    Reload(reload::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Fsck(fsck::Args),
    Check(check::Args),
    Route(route::Args),
    Explain(explain::Args),
    Rules(rules::Args),
    Recipients(recipients::Args),
    Quarantine(quarantine::Args),
    Passwd(passwd::Args),
    Mailbox(mailbox::Args),
    Team(team::Args),
    Import(import::Args),
    Export(export::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What a verb found when it did what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or so.
    Yes,
    /// It is not so.
    No,
    /// It is so broken that nothing else can be done with it.
    Broken,
    /// The three files have faults, which were told.
    Faulty,
}

/// What every verb is given.
pub(crate) struct Context<'o> {
    /// The folder of the three files.
    pub(crate) config: PathBuf,
    /// Standard output.
    pub(crate) out: &'o mut dyn Write,
}

/// Reads the command line, does what it says, and answers with the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let mut context = Context { config: cli.config, out: &mut out };
    let json = cli.verb.is_json();
    let done = cli.verb.run(&mut context).and_then(|answer| {
        context.out.flush()?;
        Ok(answer)
    });
    match done {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::Broken) => ExitCode::from(3),
        Ok(Answer::Faulty) => ExitCode::from(Code::Config.exit()),
        // The reader has what it wanted: `restante recipients | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                // Standard error and the exit code say the same, if this cannot be read.
                let _ = json::print(&mut context, &json::Failed::from(&failure));
            }
            say(&failure.words(has_colour()));
            ExitCode::from(failure.code())
        }
    }
}

impl Verb {
    fn run(self, context: &mut Context<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Init(args) => init::run(context, args),
            Self::Serve(args) => serve::run(context, &args),
            Self::Status(args) => status::run(context, &args),
            Self::Who(args) => who::run(context, &args),
            Self::Trace(args) => trace::run(context, &args),
            Self::Undo(args) => undo::run(context, &args),
            Self::Reload(args) => reload::run(context, &args),
            Self::Backup(args) => backup::run(context, &args),
            Self::Restore(args) => restore::run(context, &args),
            Self::Fsck(args) => fsck::run(context, &args),
            Self::Check(args) => check::run(context, &args),
            Self::Route(args) => route::run(context, &args),
            Self::Explain(args) => explain::run(context, &args),
            Self::Rules(args) => rules::run(context, &args),
            Self::Recipients(args) => recipients::run(context, &args),
            Self::Quarantine(args) => quarantine::run(context, &args),
            Self::Passwd(args) => passwd::run(context, &args),
            Self::Mailbox(args) => mailbox::run(context, &args),
            Self::Team(args) => team::run(context, &args),
            Self::Import(args) => import::run(context, &args),
            Self::Export(args) => export::run(context, &args),
            Self::Completions(args) => completions::run(context, &args),
            Self::Man(args) => man::run(context, &args),
        }
    }

    /// Whether a program reads what it prints.
    fn is_json(&self) -> bool {
        match self {
            Self::Status(args) => args.json,
            Self::Who(args) => args.json,
            Self::Trace(args) => args.json,
            Self::Undo(args) => args.json,
            Self::Reload(args) => args.json,
            Self::Backup(args) => args.json,
            Self::Restore(args) => args.json,
            Self::Fsck(args) => args.json,
            Self::Check(args) => args.json,
            Self::Route(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Rules(args) => args.is_json(),
            Self::Recipients(args) => args.json,
            Self::Quarantine(args) => args.is_json(),
            Self::Mailbox(args) => args.is_json(),
            Self::Team(args) => args.json,
            Self::Import(args) => args.json,
            Self::Export(args) => args.json,
            Self::Init(_) | Self::Serve(_) | Self::Passwd(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// On a terminal, unless its owner wants none (no-color.org).
fn has_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A file that was named is not there.
fn missing(path: &std::path::Path) -> Failure {
    crate::control::Fault::new(
        crate::control::Code::NotFound,
        format!("{}: there is no such file", path.display()),
    )
    .into()
}

/// One piece of text for the person at the terminal. If even that cannot be written, nobody is there.
pub(crate) fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}

/// Says what is wrong without stopping anything.
pub(crate) fn warn(warnings: &crate::config::Faults) {
    if !warnings.is_empty() {
        say(&format!("{}\n", warnings.render(has_colour())));
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
