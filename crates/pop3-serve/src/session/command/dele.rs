use super::{After, Command, Context, No, Transaction};

/// DELE msg (RFC 1939 §5): a mark, until QUIT.
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    let number = command.number("DELE message")?;
    state.maildrop.mark(number)?;
    context.responses.ok(format_args!("message {number} deleted"));
    Ok(After::Stay { progress: true })
}
