use super::{After, Command, Context, No};

/// NOOP (RFC 1939 §5).
pub(super) fn run(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<After, No> {
    command.none("NOOP")?;
    context.responses.ok(format_args!("here"));
    Ok(After::Stay { progress: false })
}
