//! What goes in by SMTP comes out by POP3: octet for octet below our fields, once per mailbox, to whom it was
//! sent and to nobody else.

mod addresses;
mod copies;
mod damage;
mod expiry;
mod listing;
mod octets;
mod quota;

use restante_tests::{Setup, Shared};

/// A mailbox for each test, so that all of them can run at the same time.
static APPLIANCE: Shared = Shared::new(|| {
    let mut setup = Setup::of(&[
        "alice", "bob", "carol", "dots", "chunks", "long", "big", "utf8", "forger", "sizes", "top", "folded",
    ]);
    setup.mailboxes.push_str(MORE);
    setup
});

const MORE: &str = r#"
addresses = ["f.olded"]

[[domain]]
name = "other.example"
aliases = ["other.example.net"]
catch-all = "office"
postmaster = "carol"

[[mailbox]]
name = "office"
password = "PASSWORD-HASH"

[[mailbox]]
name = "alice@other.example"
password = "PASSWORD-HASH"

[[mailbox]]
name = "login-only"
receives = false
password = "PASSWORD-HASH"

[[alias]]
address = "team@example.test"
to = ["alice", "bob"]

[[alias]]
address = "twice@example.test"
to = ["alice"]
duplicate = true

[[alias]]
address = "press-*@example.test"
to = ["bob"]

[[refuse]]
address = "closed@example.test"
text = "this address is closed"

[[refuse]]
address = "burned@other.example"
text = "burned in 2019"
"#;
