//! `restante who`: the sessions that collect mail now.

use pop3_serve::Present;
use serde::{Deserialize, Serialize};

use super::{NoArgs, Nothing, Verb};
use crate::control::{Call, Desk, Fault};

/// Who is logged in, the longest first.
#[derive(Debug)]
pub enum Who {}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The login, as it was typed.
    pub login: String,
    /// The views that it shows: a mailbox, with the view behind a slash where it is not the owner's.
    pub views: Vec<String>,
    /// The client's address; none on this machine's own socket.
    pub ip: Option<String>,
    /// When it logged in, in milliseconds since 1970.
    pub since_ms: u64,
    /// The version of TLS; none in the clear.
    pub tls: Option<String>,
    /// Messages that it was shown.
    pub messages: u64,
    /// Messages that it fetched so far.
    pub fetched: u64,
    /// Octets of those.
    pub fetched_octets: u64,
    /// Tops of messages that it looked at so far.
    pub tops: u64,
    /// Messages that it will be done with, when it says QUIT.
    pub marked: u64,
    /// What the client seems to be, by the order of its commands; none when that says nothing.
    pub client: Option<String>,
}

impl Verb for Who {
    const NAME: &'static str = "who";
    type Args = NoArgs;
    type Item = Item;
    type Answer = Option<Nothing>;

    async fn serve(desk: &Desk, _args: NoArgs, call: &mut Call) -> Result<Option<Nothing>, Fault> {
        for present in desk.daemon()?.pop3.present() {
            call.item(&Item::from(present), &[]).await?;
        }
        Ok(None)
    }
}

impl From<Present> for Item {
    fn from(present: Present) -> Self {
        let Present { login, views, ip, since_ms, tls, messages, tally, program } = present;
        Self {
            login,
            views,
            ip: ip.map(|ip| ip.to_string()),
            since_ms,
            tls: tls.map(str::to_owned),
            messages,
            fetched: tally.retrs,
            fetched_octets: tally.retr_octets,
            tops: tally.tops,
            marked: tally.marked,
            client: program.name().map(str::to_owned),
        }
    }
}
