//! `restante rules`: what rules would do, and what they did.

mod diff;
mod stats;
mod test;

use super::{Answer, Context, Failure};

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
