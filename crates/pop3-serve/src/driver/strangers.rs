use std::hash::{BuildHasher, RandomState};

use directory::Nearly;

/// What the log calls a login name that the directory does not know: it may be a password that was typed in the
/// wrong place, so it is not printed. A mark tells whether it was the same name as before; its key is random and
/// lives as long as the process, so that nobody can try words against it.
#[derive(Default)]
pub(super) struct Strangers(RandomState);

impl Strangers {
    /// The same where the directory knows who it would be but for its device or its team.
    pub(super) fn nearly(&self, name: &str, nearly: Option<Nearly>) -> String {
        match nearly {
            Some(Nearly::Device(mailbox)) => format!("{mailbox}+{}", self.called(name)),
            Some(Nearly::Team(mailbox)) => format!("{mailbox}/{}", self.called(name)),
            Some(Nearly::Member(mailbox, team)) => format!("{mailbox}/{team} (no member)"),
            None => self.called(name),
        }
    }

    pub(super) fn called(&self, name: &str) -> String {
        format!("(unknown {:06x})", self.0.hash_one(mail::fold(name)) & 0xff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use mail::MailboxName;

    use super::*;

    #[test]
    fn a_mark_is_the_same_for_the_same_name_and_says_nothing_of_it() {
        let strangers = Strangers::default();
        let mark = strangers.called("mallory");
        assert_eq!(mark, strangers.called("Mallory"));
        assert_ne!(mark, strangers.called("mallory2"));
        assert_ne!(mark, Strangers::default().called("mallory"), "the key is another in every process");
        assert_eq!(mark.len(), "(unknown 000000)".len());
    }

    #[test]
    fn of_a_slip_it_is_said_whose_it_was_and_not_what_was_typed() {
        let strangers = Strangers::default();
        let name = |text: &str| MailboxName::parse(text).expect("a name");
        let mark = strangers.called("alice+secret");
        let said = |nearly| strangers.nearly("alice+secret", nearly);
        assert_eq!(said(Some(Nearly::Device(name("alice")))), format!("alice+{mark}"));
        assert_eq!(said(Some(Nearly::Team(name("alice")))), format!("alice/{mark}"));
        assert_eq!(said(Some(Nearly::Member(name("alice"), name("sales")))), "alice/sales (no member)");
        assert_eq!(said(None), mark);
    }
}
