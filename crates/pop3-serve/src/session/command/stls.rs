use super::{Before, Command, Context, Fault, No};

/// STLS (RFC 2595 §4). Octets that came behind it were not protected and may be somebody else's: they
/// end the session instead of being obeyed after the handshake.
pub(super) fn run(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<Before, No> {
    command.none("STLS")?;
    if !context.peer.tls_offered || context.peer.tls {
        return Err(Fault::NoTls.into());
    }
    if !context.last {
        context.responses.fault(Fault::BehindStls);
        return Ok(Before::Injected);
    }
    context.responses.ok(format_args!("begin TLS"));
    Ok(Before::Secure)
}
