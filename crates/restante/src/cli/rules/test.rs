use serde::Serialize;

use crate::cli::failure::counted;
use crate::cli::{Answer, Context, Failure, json};
use crate::control;

/// Run the tests of rules.toml
///
/// They also run at every load and reload. A test that fails is shown with what came instead, as a fault of the
/// configuration is (exit code 78).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints when every test passes.
#[derive(Debug, Serialize)]
struct Document {
    passed: Vec<String>,
}

pub(super) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let loaded = control::load(&context.config)?;
    let passed: Vec<String> = loaded.rules.set.run_tests().into_iter().map(|test| test.name).collect();
    if args.json {
        json::print(context, &Document { passed })?;
    } else if passed.is_empty() {
        writeln!(context.out, "rules.toml has no tests; a [[test]] table makes one")?;
    } else {
        writeln!(context.out, "{} passed", counted(passed.len(), "test"))?;
    }
    Ok(Answer::Yes)
}
