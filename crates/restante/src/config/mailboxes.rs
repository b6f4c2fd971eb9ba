//! `mailboxes.toml`: into the directory's [`Spec`], and the places to show for what the directory says of
//! it.

use std::ops::Range;

use directory::{Alias, DomainSpec, Item, MailboxSpec, Password, Refuse, Spec};

use super::machine::{EXPIRE, QUOTA, QUOTA_MESSAGES, warn_of_hasty};
use super::section::Section;
use super::settings::Limits;
use super::team;
use super::value::{self, Problem, count, duration, or_none, size};

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
    /// A table has no usable name: whatever refers to it would be called unknown, which is not the fault.
    pub(super) nameless: bool,
}

/// Reads the whole file; what a mailbox does not say of its own limits is that of `limits`.
pub(super) fn read(top: &mut Section<'_, '_>, limits: &Limits) -> Mailboxes {
    let mut found = Mailboxes::default();
    top.tables("domain", |s| domain(s, &mut found));
    top.tables("mailbox", |s| mailbox(s, limits, &mut found));
    top.tables("alias", |s| alias(s, &mut found));
    top.tables("refuse", |s| refuse(s, &mut found));
    // `domain` that is no list of tables has been said; that there is none would be said twice.
    found.nameless |= top.has("domain") && found.spec.domains.is_empty();
    found
}

fn domain(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let name = required(s, "name");
    let (aliases, alias_spans) = lines(s, "aliases");
    let spec = DomainSpec {
        name: name.clone().unwrap_or_default(),
        aliases,
        catch_all: s.get("catch-all", value::line),
        postmaster: s.get("postmaster", value::line),
    };
    let unread = |key: &str, value: &Option<String>| s.has(key) && value.is_none();
    found.nameless |=
        name.is_none() || unread("postmaster", &spec.postmaster) || unread("catch-all", &spec.catch_all);
    found.places.domains.push(table(s, &["name", "catch-all", "postmaster"], vec![("aliases", alias_spans)]));
    found.spec.domains.push(spec);
}

fn mailbox(s: &mut Section<'_, '_>, limits: &Limits, found: &mut Mailboxes) {
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
    let (members, member_spans, all_members) = team::members(s);
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
    // What a member that was not read is to others would be said of the wrong ones.
    found.nameless |= name.is_none() || !all_members || s.has("release") && release.is_none();
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
    s.tables("passwords", |s| {
        let (name, hash) = (required(s, "name"), required(s, "hash"));
        if let (Some(name), Some(hash)) = (name, hash) {
            passwords.push(Password { name: Some(name), hash });
            spans.push(s.span());
        }
    });
    (passwords, spans)
}

fn alias(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let address = required(s, "address");
    let faults = s.notes.faults.len();
    let (to, to_spans) = lines(s, "to");
    let wrong_target = s.notes.faults.len() > faults;
    if !s.has("to") {
        s.notes.error(s.span(), Problem::new("`to` is missing in `alias`", "").hint("to = [\"alice\"]"));
    }
    let mut duplicate = false;
    s.set("duplicate", &mut duplicate, value::flag);
    // Without a right target the directory would only repeat what has been said.
    found.nameless |= address.is_none() || !s.has("to") || wrong_target;
    found.places.aliases.push(table(s, &["address", "duplicate"], vec![("to", to_spans)]));
    found.spec.aliases.push(Alias { address: address.unwrap_or_default(), to, duplicate });
}

fn refuse(s: &mut Section<'_, '_>, found: &mut Mailboxes) {
    let address = required(s, "address");
    let text = s.get("text", value::line);
    found.nameless |= address.is_none();
    found.places.refused.push(table(s, &["address", "text"], Vec::new()));
    found.spec.refused.push(Refuse { address: address.unwrap_or_default(), text });
}

pub(super) fn required(s: &mut Section<'_, '_>, key: &'static str) -> Option<String> {
    let value = s.get(key, value::line);
    if !s.has(key) {
        let problem = Problem::new(format!("`{key}` is missing in `{}`", s.name()), "");
        s.notes.error(s.span(), problem.hint(format!("{key} = \"…\"")));
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
