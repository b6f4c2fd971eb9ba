use super::failure::counted;
use super::{Answer, Context, Failure};
use crate::config::Severity;
use crate::control::verb::reload::{self, Change, How, Item, Reload};
use crate::control::{Reach, Said};

/// Let the running daemon read the three files again
///
/// Prints what is different now, and what waits for a restart. With any fault nothing changes, the faults are
/// printed, and the exit code is 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &mut Context<'_>, _args: &Args) -> Result<Answer, Failure> {
    let client = Reach::daemon(&context.config)?;
    let mut asked = client.begin::<Reload>(&reload::Args { colour: super::has_colour() })?;
    let mut errors = 0;
    let answer = loop {
        match asked.hear()? {
            Said::Item(Item::Fault { finding, text }, _) => {
                errors += usize::from(finding.severity == Severity::Error);
                super::say(&format!("{text}\n"));
            }
            Said::Item(Item::Change(change), _) => writeln!(context.out, "{}", line(&change))?,
            Said::Progress(_) => {}
            Said::Answer(answer) => break answer,
        }
    };
    if !answer.in_force {
        let count = counted(errors, "fault");
        super::say(&format!("restante: {count} in the configuration: the one before stays in force"));
        return Ok(Answer::No);
    }
    writeln!(context.out, "the configuration is in force")?;
    if !answer.restart.is_empty() {
        writeln!(context.out, "at a restart only: {}", answer.restart.join(", "))?;
    }
    Ok(Answer::Yes)
}

fn line(change: &Change) -> String {
    let how = match change.how {
        How::Added => "new",
        How::Changed => "changed",
        How::Removed => "gone",
    };
    format!("{} {}: {how}", change.what, change.name)
}
