use clap::CommandFactory;
use clap_complete::Shell;

use super::{Answer, Cli, Context, Failure};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "restante", &mut text);
    context.out.write_all(&text)?;
    Ok(Answer::Yes)
}
