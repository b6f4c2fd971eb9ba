use super::{Answer, Context, Failure};
use crate::config;

/// Run the servers until they are told to stop
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &mut Context<'_>, _args: Args) -> Result<Answer, Failure> {
    let loaded = config::load(&context.config).map_err(Failure::Config)?;
    super::warn(&loaded.warnings);
    Err(Failure::Unavailable("this build has no servers".into()))
}
