//! `restante undo`: what a login deleted comes back for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use directory::{Dele, Directory, Part};
use mail::{Event, MailboxName, Uid, ViewName};
use queue::{Maildrop as _, Store as _, StoreError, Undone, ViewState};
use queue_sled::SledMaildrop;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{Verb, head::head};
use crate::control::{Call, Code, Desk, Fault};

/// Brings back what a view was done with, under new names and for that view alone.
#[derive(Debug)]
pub enum Undo {}

/// What is to come back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Args {
    /// Whose deletions: a login, as it is typed.
    pub login: String,
    /// Her view of this team mailbox, and not of her own.
    pub mailbox: Option<String>,
    /// What was deleted so many milliseconds ago or later.
    pub last_ms: Option<u64>,
    /// What was deleted not before, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// These, by what UIDL called them.
    pub ids: Vec<String>,
    /// Nothing is done.
    pub dry_run: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What UIDL called it.
    pub was: String,
    /// What UIDL calls it now; none as long as nothing is done.
    pub now: Option<String>,
    /// Whom it says it is from.
    pub from: String,
    /// What it is about, decoded.
    pub subject: String,
}

/// Where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The mailbox.
    pub mailbox: String,
    /// The view of it that they are back for; empty for the owner's.
    pub view: String,
    /// How many.
    pub messages: u64,
    /// Team mailboxes that the login is a member of, and of which it has deleted something at that time.
    pub elsewhere: Vec<String>,
    /// Whether others have views of their own: it came back for none of them.
    pub others: bool,
    /// Whether what this login deletes stays as it was.
    pub keeps: bool,
    /// How many of those that were asked for had come back for this view before.
    pub before: u64,
}

impl Verb for Undo {
    const NAME: &'static str = "undo";
    type Args = Args;
    type Item = Item;
    type Answer = Answer;

    async fn serve(desk: &Desk, args: Args, call: &mut Call) -> Result<Answer, Fault> {
        let (part, others) = meant(desk.directory()?, &args)?;
        let Part { mailbox, view, .. } = &part;
        let since_ms = args.since_ms.or_else(|| args.last_ms.map(|last| wall_ms().saturating_sub(last)));
        let uids = match since_ms {
            Some(since_ms) => deleted(desk, &part, since_ms).await?,
            None => named(desk, &part, &args.ids).await?,
        };
        let asked = uids.len();
        let items = match (args.dry_run, uids.is_empty()) {
            (_, true) => Vec::new(),
            (true, false) => before(desk, &part, &uids).await?,
            (false, false) => {
                if part.dele == Dele::TrashForAll {
                    give_back(desk, &args.login, &part, &uids).await?;
                }
                let undone = desk.store.undo(mailbox, view, uids).await?;
                tell(desk, &args.login, &part, &undone);
                after(desk, &part, &undone).await?
            }
        };
        let mut elsewhere = Vec::new();
        if let Some(since_ms) = since_ms {
            for other in &others {
                if !deleted(desk, other, since_ms).await?.is_empty() {
                    elsewhere.push(other.mailbox.to_string());
                }
            }
        }
        for item in &items {
            call.item(item, &[]).await?;
        }
        let directory = desk.directory()?;
        let others = directory.team(mailbox).is_some() || !directory.devices(mailbox).is_empty();
        let others = others && part.dele != Dele::TrashForAll;
        let (mailbox, view, keeps) = (mailbox.to_string(), view.to_string(), part.dele == Dele::Keep);
        let (messages, before) = (items.len() as u64, asked.saturating_sub(items.len()) as u64);
        Ok(Answer { mailbox, view, messages, elsewhere, others, keeps, before })
    }
}

/// The view that is meant, and where else the login has deleted for itself: in the teams that it is a member of.
fn meant(directory: &Directory, args: &Args) -> Result<(Part, Vec<Part>), Fault> {
    let Args { login, mailbox, .. } = args;
    let nobody = || {
        let text = format!("nobody logs in as `{login}`");
        Fault::new(Code::NotFound, text).hint("`restante mailbox list` shows who there is")
    };
    let own = directory.login_shows(login).ok_or_else(nobody)?.remove(0);
    let Some(named) = mailbox else {
        let teams = directory.teams().into_iter().map(|(team, _)| format!("{login}/{team}"));
        // Of a login that is a view of something already there is none.
        let parts = teams.filter_map(|login| Some(directory.login_shows(&login)?.remove(0)));
        return Ok((own, parts.collect()));
    };
    if directory.mailbox_named(named).is_some_and(|named| named == own.mailbox) {
        return Ok((own, Vec::new()));
    }
    let none = || Fault::new(Code::NotFound, format!("`{login}` has no view of `{named}`"));
    let mut team = directory.login_shows(&format!("{login}/{named}")).ok_or_else(none)?;
    Ok((team.remove(0), Vec::new()))
}

