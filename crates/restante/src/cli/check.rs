use super::failure::counted;
use super::{Answer, Context, Failure};
use crate::{config, identity};

/// Check the three files and everything that they name, without starting anything
///
/// As root, the files are read as the service will read them: as the owner of the state folder, or as the
/// system user `restante` before there is one. Exits with 78 when something would stop `restante serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(context: &mut Context<'_>, _args: &Args) -> Result<Answer, Failure> {
    // As root everything is readable; what the service cannot read would only show when it starts.
    let first = config::load(&context.config).map_err(Failure::Config)?;
    identity::become_service(&first.config.state_dir)
        .map_err(|error| Failure::Io(first.config.state_dir.clone(), error))?;
    let loaded = config::load(&context.config).map_err(Failure::Config)?;
    super::warn(&loaded.warnings);
    let spec = &loaded.spec;
    let warnings = match loaded.warnings.warnings() {
        0 => String::new(),
        count => format!("; {}", counted(count, "warning")),
    };
    writeln!(
        context.out,
        "{}: {}, {}, {}, {}: no fault{warnings}",
        context.config.display(),
        counted(spec.domains.len(), "domain"),
        counted(spec.mailboxes.len(), "mailbox"),
        counted(spec.aliases.len(), "alias"),
        counted(spec.refused.len(), "closed address"),
    )?;
    Ok(Answer::Yes)
}
