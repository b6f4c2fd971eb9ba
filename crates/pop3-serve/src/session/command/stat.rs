use super::{After, Command, Context, No, Transaction};

/// STAT (RFC 1939 §5): nothing but the two numbers, for some clients read them to the end of the line.
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    command.none("STAT")?;
    context.responses.ok(format_args!("{} {}", state.maildrop.count(), state.maildrop.octets()));
    Ok(After::Stay { progress: true })
}
