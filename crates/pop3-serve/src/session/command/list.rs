use super::{After, Command, Context, Kind, No, Transaction};

/// LIST [msg] (RFC 1939 §5).
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    match command.optional_number("LIST [message]")? {
        Some(number) => {
            let (index, entry) = state.maildrop.find(number)?;
            context.responses.ok_listed(Kind::Scan, index, &entry);
            Ok(After::Stay { progress: true })
        }
        None => {
            let (messages, octets) = (state.maildrop.count(), state.maildrop.octets());
            context.responses.ok(format_args!("{messages} messages ({octets} octets)"));
            Ok(After::List(Kind::Scan))
        }
    }
}
