use serde::Serialize;

use super::failure::counted;
use super::firing::{self, Refusal};
use super::{Answer, Context, Failure, json};
use crate::config::{self, Finding};
use crate::control;
use crate::identity;

/// Check the three files and everything that they name, without starting anything
///
/// As root, the files are read as the service will read them: as the owner of the state folder, or as the
/// system user `restante` before there is one. Exits with 78 when something would stop `restante serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints; with faults it is the document of every failure, and they stand there.
#[derive(Debug, Serialize)]
struct Document {
    config_dir: String,
    domains: usize,
    mailboxes: usize,
    aliases: usize,
    closed_addresses: usize,
    /// When each rule that refuses can do so.
    refusals: Vec<Refusal>,
    warnings: Vec<Finding>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    // As root everything is readable; what the service cannot read would only show when it starts.
    let first = control::load(&context.config)?;
    identity::become_service(&first.config.state_dir)
        .map_err(|error| Failure::Io(first.config.state_dir.clone(), error))?;
    let loaded = config::load(&context.config).map_err(Failure::Config)?;
    super::warn(&loaded.warnings);
    let spec = &loaded.spec;
    let document = Document {
        config_dir: context.config.display().to_string(),
        domains: spec.domains.len(),
        mailboxes: spec.mailboxes.len(),
        aliases: spec.aliases.len(),
        closed_addresses: spec.refused.len(),
        refusals: firing::refusals(&loaded.rules.set),
        warnings: loaded.warnings.findings().collect(),
    };
    match args.json {
        true => json::print(context, &document)?,
        false => {
            for refusal in &document.refusals {
                writeln!(context.out, "{refusal}")?;
            }
            writeln!(context.out, "{}", text(&document))?;
        }
    }
    Ok(Answer::Yes)
}

fn text(document: &Document) -> String {
    let Document { config_dir, domains, mailboxes, aliases, closed_addresses, refusals: _, warnings } =
        document;
    let warnings = match warnings.len() {
        0 => String::new(),
        count => format!("; {}", counted(count, "warning")),
    };
    format!(
        "{config_dir}: {}, {}, {}, {}: no fault{warnings}",
        counted(*domains, "domain"),
        counted(*mailboxes, "mailbox"),
        counted(*aliases, "alias"),
        counted(*closed_addresses, "closed address"),
    )
}
