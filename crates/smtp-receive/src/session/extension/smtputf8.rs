use super::{Extension, MailParameters, Parameter, always, no_argument};
use crate::session::reply::Fault;

/// RFC 6531 §3.1, §3.2, §3.4, §3.6: addresses and header fields beyond ASCII.
pub(super) const SMTPUTF8: Extension = Extension {
    keyword: "SMTPUTF8",
    offered: always,
    argument: no_argument,
    parameter: Some(Parameter { name: "SMTPUTF8", read }),
};

fn read(value: Option<&str>, parameters: &mut MailParameters) -> Result<(), Fault> {
    if value.is_some() || parameters.smtputf8 {
        return Err(Fault::Arguments);
    }
    parameters.smtputf8 = true;
    Ok(())
}
