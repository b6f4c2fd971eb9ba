use std::hash::{BuildHasher, RandomState};

/// What the log calls a login name that the directory does not know: it may be a password that was typed in the
/// wrong place, so it is not printed. A mark tells whether it was the same name as before; its key is random and
/// lives as long as the process, so that nobody can try words against it.
#[derive(Default)]
pub(super) struct Strangers(RandomState);

impl Strangers {
    pub(super) fn called(&self, name: &str) -> String {
        format!("(unknown {:06x})", self.0.hash_one(mail::fold(name)) & 0xff_ffff)
    }
}

#[cfg(test)]
mod tests {
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
}
