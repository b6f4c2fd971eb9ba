use super::{Authorization, Before, Command, Context, Fault, No};

/// USER name (RFC 1939 §7, RFC 6856 §2.2). Answered the same whether or not there is such a user (RFC 1939
/// §13, RFC 3206 §5).
pub(super) fn run(
    state: &mut Authorization,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<Before, No> {
    let name = command.argument();
    if name.is_empty() {
        return Err(Fault::Usage("USER name").into());
    }
    // Control characters of ASCII are out already; UTF-8 has some more (U+0080 to U+009F).
    let name = std::str::from_utf8(name).map_err(|_| Fault::NotUtf8)?;
    if name.chars().any(char::is_control) {
        return Err(Fault::Control.into());
    }
    state.user = Some(name.to_owned());
    context.responses.ok(format_args!("send PASS"));
    Ok(Before::Stay)
}
