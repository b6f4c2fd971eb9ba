use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use mail::{MailboxName, ViewName};

use crate::Table;
use crate::password::Stored;

/// A password that was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose password it was.
    pub mailbox: MailboxName,
    /// The device that logged in, or the owner.
    pub view: ViewName,
    /// What it shows. Never empty: what it asked for is the first, then what `collect` adds to a mailbox's own
    /// login, in the order of the file.
    pub parts: Vec<Part>,
    /// The name of the password that was used, for log and trace.
    pub password: Option<String>,
    /// It was answered from the cache of verified logins.
    pub cached: bool,
}

/// One view that a login shows, and what its DELE does there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where the store keeps it: a mailbox, or a trash or a quarantine beside one.
    pub mailbox: MailboxName,
    /// Which view of it.
    pub view: ViewName,
    /// What DELE does.
    pub dele: Dele,
    /// A program's view, for one session at a time.
    pub robot: bool,
}

/// What DELE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dele {
    /// Done for this view alone; a releaser decides the rest.
    Done,
    /// Into the mailbox's trash, once no declared view wants it.
    Trash,
    /// Into the mailbox's trash, whichever of its members still wants it.
    TrashForAll,
    /// For good: the mailbox has no trash (then too once no declared view wants it), or this is its trash or its
    /// quarantine.
    Remove,
    /// Nothing: the message stays listed next time.
    Keep,
}

/// Whose login a name that nobody has would nearly be: for the log, never for the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nearly {
    /// This mailbox's, which has no such device; or there is no password, or a team behind a device.
    Device(MailboxName),
    /// This mailbox's, and there is no such team.
    Team(MailboxName),
    /// The first's, which is no member of the second or has no password.
    Member(MailboxName, MailboxName),
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
    /// What the cache knows the user by: the mailbox's name, whichever of its views is asked for; of nobody, `?`
    /// and what was sent, which is no mailbox's name.
    pub(crate) user: String,
    /// None when nobody logs in by that name.
    pub(crate) opens: Option<Opens>,
    /// Of nobody, those of some mailbox, for their cost alone.
    pub(crate) passwords: Arc<[StoredPassword]>,
}

/// What the right password lets a claimant see.
#[derive(Debug)]
pub(crate) struct Opens {
    pub(crate) mailbox: MailboxName,
    pub(crate) view: ViewName,
    pub(crate) parts: Vec<Part>,
}

/// Views that every mailbox has beside its own, so that no device can be called so.
pub(crate) const RESERVED_VIEWS: [&str; 2] = ["trash", "quarantine"];

/// What a directory without any password verifies against: the parameters of new hashes.
const NOTHING_OPENS_IT: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static NOBODY: LazyLock<Arc<[StoredPassword]>> = LazyLock::new(|| {
    let stored = Stored::parse(NOTHING_OPENS_IT).expect("the constant is a PHC string");
    [StoredPassword { name: None, configured: NOTHING_OPENS_IT.into(), stored }].into()
});

impl Table {
    /// Reads a login name, `name[+view][/team][@domain]`, whose grammar is that of [`Table::opens`]. It folds as
    /// addresses do, which is not SASLprep (RFC 5034 §4, RFC 6856 §2.2). None when no user can be called so at all.
    ///
    /// What nobody's name costs is what some mailbox's name costs, always the same one for the same name
    /// while `pick` and the table last: mailboxes with more passwords or other hashes do not stand out. A view
    /// that is not declared, or a team that she is no member of, makes a name that nobody has.
    pub(crate) fn claimant(&self, name: &str, pick: impl FnOnce(&str) -> u64) -> Option<Claimant> {
        if name.is_empty() || name.len() > 512 || name.chars().any(char::is_control) {
            return None;
        }
        if let Some(opens) = self.opens(name)
            && let Some(row) = self.mailboxes.get(&opens.mailbox)
        {
            let passwords = Arc::clone(&row.passwords);
            return Some(Claimant { user: opens.mailbox.to_string(), opens: Some(opens), passwords });
        }
        let user = format!("?{}", mail::fold(name));
        let count = u64::try_from(self.decoys.len()).unwrap_or(u64::MAX);
        let index = pick(&user).checked_rem(count).and_then(|index| usize::try_from(index).ok());
        let passwords = index.and_then(|index| self.decoys.get(index)).unwrap_or(&NOBODY);
        Some(Claimant { user, opens: None, passwords: Arc::clone(passwords) })
    }
}
