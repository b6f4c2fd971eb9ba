use super::{After, Command, Context, Kind, No, Transaction};

/// UIDL [msg] (RFC 1939 §7).
pub(super) fn run(
    state: &mut Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    match command.optional_number("UIDL [message]")? {
        Some(number) => {
            let (index, entry) = state.maildrop.find(number)?;
            context.responses.ok_listed(Kind::Unique, index, &entry);
            Ok(After::Stay { progress: true })
        }
        None => {
            context.responses.ok(format_args!("{} messages", state.maildrop.count()));
            Ok(After::List(Kind::Unique))
        }
    }
}
