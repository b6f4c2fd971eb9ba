//! Changing `mailboxes.toml` for an admin: her comments and her order stay, and nothing is written that
//! could not be loaded.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use directory::Table;
use mail::MailboxName;
use rustix::fs::{FlockOperation, flock};
use toml::de::DeTable;
use toml_edit::{Array, ArrayOfTables, Decor, DocumentMut, InlineTable, Item, TableLike, Value};

use super::cut::{key_lines, table_lines, without};
use super::given::{Given, apart};
use super::load::{Loaded, Texts, check, check_before_write};
use super::replace::{Access, replace};
use super::{Fault, Faults, File, Severity};

/// Why an edit is not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The files already have faults.
    #[error("the configuration has faults")]
    Before(Faults),
    /// The edit would make some: at places of the file as it is, and in what it would write.
    #[error("the configuration would have faults")]
    After(Faults, Vec<Given>),
    /// There is such a mailbox: it is named there.
    #[error("there is already a mailbox `{0}` ({1})")]
    Exists(MailboxName, String),
    /// The mailbox is named elsewhere: the faults say where.
    #[error("mailbox `{0}` is still in use")]
    InUse(MailboxName, Faults),
    /// There is no such mailbox.
    #[error("there is no mailbox `{0}` in mailboxes.toml")]
    NoMailbox(String),
    /// The mailbox has no such password.
    #[error("mailbox `{0}` has no such password")]
    NoPassword(String),
    /// Somebody else is editing.
    #[error("another restante is editing {0}: try again")]
    Locked(PathBuf),
    /// The file cannot be read or written.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
}

/// What must have no fault before an edit, and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// All three files: a rule may name what is to go.
    All,
    /// `rules.toml` is not looked at: its fault may be that it names what is to come.
    ButRules,
}

impl Sound {
    /// The files that are looked at.
    pub const fn files(self) -> &'static [File] {
        match self {
            Self::All => &File::ALL,
            Self::ButRules => &[File::Restante, File::Mailboxes],
        }
    }
}

/// `mailboxes.toml` open for a change; the folder is locked until it is dropped.
#[derive(Debug)]
pub struct Edit {
    texts: Texts,
    table: Table,
    document: DocumentMut,
    path: PathBuf,
    _lock: fs::File,
}

