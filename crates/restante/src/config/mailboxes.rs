//! `mailboxes.toml`: into the directory's [`Spec`], and the places to show for what the directory says of
//! it.

use std::ops::Range;

use directory::{Alias, DomainSpec, Item, MailboxSpec, Password, Refuse, Spec};

use super::machine::{EXPIRE, QUOTA, QUOTA_MESSAGES, warn_of_hasty};
use super::section::Section;
use super::settings::Limits;
use super::team;
use super::value::{self, Problem, count, duration, or_none, size};

/// Where keys belong that are looked for in a `[[mailbox]]`.
const OF_A_MEMBER: &str =
    "it belongs to a member of the team: members = [{ login = \"helpdesk\", robot = true }]";
const OF_RELEASE: &str =
    "it belongs to the release of a team: release = { when = \"all-done\", hold = \"14 days\" }";

/// Where each key of the directory's tables stands.
#[derive(Debug, Default)]
pub(super) struct Places {
    domains: Vec<Table>,
    mailboxes: Vec<Table>,
    aliases: Vec<Table>,
    refused: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    span: Range<usize>,
    keys: Vec<(&'static str, Vec<Range<usize>>)>,
}

impl Places {
    /// The place of the value that a fault of the directory is about.
    pub(super) fn find(&self, item: Item, key: &str, index: usize) -> Option<Range<usize>> {
        let table = match item {
            Item::Directory => None,
            Item::Domain(at) => self.domains.get(at),
            Item::Mailbox(at) => self.mailboxes.get(at),
            Item::Alias(at) => self.aliases.get(at),
            Item::Refuse(at) => self.refused.get(at),
        }?;
        let value = table.keys.iter().find(|(name, _)| *name == key).and_then(|(_, spans)| spans.get(index));
        Some(value.unwrap_or(&table.span).clone())
    }
}

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    pub(super) spec: Spec,
    pub(super) places: Places,
}

impl Mailboxes {
    /// Of what could not be read, the directory says nothing that hangs on it.
    fn unread(&mut self, item: Item, s: &Section<'_, '_>) {
        self.spec.unread.extend(s.unread().map(|key| (item, key)));
    }
}

/// Reads the whole file; what a mailbox does not say of its own limits is that of `limits`.
pub(super) fn read(top: &mut Section<'_, '_>, limits: &Limits) -> Mailboxes {
    let mut found = Mailboxes::default();
    top.tables("domain", |s| domain(s, &mut found));
    top.tables("mailbox", |s| mailbox(s, limits, &mut found));
    top.tables("alias", |s| alias(s, &mut found));
    top.tables("refuse", |s| refuse(s, &mut found));
    found.unread(Item::Directory, top);
    found
}

fn domain(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let name = required(s, "name");
    let (aliases, alias_spans) = lines(s, "aliases");
    let spec = DomainSpec {
        name: name.unwrap_or_default(),
        aliases,
        catch_all: s.get("catch-all", value::line),
        postmaster: s.get("postmaster", value::line),
    };
    found.unread(Item::Domain(found.spec.domains.len()), s);
    found.places.domains.push(table(s, &["name", "catch-all", "postmaster"], vec![("aliases", alias_spans)]));
    found.spec.domains.push(spec);
}

