//! What puts load on the appliance, and the limits that it is held against. It knows addresses and
//! protocols, and nothing of what is measured with it.

pub(crate) mod figures;
pub(crate) mod pop3;
pub(crate) mod producers;
pub(crate) mod pump;
pub(crate) mod raw;
mod reply;
pub(crate) mod sender;
pub(crate) mod smtp;
pub(crate) mod wire;
