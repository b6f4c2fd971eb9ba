use super::{After, Command, Context, No, Transaction};

/// RSET (RFC 1939 §5): nothing is marked any more.
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    command.none("RSET")?;
    state.maildrop.unmark();
    let (messages, octets) = (state.maildrop.count(), state.maildrop.octets());
    context.responses.ok(format_args!("{messages} messages ({octets} octets)"));
    Ok(After::Stay { progress: false })
}
