use super::{After, Command, Context, Fetch, No, Transaction};

/// TOP msg n (RFC 1939 §7): more lines than there are is all of them.
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    let (number, lines) = command.two_numbers("TOP message lines")?;
    let (index, entry) = state.maildrop.find(number)?;
    let ascii_only = context.params.utf8_fallback.refuses(state.utf8);
    Ok(After::Fetch(Fetch { index, octets: entry.octets, lines: Some(lines), ascii_only }))
}
