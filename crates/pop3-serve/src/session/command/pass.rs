use mail::Secret;

use super::{Authorization, Before, Command, Credentials, Fault, No};

/// PASS string (RFC 1939 §7): all behind the one space is the password, spaces too, and octets that RFC
/// 6856 §2.2 would refuse. It uses up what USER said, right or wrong.
pub(super) fn run(state: &mut Authorization, command: &Command<'_>) -> Result<Before, No> {
    let user = state.user.take().ok_or(Fault::Usage("USER first"))?;
    if command.rest.is_empty() {
        return Err(Fault::Usage("PASS password").into());
    }
    Ok(Before::Login(Credentials { user, password: Secret::from(command.rest) }))
}
