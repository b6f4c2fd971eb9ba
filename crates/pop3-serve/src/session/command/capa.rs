use super::{After, Before, Command, Context, No, Transaction};
use crate::session::capability;

/// CAPA before the login (RFC 2449 §5).
pub(super) fn before(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<Before, No> {
    command.none("CAPA")?;
    capability::list(capability::When::BeforeLogin, context);
    Ok(Before::Stay)
}

/// CAPA after it.
pub(super) fn after(
    state: &Transaction,
    command: &Command<'_>,
    context: &mut Context<'_, '_>,
) -> Result<After, No> {
    command.none("CAPA")?;
    capability::list(capability::When::AfterLogin { expire: state.expire }, context);
    Ok(After::Stay { progress: false })
}
