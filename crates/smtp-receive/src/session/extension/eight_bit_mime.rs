use mail::Body;

use super::{Extension, MailParameters, Parameter, always, no_argument};
use crate::session::reply::Fault;

/// RFC 6152 §2, §3: octets with the high bit are taken as they are, declared or not (RFC 5321 §2.4).
pub(super) const EIGHT_BIT_MIME: Extension = Extension {
    keyword: "8BITMIME",
    offered: always,
    argument: no_argument,
    parameter: Some(Parameter { name: "BODY", read }),
};

fn read(value: Option<&str>, parameters: &mut MailParameters) -> Result<(), Fault> {
    let body = match value {
        Some(value) if value.eq_ignore_ascii_case("7BIT") => Body::SevenBit,
        Some(value) if value.eq_ignore_ascii_case("8BITMIME") => Body::EightBitMime,
        Some(_) | None => return Err(Fault::Arguments),
    };
    match parameters.body.replace(body) {
        None => Ok(()),
        Some(_) => Err(Fault::Arguments),
    }
}
