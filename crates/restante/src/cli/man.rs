use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;

use super::{Answer, Cli, Context, Failure};

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Such as /usr/local/share/man/man1
    dir: PathBuf,
}

pub(crate) fn run(_context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let failed = |error| Failure::Io(args.dir.clone(), error);
    fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)?;
    Ok(Answer::Yes)
}
