use super::{Authorization, Before, Command, Context, No};

/// UTF8 (RFC 6856 §2, §2.1): from here on the client takes UTF-8 in headers.
pub(super) fn run(
    state: &mut Authorization,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<Before, No> {
    command.none("UTF8")?;
    state.utf8 = true;
    context.responses.ok(format_args!("UTF8 enabled"));
    Ok(Before::Stay)
}
