//! `restante rules`: what rules would do, and what they did.

mod diff;
mod stats;
mod test;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use super::{Answer, Context, Failure};

/// Far past any rules that somebody writes.
const RULES_MAX: u64 = 64 << 20;

/// Try rules before they are in force, and see what those in force have done
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Test(test::Args),
    Diff(diff::Args),
    Stats(stats::Args),
}

impl Args {
    pub(super) fn is_json(&self) -> bool {
        match &self.what {
            What::Test(args) => args.json,
            What::Diff(args) => args.json,
            What::Stats(args) => args.json,
        }
    }
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Test(args) => test::run(context, args),
        What::Diff(args) => diff::run(context, args),
        What::Stats(args) => stats::run(context, args),
    }
}

/// The text of other rules than those of the configuration folder. It may come from a pipe, as the shell makes one for
/// what a command prints: whoever waits for that has typed it.
fn other(path: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => super::missing(path),
        _ => Failure::Io(path.into(), error),
    };
    let mut octets = Vec::new();
    let file = File::open(path).map_err(failed)?;
    if io::copy(&mut file.take(RULES_MAX + 1), &mut octets).map_err(failed)? > RULES_MAX {
        return Err(failed(io::Error::new(ErrorKind::FileTooLarge, "it is longer than 64 MiB")));
    }
    String::from_utf8(octets).map_err(|_| failed(io::Error::new(ErrorKind::InvalidData, "it is not UTF-8")))
}
