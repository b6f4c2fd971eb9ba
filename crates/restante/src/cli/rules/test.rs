use std::path::PathBuf;

use serde::Serialize;

use crate::cli::failure::counted;
use crate::cli::{Answer, Context, Failure, json};
use crate::{config, control};

/// Run the tests of rules.toml, or of other rules before they are installed
///
/// They also run at every load and reload. A test that fails is shown with what came instead, as a fault of the
/// configuration is (exit code 78).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The other rules, in the place of rules.toml
    new: Option<PathBuf>,
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
    let loaded = match &args.new {
        Some(new) => {
            let text = super::other(new)?;
            let loaded = config::load_with_rules(&context.config, text, new).map_err(Failure::Config)?;
            crate::cli::warn(&loaded.warnings);
            loaded
        }
        None => control::load(&context.config)?,
    };
    let passed: Vec<String> = loaded.rules.set.run_tests().into_iter().map(|test| test.name).collect();
    if args.json {
        json::print(context, &Document { passed })?;
    } else if passed.is_empty() {
        let name = args.new.as_ref().map_or("rules.toml".into(), |new| new.display().to_string());
        writeln!(context.out, "{name} has no tests; a [[test]] table makes one")?;
    } else {
        writeln!(context.out, "{} passed", counted(passed.len(), "test"))?;
    }
    Ok(Answer::Yes)
}
