use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use mail::{MailboxName, ViewName};

use crate::Table;
use crate::password::Stored;

/// A password that was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose mail.
    pub mailbox: MailboxName,
    /// Which view of it.
    pub view: ViewName,
    /// The name of the password that was used, for log and trace.
    pub password: Option<String>,
    /// It was answered from the cache of verified logins.
    pub cached: bool,
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No such user, or the password is wrong: the peer is told the same for both.
    #[error("authentication failed")]
    Denied {
        /// The same wrong password as just before: a forgotten device, not a guess.
        repeated: bool,
    },
    /// No hashing permit in time (RFC 3206 SYS/TEMP).
    #[error("too many logins at once")]
    Busy,
}

/// Where a login comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(pub Option<IpAddr>);

/// One password of a mailbox, ready to be verified.
#[derive(Debug, Clone)]
pub(crate) struct StoredPassword {
    pub(crate) name: Option<String>,
    /// As the file has it: what the cache and the overlay know it by.
    pub(crate) configured: String,
    pub(crate) stored: Stored,
}

/// Who a login says to be, and what is verified for it.
#[derive(Debug)]
pub(crate) struct Claimant {
    /// What the cache knows the user by: the mailbox's name; of nobody, `?` and what was sent, which is no
    /// mailbox's name.
    pub(crate) user: String,
    /// None when nobody logs in by that name.
    pub(crate) mailbox: Option<MailboxName>,
    /// Of nobody, those of some mailbox, for their cost alone.
    pub(crate) passwords: Arc<[StoredPassword]>,
}

/// What a directory without any password verifies against: the parameters of new hashes.
const NOTHING_OPENS_IT: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static NOBODY: LazyLock<Arc<[StoredPassword]>> = LazyLock::new(|| {
    let stored = Stored::parse(NOTHING_OPENS_IT).expect("the constant is a PHC string");
    [StoredPassword { name: None, configured: NOTHING_OPENS_IT.into(), stored }].into()
});

impl Table {
    /// Reads a login name: `alice`, `alice@example.com`, by any name of the domain. It folds as addresses do,
    /// which is not SASLprep (RFC 5034 §4, RFC 6856 §2.2). Forms with `+` or `/`
    /// name no mailbox, and so nobody. None when no user can be called so at all.
    ///
    /// What nobody's name costs is what some mailbox's name costs, always the same one for the same name
    /// while `pick` and the table last: mailboxes with more passwords or other hashes do not stand out.
    pub(crate) fn claimant(&self, name: &str, pick: impl FnOnce(&str) -> u64) -> Option<Claimant> {
        if name.is_empty() || name.len() > 512 || name.chars().any(char::is_control) {
            return None;
        }
        if let Some(mailbox) = self.mailbox_named(name)
            && let Some(row) = self.mailboxes.get(mailbox)
            && !row.passwords.is_empty()
        {
            let passwords = Arc::clone(&row.passwords);
            return Some(Claimant { user: mailbox.to_string(), mailbox: Some(mailbox.clone()), passwords });
        }
        let user = format!("?{}", mail::fold(name));
        let count = u64::try_from(self.decoys.len()).unwrap_or(u64::MAX);
        let index = pick(&user).checked_rem(count).and_then(|index| usize::try_from(index).ok());
        let passwords = index.and_then(|index| self.decoys.get(index)).unwrap_or(&NOBODY);
        Some(Claimant { user, mailbox: None, passwords: Arc::clone(passwords) })
    }
}