fn mailbox(s: &mut Section<'_, '_>, limits: &Limits, found: &mut Mailboxes) {
    s.elsewhere(&[
        ("robot", OF_A_MEMBER),
        ("mirrors", OF_A_MEMBER),
        ("login", OF_A_MEMBER),
        ("when", OF_RELEASE),
        ("hold", OF_RELEASE),
        ("max-age", OF_RELEASE),
        ("ignore-absent", OF_RELEASE),
    ]);
    let name = required(s, "name");
    let (addresses, address_spans) = lines(s, "addresses");
    let (passwords, named_spans) = passwords(s);
    let mut receives = true;
    s.set("receives", &mut receives, value::flag);
    let (mut allowance, mut trash) = (limits.allowance(), limits.trash);
    s.set("quota", &mut allowance.octets, or_none(size(QUOTA)));
    s.set("quota-messages", &mut allowance.messages, or_none(count(QUOTA_MESSAGES)));
    s.set("expire", &mut allowance.age, or_none(duration(EXPIRE)));
    warn_of_hasty(s);
    s.set("trash", &mut trash, or_none(duration(EXPIRE)));
    let (members, member_spans) = team::members(s);
    let release = team::release(s);
    let (collect, collect_spans) = lines(s, "collect");
    let (devices, device_spans) = lines(s, "devices");
    let on_dele = team::on_dele(s);
    let lists = vec![
        ("addresses", address_spans),
        ("passwords", named_spans),
        ("members", member_spans),
        ("collect", collect_spans),
        ("devices", device_spans),
    ];
    found.unread(Item::Mailbox(found.spec.mailboxes.len()), s);
    let single = ["name", "password", "receives", "release", "on-dele"];
    found.places.mailboxes.push(table(s, &single, lists));
    found.spec.mailboxes.push(MailboxSpec {
        name: name.unwrap_or_default(),
        addresses,
        passwords,
        receives,
        allowance,
        trash,
        members,
        release,
        collect,
        devices,
        on_dele,
    });
}

/// `password`, then each of `passwords`; the places are those of the latter.
fn passwords(s: &mut Section<'_, '_>) -> (Vec<Password>, Vec<Range<usize>>) {
    let plain = s.get("password", value::line).map(|hash| Password { name: None, hash });
    let (mut passwords, mut spans) = (Vec::from_iter(plain), Vec::new());
    let before = s.notes.faults.len();
    s.tables("passwords", |s| {
        let (name, hash) = (required(s, "name"), required(s, "hash"));
        if let (Some(name), Some(hash)) = (name, hash) {
            passwords.push(Password { name: Some(name), hash });
            spans.push(s.span());
        }
    });
    if s.notes.has_errors_since(before) {
        s.mark_unread("passwords");
    }
    (passwords, spans)
}

fn alias(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let address = required(s, "address");
    let (to, to_spans) = lines(s, "to");
    if !s.has("to") {
        s.notes.error(s.span(), Problem::new("`to` is missing in `alias`", "").hint("to = [\"alice\"]"));
        s.mark_unread("to");
    }
    let mut duplicate = false;
    s.set("duplicate", &mut duplicate, value::flag);
    found.unread(Item::Alias(found.spec.aliases.len()), s);
    found.places.aliases.push(table(s, &["address", "duplicate"], vec![("to", to_spans)]));
    found.spec.aliases.push(Alias { address: address.unwrap_or_default(), to, duplicate });
}

fn refuse(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let address = required(s, "address");
    let text = s.get("text", value::line);
    found.unread(Item::Refuse(found.spec.refused.len()), s);
    found.places.refused.push(table(s, &["address", "text"], Vec::new()));
    found.spec.refused.push(Refuse { address: address.unwrap_or_default(), text });
}

pub(super) fn required(s: &mut Section<'_, '_>, key: &'static str) -> Option<String> {
    let value = s.get(key, value::line);
    if !s.has(key) {
        let problem = Problem::new(format!("`{key}` is missing in `{}`", s.name()), "");
        s.notes.error(s.span(), problem.hint(format!("{key} = \"…\"")));
        s.mark_unread(key);
    }
    value
}

fn lines(s: &mut Section<'_, '_>, key: &'static str) -> (Vec<String>, Vec<Range<usize>>) {
    s.list(key, value::line).unwrap_or_default().into_iter().unzip()
}

fn table(
    s: &Section<'_, '_>,
    single: &[&'static str],
    mut keys: Vec<(&'static str, Vec<Range<usize>>)>,
) -> Table {
    keys.extend(single.iter().filter(|key| s.has(key)).map(|key| (*key, vec![s.span_of(key)])));
    Table { span: s.span(), keys }
}
