//! What a connection takes while it waits. There are thousands, and nearly all of them wait: what a moment of a
//! connection's life needs must not be room that every one of them holds, nor be copied from hand to hand by those who
//! are at work. Boxes keep it out; these bounds keep the boxes in.

use net::{Conn, Handler, Permit};
use pop3_serve::Pop3;
use queue_sled::SledStore;
use smtp_receive::Smtp;

use super::gate::Gatekeeper;
use super::listeners::Reloadable;

/// What each may take.
const SMTP: usize = 4_096;
const POP3: usize = 4_096;

/// Octets of the future that serves one connection from its first octet to its last.
fn future_of<H, F>(_: fn(H, Conn, Permit) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn a_connection_that_waits_is_small() {
    let smtp = future_of(Reloadable::<Smtp<SledStore, Gatekeeper>>::handle);
    let pop3 = future_of(Reloadable::<Pop3<SledStore>>::handle);
    assert!(smtp <= SMTP, "{smtp} octets for SMTP");
    assert!(pop3 <= POP3, "{pop3} octets for POP3");
}