impl Edit {
    /// Reads the file of a configuration folder whose text has no fault, as far as it must have none.
    pub fn open(dir: &Path, sound: Sound) -> Result<Self, EditError> {
        let path = dir.join(File::Mailboxes.name());
        let texts = || Texts::read_these(dir, sound.files()).map_err(EditError::Before);
        // Read twice: a folder that is not there has better words than a lock that fails.
        texts()?;
        let lock = fs::File::open(dir).map_err(|error| EditError::Io(dir.into(), error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| EditError::Locked(dir.into()))?;
        let texts = texts()?;
        let Loaded { table, .. } = check(&texts).map_err(EditError::Before)?;
        let document = texts.mailboxes.parse().map_err(|error: toml_edit::TomlError| {
            EditError::Io(
                path.clone(),
                io::Error::new(io::ErrorKind::InvalidData, error.message().to_owned()),
            )
        })?;
        Ok(Self { texts, table, document, path, _lock: lock })
    }

    /// The mailbox that a name or address of it means.
    pub fn named(&self, text: &str) -> Result<MailboxName, EditError> {
        self.table.mailbox_named(text).cloned().ok_or_else(|| EditError::NoMailbox(text.into()))
    }

    /// Sets the plain password of a mailbox, or the one with a name.
    pub fn set_password(&mut self, mailbox: &MailboxName, name: Option<&str>, hash: &str) {
        let Some(table) = self.mailbox(mailbox) else { return };
        let Some(name) = name else {
            set(table, "password", hash);
            return;
        };
        let list = table.entry("passwords").or_insert_with(|| Item::Value(Value::Array(Array::new())));
        match list {
            Item::ArrayOfTables(tables) => {
                let at = tables.iter().position(|table| is_named(table, name));
                match at.and_then(|at| tables.get_mut(at)) {
                    Some(table) => set(table, "hash", hash),
                    None => tables.push([("name", name), ("hash", hash)].into_iter().collect()),
                }
            }
            Item::Value(Value::Array(array)) => {
                let at = array.iter().position(|value| is_entry(value, name));
                match at.and_then(|at| array.get_mut(at)).and_then(Value::as_inline_table_mut) {
                    Some(table) => set(table, "hash", hash),
                    None => push(array, InlineTable::from_iter([("name", name), ("hash", hash)]).into()),
                }
            }
            Item::None | Item::Value(_) | Item::Table(_) => {}
        }
    }

    /// Takes the plain password of a mailbox away, or the one with a name.
    pub fn remove_password(&mut self, mailbox: &MailboxName, name: Option<&str>) -> Result<(), EditError> {
        let removed = match name {
            None => self.remove_plain_password(mailbox),
            Some(name) => self.remove_named_password(mailbox, name),
        };
        if removed { Ok(()) } else { Err(EditError::NoPassword(mailbox.to_string())) }
    }

    fn remove_plain_password(&mut self, mailbox: &MailboxName) -> bool {
        let text = self.document.to_string();
        if let Some(lines) = key_lines(&text, "mailbox", |t| self.is_it(t, mailbox), "password") {
            return self.cut(&text, lines);
        }
        self.mailbox(mailbox).is_some_and(|table| table.remove("password").is_some())
    }

    fn remove_named_password(&mut self, mailbox: &MailboxName, name: &str) -> bool {
        match self.mailbox(mailbox).and_then(|table| table.get_mut("passwords")) {
            Some(Item::ArrayOfTables(tables)) => {
                let at = tables.iter().position(|table| is_named(table, name));
                at.map(|at| tables.remove(at)).is_some()
            }
            Some(Item::Value(Value::Array(array))) => {
                let at = array.iter().position(|value| is_entry(value, name));
                at.map(|at| array.remove(at)).is_some()
            }
            Some(Item::None | Item::Value(_) | Item::Table(_)) | None => false,
        }
    }

    /// Adds a mailbox behind the others.
    pub fn add_mailbox(
        &mut self,
        name: &str,
        addresses: &[String],
        quota: Option<&str>,
        hash: Option<&str>,
    ) -> Result<(), EditError> {
        if let Some(there) = self.table.mailbox_named(name) {
            return Err(EditError::Exists(there.clone(), self.place_of(there)));
        }
        let mut table = toml_edit::Table::new();
        set(&mut table, "name", name);
        if !addresses.is_empty() {
            table.insert("addresses", Item::Value(Array::from_iter(addresses).into()));
        }
        for (key, value) in [("password", hash), ("quota", quota)] {
            if let Some(value) = value {
                set(&mut table, key, value);
            }
        }
        table.decor_mut().set_prefix("\n");
        match self.document.entry("mailbox").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new())) {
            Item::ArrayOfTables(tables) => {
                // Tables are written in the order of their positions; behind the last mailbox is before
                // whatever table follows it.
                let last = tables.iter().filter_map(toml_edit::Table::position).max();
                table.set_position(last);
                tables.push(table);
            }
            Item::Value(Value::Array(array)) => push(array, table.into_inline_table().into()),
            Item::None | Item::Value(_) | Item::Table(_) => {}
        }
        Ok(())
    }

    /// Where a mailbox has its name in the file: `path:line:column`.
    fn place_of(&self, mailbox: &MailboxName) -> String {
        let text = &self.texts.mailboxes;
        let found = DeTable::parse(text).ok().and_then(|document| {
            let tables = document.get_ref().get("mailbox")?.get_ref().as_array()?;
            let mut tables = tables.iter().filter_map(|item| item.get_ref().as_table());
            Some(tables.find(|table| self.is_it(table, mailbox))?.get("name")?.span())
        });
        let mut place = Faults::default();
        place.add_source(File::Mailboxes, self.path.clone(), text);
        place.extend(found.map(|span| Fault::error(File::Mailboxes, span, "")));
        place.findings().next().map_or_else(|| self.path.display().to_string(), |finding| finding.place())
    }

    /// Takes a mailbox out, with the comments between its keys, unless something else in the file names it.
    pub fn remove_mailbox(&mut self, mailbox: &MailboxName) -> Result<(), EditError> {
        let text = self.document.to_string();
        if let Some(lines) = table_lines(&text, "mailbox", |t| self.is_it(t, mailbox)) {
            self.cut(&text, lines);
        } else if let Some(Item::Value(Value::Array(array))) = self.document.get_mut("mailbox") {
            let table = &self.table;
            array.retain(|value| !value.as_inline_table().is_some_and(|t| is_mailbox(table, t, mailbox)));
        }
        let faults = self.names_left(mailbox, &text);
        if faults.is_empty() { Ok(()) } else { Err(EditError::InUse(mailbox.clone(), faults)) }
    }

    /// Where `before`, the text that still had the mailbox, names it: the faults of the text without it.
    fn names_left(&self, mailbox: &MailboxName, before: &str) -> Faults {
        let mut left = Faults::default();
        left.add_source(File::Mailboxes, self.path.clone(), before);
        let after = self.document.to_string();
        let Err(faults) = check(&Texts { mailboxes: after.clone(), ..self.texts.clone() }) else {
            return left;
        };
        // One piece is gone: what stands behind it has moved by its length.
        let same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
        let gone = before.len().saturating_sub(after.len());
        let moved = |place: usize| if place < same { place } else { place + gone };
        for fault in faults.iter().filter(|f| f.severity == Severity::Error && f.file == File::Mailboxes) {
            let Some(span) = &fault.span else { continue };
            let span = moved(span.start)..moved(span.end.max(span.start + 1) - 1) + 1;
            let message = format!("`{mailbox}` is still {} here", role(&before[..span.start]));
            let fault = Fault::error(File::Mailboxes, span, message);
            left.push(fault.hint("name another mailbox here first, or take this out"));
        }
        left
    }

    /// Whether the new text could be put in the place of the old.
    pub fn check(&self) -> Result<(), EditError> {
        let texts = Texts { mailboxes: self.document.to_string(), ..self.texts.clone() };
        match check_before_write(&texts) {
            Ok(_) => Ok(()),
            Err(faults) => {
                let before = (self.path.as_path(), self.texts.mailboxes.as_str());
                let (there, given) = apart(faults, before, &texts.mailboxes);
                Err(EditError::After(there, given))
            }
        }
    }

    /// Checks the new text and puts it in the place of the old, with its mode and owner.
    pub fn save(self) -> Result<(), EditError> {
        self.check()?;
        let text = self.document.to_string();
        Access::like(&self.path)
            .and_then(|access| replace(&self.path, text.as_bytes(), access))
            .map_err(|error| EditError::Io(self.path.clone(), error))
    }

    /// Whether it worked: what is left after whole keys or tables went is TOML.
    fn cut(&mut self, text: &str, lines: Range<usize>) -> bool {
        without(text, lines).parse().map(|document| self.document = document).is_ok()
    }

    fn is_it(&self, table: &DeTable<'_>, mailbox: &MailboxName) -> bool {
        let name = table.get("name").and_then(|name| name.get_ref().as_str());
        name.and_then(|name| self.table.mailbox_named(name)) == Some(mailbox)
    }

    fn mailbox(&mut self, mailbox: &MailboxName) -> Option<&mut dyn TableLike> {
        let table = &self.table;
        match self.document.get_mut("mailbox")? {
            Item::ArrayOfTables(tables) => {
                let found = tables.iter_mut().find(|t| is_mailbox(table, *t, mailbox));
                found.map(|t| t as &mut dyn TableLike)
            }
            Item::Value(Value::Array(array)) => {
                let mut inline = array.iter_mut().filter_map(Value::as_inline_table_mut);
                inline.find(|t| is_mailbox(table, *t, mailbox)).map(|t| t as &mut dyn TableLike)
            }
            Item::None | Item::Value(_) | Item::Table(_) => None,
        }
    }
}

