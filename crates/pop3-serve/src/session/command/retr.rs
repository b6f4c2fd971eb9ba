use super::{After, Command, Context, Fetch, No, Transaction};

/// RETR msg (RFC 1939 §5), in as many octets as LIST said (RFC 6856 §2.1).
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    let (index, entry) = state.maildrop.find(command.number("RETR message")?)?;
    let ascii_only = context.params.utf8_fallback.refuses(state.utf8);
    Ok(After::Fetch(Fetch { index, octets: entry.octets, lines: None, ascii_only }))
}
