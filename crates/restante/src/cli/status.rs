use super::{Answer, Context, Failure};
use crate::control::Reach;
use crate::control::verb::{NoArgs, status};

/// Say how the appliance is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &mut Context<'_>, _args: &Args) -> Result<Answer, Failure> {
    let client = Reach::daemon(&context.config)?;
    let found = client.ask::<status::Status>(&NoArgs {}, |_| {})?;
    writeln!(context.out, "restante {}, process {}", found.version, found.pid)?;
    Ok(Answer::Yes)
}