/// What the value that comes next makes of the mailbox it names: by the key that it stands behind, which is lines
/// above it in a list that is written line by line.
fn role(before: &str) -> &'static str {
    let key = |line: &str| match line.trim_start().split(['=', ' ']).next() {
        Some("postmaster") => Some("the postmaster"),
        Some("catch-all") => Some("the catch-all"),
        Some("members" | "login") => Some("a member of a team"),
        Some("collect") => Some("collected"),
        Some("to") => Some("an alias's target"),
        Some(_) | None => None,
    };
    before.rsplit('\n').find_map(key).unwrap_or("named")
}

fn is_mailbox(directory: &Table, table: &dyn TableLike, mailbox: &MailboxName) -> bool {
    let name = table.get("name").and_then(Item::as_str);
    name.and_then(|name| directory.mailbox_named(name)) == Some(mailbox)
}

fn is_named(table: &dyn TableLike, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

fn is_entry(value: &Value, name: &str) -> bool {
    value.as_inline_table().is_some_and(|table| is_named(table, name))
}

/// Adds to a list; in one that is written line by line the new entry has its own, and a comment behind the
/// last one stays there.
fn push(array: &mut Array, mut entry: Value) {
    let behind = array.trailing().as_str().unwrap_or_default();
    if !array.trailing_comma() || !behind.contains('\n') {
        array.push(entry);
        return;
    }
    let prefix = format!("{}\n  ", behind.trim_end());
    *entry.decor_mut() = Decor::new(prefix, "");
    array.push_formatted(entry);
    array.set_trailing("\n");
}

/// Sets a string; what stands around an old one, such as a comment behind it, stays.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    let mut value = Value::from(text);
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(key, Item::Value(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::replace::create;

    const RESTANTE: &str = "hostname = \"mx.example.com\"\n";
    const MAILBOXES: &str = r#"# ours
[[domain]]
name = "example.com" # first
postmaster = "alice"

# the boss
[[mailbox]]
name = "alice"
password = "{old}" # changed in May

[[mailbox]] # helper
name = "bob"
passwords = [
  { name = "phone", hash = "{old}" }, # blue one
]

# aliases
[[alias]]
address = "info"
to = ["alice"]
"#;
    /// A hash of nothing that anybody knows.
    const OLD: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const NEW: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$BBBBBBBBBBBBBBBBBBBBBA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn edited(change: impl FnOnce(&mut Edit)) -> Result<String, EditError> {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("restante.toml"), RESTANTE).expect("written");
        let access = Access { mode: 0o600, owner: None };
        create(&dir.path().join("mailboxes.toml"), before().as_bytes(), access).expect("written");
        let mut edit = Edit::open(dir.path(), Sound::All)?;
        change(&mut edit);
        edit.save()?;
        Ok(fs::read_to_string(dir.path().join("mailboxes.toml")).expect("there"))
    }

    fn before() -> String {
        MAILBOXES.replace("{old}", OLD)
    }

    #[test]
    fn a_password_changes_and_everything_round_it_stays() {
        let text = edited(|edit| {
            let alice = edit.named("Alice@EXAMPLE.com").expect("there");
            edit.set_password(&alice, None, NEW);
        });
        assert_eq!(text.expect("saved"), before().replacen(OLD, NEW, 1));
        let text = edited(|edit| {
            let bob = edit.named("bob").expect("there");
            edit.set_password(&bob, Some("phone"), NEW);
            edit.set_password(&bob, Some("tablet"), NEW);
            edit.set_password(&bob, None, NEW);
        })
        .expect("saved");
        assert!(text.contains(&format!("{{ name = \"phone\", hash = \"{NEW}\" }}, # blue one")), "{text}");
        assert!(text.contains(&format!("\n  {{ name = \"tablet\", hash = \"{NEW}\" }},\n]")), "{text}");
        assert!(text.contains(&format!("\npassword = \"{NEW}\"\n")), "{text}");
    }

    #[test]
    fn passwords_go_one_by_one() {
        let text = edited(|edit| {
            let (alice, bob) = (edit.named("alice").expect("there"), edit.named("bob").expect("there"));
            edit.remove_password(&alice, None).expect("had one");
            edit.remove_password(&bob, Some("phone")).expect("had one");
            assert!(matches!(edit.remove_password(&bob, None), Err(EditError::NoPassword(_))));
            assert!(matches!(edit.remove_password(&bob, Some("phone")), Err(EditError::NoPassword(_))));
        });
        let text = text.expect("saved");
        assert!(!text.contains("$argon2id") && text.contains("# blue one"), "{text}");
    }

    #[test]
    fn a_mailbox_comes_behind_the_last_and_goes_again() {
        let added = edited(|edit| {
            edit.add_mailbox("carol", &["c.jones".into(), "cj".into()], Some("1 GiB"), Some(NEW))
                .expect("new");
        })
        .expect("saved");
        let expected = format!(
            "]\n\n[[mailbox]]\nname = \"carol\"\naddresses = [\"c.jones\", \"cj\"]\npassword = \"{NEW}\"\n\
             quota = \"1 GiB\"\n\n# aliases\n[[alias]]"
        );
        assert!(added.contains(&expected), "{added}");
        let removed = edited(|edit| {
            let bob = edit.named("bob").expect("there");
            edit.remove_mailbox(&bob).expect("nothing names it");
        })
        .expect("saved");
        let (before, after) = (before().find("[[mailbox]] # helper"), removed.find("\n# aliases"));
        assert!(!removed.contains("bob") && removed.contains("# the boss"), "{removed}");
        assert_eq!(before, after.map(|at| at + 1), "{removed}");
    }

    #[test]
    fn nothing_is_written_that_could_not_be_loaded() {
        let gone = edited(|edit| {
            let alice = edit.named("alice").expect("there");
            let Err(EditError::InUse(_, faults)) = edit.remove_mailbox(&alice) else {
                panic!("it is in use")
            };
            let lines: Vec<String> = faults.lines().collect();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines[0].contains("mailboxes.toml:4:14: `alice` is still the postmaster"), "{lines:?}");
            assert!(
                lines[1].contains("mailboxes.toml:20:7: `alice` is still an alias's target"),
                "{lines:?}"
            );
        });
        assert!(matches!(gone, Err(EditError::After(..))), "{gone:?}");
        edited(|edit| {
            let there = edit.add_mailbox("bob", &[], None, None).expect_err("there is one").to_string();
            assert!(
                there.contains("already a mailbox `bob`") && there.contains("mailboxes.toml:12:8"),
                "{there}"
            );
        })
        .expect("nothing was changed");
    }

    #[test]
    fn one_edits_at_a_time() {
        edited(|edit| assert!(matches!(Edit::open(&edit.texts.dir, Sound::All), Err(EditError::Locked(_)))))
            .expect("saved");
    }
}
