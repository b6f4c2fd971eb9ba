use std::sync::Arc;

use super::Builder;
use crate::fault::Item;
use crate::login::StoredPassword;
use crate::password::{HashFault, Stored};
use crate::spec::{MailboxSpec, Password};

/// Most passwords of a mailbox: a wrong one is hashed against each.
const PASSWORDS_MAX: usize = 16;

impl Builder<'_> {
    pub(super) fn passwords(&mut self, index: usize, spec: &MailboxSpec) -> Arc<[StoredPassword]> {
        let item = Item::Mailbox(index);
        if spec.passwords.len() > PASSWORDS_MAX {
            let message =
                format!("`{}` has {} passwords: at most {PASSWORDS_MAX}", spec.name, spec.passwords.len());
            self.error(item, "passwords", PASSWORDS_MAX, message);
        }
        let mut passwords: Vec<StoredPassword> = Vec::new();
        let mut named = 0;
        for password in &spec.passwords {
            // The plain key has no list; places in `passwords` count those with a name.
            let (key, place) = match password.name {
                None => ("password", 0),
                Some(_) => ("passwords", named),
            };
            named += usize::from(password.name.is_some());
            if passwords.iter().any(|other| other.name == password.name) {
                let message = match &password.name {
                    Some(name) => format!("there is already a password `{name}` in this mailbox"),
                    None => "a mailbox has one password without a name".into(),
                };
                self.error(item, key, place, message);
                continue;
            }
            passwords.extend(self.password(index, spec, password, key, place));
        }
        passwords.into()
    }

    fn password(
        &mut self,
        index: usize,
        spec: &MailboxSpec,
        password: &Password,
        key: &'static str,
        place: usize,
    ) -> Option<StoredPassword> {
        let item = Item::Mailbox(index);
        if password.name.as_deref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control))
        {
            self.error(item, key, place, "a password's name is a word such as \"phone\"".into());
        }
        let stored = match Stored::parse(&password.hash) {
            Ok(stored) => stored,
            Err(fault) => {
                let hint = match fault {
                    HashFault::Unreadable | HashFault::Scheme(_) => "`restante passwd {}` writes one",
                    HashFault::Costly(_) => "`restante passwd {}` writes one with our parameters",
                };
                self.error(item, key, place, fault.to_string()).hint =
                    Some(hint.replacen("{}", &spec.name, 1));
                return None;
            }
        };
        if stored.is_weak() {
            let message = format!("a password hash of `{}` is weaker than those we make", spec.name);
            self.warning(item, key, place, message).hint = Some(format!(
                "it is strengthened at the next login (kept in the state folder); `restante passwd {}` does it here",
                spec.name
            ));
        }
        Some(StoredPassword { name: password.name.clone(), configured: password.hash.clone(), stored })
    }
}
