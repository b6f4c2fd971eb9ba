use std::time::Duration;

use serde::Serialize;

use super::failure::counted;
use super::{Answer, Context, Failure, json};
use crate::config::{Finding, Severity};
use crate::control::verb::reload::{self, Change, How, Item, Reload};
use crate::control::{Reach, Said};

/// How long a daemon may take to read three files.
const PATIENCE: Duration = Duration::from_secs(60);

/// Let the running daemon read the three files again
///
/// Prints what is different now, and what waits for a restart. With any fault nothing changes, the faults are
/// printed, and it exits with 78.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Document {
    in_force: bool,
    faults: Vec<Finding>,
    changes: Vec<Change>,
    waiting_for_restart: Vec<String>,
    /// What every verb says that finds the files unsound.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failed: Option<json::Failed>,
}

pub(crate) fn run(context: &mut Context<'_>, args: &Args) -> Result<Answer, Failure> {
    let client = Reach::daemon(&context.config)?.patience(PATIENCE)?;
    let mut asked = client.begin::<Reload>(&reload::Args { colour: super::has_colour() })?;
    let mut document = Document::default();
    loop {
        match asked.hear()? {
            Said::Item(Item::Fault { finding, text }, _) => {
                super::say(&format!("{text}\n"));
                document.faults.push(finding);
            }
            Said::Item(Item::Change(change), _) => document.changes.push(change),
            Said::Progress(_) => {}
            Said::Answer(answer) => {
                (document.in_force, document.waiting_for_restart) = (answer.in_force, answer.restart);
                break;
            }
        }
    }
    let errors = document.faults.iter().filter(|finding| finding.severity == Severity::Error).count();
    let words = format!("{} in the configuration: the one before stays in force", counted(errors, "fault"));
    if !document.in_force {
        document.failed = Some(json::Failed::of_configuration(words.clone(), document.faults.clone()));
    }
    match args.json {
        true => json::print(context, &document)?,
        false => context.out.write_all(text(&document).as_bytes())?,
    }
    if document.in_force {
        return Ok(Answer::Yes);
    }
    super::say(&format!("restante: {words}"));
    Ok(Answer::Faulty)
}

fn text(document: &Document) -> String {
    let mut lines: Vec<String> = document.changes.iter().map(line).collect();
    if document.in_force {
        lines.push("the configuration is in force".into());
    }
    if !document.waiting_for_restart.is_empty() {
        lines.push(format!("at a restart only: {}", document.waiting_for_restart.join(", ")));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn line(change: &Change) -> String {
    let how = match change.how {
        How::Added => "new",
        How::Changed => "changed",
        How::Removed => "gone",
    };
    let details = match change.details.as_slice() {
        [] => String::new(),
        details => format!(" ({})", details.join(", ")),
    };
    format!("{} {}: {how}{details}", change.what, change.name)
}
