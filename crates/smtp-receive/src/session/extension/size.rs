use super::{Extension, MailParameters, Parameter, always};
use crate::session::reply::Fault;

/// RFC 1870 §3, RFC 5321 §4.5.3.1.7: the limit is announced, and a message that is declared bigger is refused
/// at MAIL.
pub(super) const SIZE: Extension = Extension {
    keyword: "SIZE",
    offered: always,
    argument: |params| Some(params.message_size.to_string()),
    parameter: Some(Parameter { name: "SIZE", read }),
};

/// RFC 1870 §4, §6: one to twenty digits, once.
fn read(value: Option<&str>, parameters: &mut MailParameters) -> Result<(), Fault> {
    let is_number =
        |value: &&str| (1..=20).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit());
    let digits = value.filter(is_number).ok_or(Fault::Arguments)?;
    // Twenty digits may say more than 64 bits hold; no limit is that high.
    let size = digits.parse().unwrap_or(u64::MAX);
    match parameters.size.replace(size) {
        None => Ok(()),
        Some(_) => Err(Fault::Arguments),
    }
}