/// What a view was done with since then, as far as there is still anything of it.
async fn deleted(desk: &Desk, part: &Part, since_ms: u64) -> Result<Vec<Uid>, Fault> {
    let deletions = match desk.store.deletions(&part.mailbox, &part.view, since_ms).await {
        // Nobody has collected by it yet.
        Err(StoreError::NoView) => Vec::new(),
        deletions => deletions?,
    };
    let mut uids: BTreeSet<Uid> = deletions.into_iter().flat_map(|deletion| deletion.uids).collect();
    uids.extend(taken(desk, part, since_ms).await?);
    Ok(uids.into_iter().collect())
}

/// What the team's own login has taken from a member since then.
async fn taken(desk: &Desk, part: &Part, since_ms: u64) -> Result<Vec<Uid>, Fault> {
    let (mailbox, owner) = (&part.mailbox, ViewName::owner());
    if part.view == owner || desk.directory()?.team(mailbox).is_none_or(|team| !team.shared) {
        return Ok(Vec::new());
    }
    let states = desk.store.views(mailbox).await?;
    let Some(state) = states.iter().find(|state| state.view == part.view) else { return Ok(Vec::new()) };
    let deletions = desk.store.deletions(mailbox, &owner, since_ms).await?;
    let by_all: Vec<Uid> = deletions.into_iter().flat_map(|deletion| deletion.uids).collect();
    lost(desk, mailbox, state, &by_all).await
}

/// What of these is in the trash, though this view was due to have it and had not deleted it itself.
async fn lost(
    desk: &Desk,
    mailbox: &MailboxName,
    state: &ViewState,
    uids: &[Uid],
) -> Result<Vec<Uid>, Fault> {
    let deletions = desk.store.deletions(mailbox, &state.view, 0).await?;
    let by_her: BTreeSet<Uid> = deletions.into_iter().flat_map(|deletion| deletion.uids).collect();
    let trash = trash(desk, mailbox).await?;
    let trashed: BTreeSet<Uid> =
        (0..trash.len()).filter_map(|index| trash.entry(index)).map(|entry| entry.uid).collect();
    let is_lost = |uid: &&Uid| **uid > state.after && trashed.contains(*uid) && !by_her.contains(*uid);
    Ok(uids.iter().filter(is_lost).copied().collect())
}

/// What the team's own login took from all members comes back for each of them. Before it does for that login, which
/// knows what it took for as long as it has not: done again after a failure it comes twice, rather than never.
async fn give_back(desk: &Desk, login: &str, part: &Part, uids: &[Uid]) -> Result<(), Fault> {
    let released = ViewName::releaser();
    for state in desk.store.views(&part.mailbox).await? {
        if state.view == part.view || state.view == released {
            continue;
        }
        let lost = lost(desk, &part.mailbox, &state, uids).await?;
        if !lost.is_empty() {
            let undone = desk.store.undo(&part.mailbox, &state.view, lost).await?;
            tell(desk, login, &Part { view: state.view, ..part.clone() }, &undone);
        }
    }
    Ok(())
}

/// What goes by these names; each of them must be there.
async fn named(desk: &Desk, part: &Part, ids: &[String]) -> Result<Vec<Uid>, Fault> {
    let deleted: BTreeSet<Uid> = deleted(desk, part, 0).await?.into_iter().collect();
    let trash = trash(desk, &part.mailbox).await?;
    let mut uids = Vec::new();
    for id in ids {
        let uid: Option<Uid> = id.parse().ok();
        let mut entries = (0..trash.len()).filter_map(|index| trash.entry(index));
        let found = match uid.filter(|uid| deleted.contains(uid)) {
            Some(uid) => Some(uid),
            None => entries
                .find(|entry| Some(entry.uid) == uid || entry.foreign_uidl == Some(id))
                .map(|entry| entry.uid),
        };
        uids.push(found.ok_or_else(|| {
            let text = format!("nothing that was deleted from {} is called `{id}`", part.mailbox);
            Fault::new(Code::NotFound, text).hint(
                "`--last \"30 days\" --dry-run` shows what can come back; `restante trace` says when what is in no trash went",
            )
        })?);
    }
    Ok(uids)
}

async fn trash(desk: &Desk, mailbox: &MailboxName) -> Result<SledMaildrop, Fault> {
    Ok(desk.store.open(&mailbox.trash(), &ViewName::owner()).await?)
}

/// What these are, in the mailbox or in its trash.
async fn before(desk: &Desk, part: &Part, uids: &[Uid]) -> Result<Vec<Item>, Fault> {
    let mut left: BTreeSet<Uid> = uids.iter().copied().collect();
    let mut heads = BTreeMap::new();
    look(&trash(desk, &part.mailbox).await?, &mut left, &mut heads).await?;
    if !left.is_empty() {
        look(&desk.store.whole(&part.mailbox).await?, &mut left, &mut heads).await?;
    }
    let item = |uid: &Uid| {
        let (from, subject) = heads.remove(uid).unwrap_or_default();
        Item { was: uid.to_string(), now: None, from, subject }
    };
    Ok(uids.iter().map(item).collect())
}

