use super::{After, Before, Command, Context, No};

/// QUIT before the login (RFC 1939 §4).
pub(super) fn before(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<Before, No> {
    command.none("QUIT")?;
    context.responses.ok(format_args!("bye"));
    Ok(Before::Quit)
}

/// QUIT after it (RFC 1939 §6): answered when the deletions are durable.
pub(super) fn after(command: &Command<'_>) -> Result<After, No> {
    command.none("QUIT")?;
    Ok(After::Update)
}