/// What came back, as it is there now.
async fn after(desk: &Desk, part: &Part, undone: &[Undone]) -> Result<Vec<Item>, Fault> {
    let mut left: BTreeSet<Uid> = undone.iter().map(|undone| undone.now).collect();
    let mut heads = BTreeMap::new();
    look(&desk.store.open(&part.mailbox, &part.view).await?, &mut left, &mut heads).await?;
    let item = |undone: &Undone| {
        let (from, subject) = heads.remove(&undone.now).unwrap_or_default();
        Item { was: undone.was.to_string(), now: Some(undone.now.to_string()), from, subject }
    };
    Ok(undone.iter().map(item).collect())
}

/// Takes out of `left` what a maildrop lists, and reads whom it is from and what it is about.
async fn look(
    maildrop: &SledMaildrop,
    left: &mut BTreeSet<Uid>,
    heads: &mut BTreeMap<Uid, (String, String)>,
) -> Result<(), Fault> {
    for index in 0..maildrop.len() {
        let Some(entry) = maildrop.entry(index) else { break };
        if left.remove(&entry.uid) {
            // What cannot be read comes back all the same.
            heads.insert(entry.uid, head(maildrop, index).await.unwrap_or_default());
        }
    }
    Ok(())
}

fn tell(desk: &Desk, login: &str, part: &Part, undone: &[Undone]) {
    let Part { mailbox, view, .. } = part;
    info!(login = mail::shown(login), %mailbox, %view, messages = undone.len(), "undone: deleted mail is back");
    for Undone { was, now } in undone {
        let (was, now) = (*was, *now);
        desk.journeys().tell(|| Event::Undone { mailbox: mailbox.clone(), view: view.clone(), was, now });
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use directory::{DomainSpec, JoinFrom, MailboxSpec, MemberSpec, Password, Spec, Table, VerifierParams};

    use super::*;

    fn firm() -> Directory {
        let hash = directory::password::hash(&mail::Secret::from(&b"secret"[..]));
        let person = |name: &str| MailboxSpec {
            name: name.into(),
            passwords: vec![Password { name: None, hash: hash.clone() }],
            ..MailboxSpec::default()
        };
        let member = |login: &str| MemberSpec {
            login: login.into(),
            robot: false,
            mirrors: None,
            from: JoinFrom::All,
        };
        let members = vec![member("alice"), member("carol")];
        let sales = MailboxSpec { name: "sales".into(), members, ..MailboxSpec::default() };
        let alice =
            MailboxSpec { collect: vec!["sales".into()], devices: vec!["phone".into()], ..person("alice") };
        let domain = DomainSpec {
            name: "example.test".into(),
            catch_all: Some("alice".into()),
            ..DomainSpec::default()
        };
        let mailboxes = vec![alice, person("bob"), person("carol"), sales];
        let (table, faults) = Table::build(&Spec { domains: vec![domain], mailboxes, ..Spec::default() });
        Directory::new(table.unwrap_or_else(|| panic!("{faults:?}")), VerifierParams::default())
    }

    #[test]
    fn the_login_says_which_view_is_meant() {
        let directory = firm();
        let view = |login: &str, mailbox: Option<&str>| {
            let (login, mailbox) = (login.to_owned(), mailbox.map(str::to_owned));
            let meant = meant(&directory, &Args { login, mailbox, ..Args::default() });
            meant.map(|(part, others)| {
                let others = others.iter().map(|other| other.mailbox.to_string()).collect::<Vec<_>>();
                (format!("{}|{}", part.mailbox, part.view), others.join(" "))
            })
        };
        for (login, mailbox, wanted, others) in [
            ("alice", None, "alice|", "sales"),
            ("Alice@example.test", None, "alice|", "sales"),
            ("bob", None, "bob|", ""),
            ("carol", None, "carol|", "sales"),
            ("alice", Some("alice"), "alice|", ""),
            ("alice+phone", None, "alice|phone", ""),
            ("alice", Some("sales"), "sales|alice", ""),
            ("alice@example.test", Some("Sales"), "sales|alice", ""),
            ("alice/sales", None, "sales|alice", ""),
            ("alice/sales", Some("sales"), "sales|alice", ""),
        ] {
            assert_eq!(view(login, mailbox), Ok((wanted.into(), others.into())), "{login} {mailbox:?}");
        }
        for (login, mailbox, text) in [
            ("nobody", None, "nobody logs in as `nobody`"),
            ("sales", None, "nobody logs in as `sales`"),
            ("alice+tablet", None, "nobody logs in as `alice+tablet`"),
            ("bob", Some("sales"), "`bob` has no view of `sales`"),
            ("alice", Some("office"), "`alice` has no view of `office`"),
        ] {
            let fault = view(login, mailbox).expect_err(login);
            assert_eq!((fault.text.as_str(), fault.code), (text, Code::NotFound));
        }
    }
}
