use mail::{Cut, Envelope, Event, MailboxName, QueueId, Uid, header_fields};
use queue::{Additions, Delivered, Incoming as _, Maildrop as _, Route, RouteEntry, Store, StoreError};
use tracing::info;

use super::super::{Nothing, Verb};
use super::{Done, Held, Which, chosen, whole};
use crate::control::{Call, Code, Desk, Fault};

/// Delivers what is held back, past the rules that held it.
#[derive(Debug)]
pub enum Release {}

impl Verb for Release {
    const NAME: &'static str = "quarantine-release";
    type Args = Which;
    type Item = Nothing;
    type Answer = Done;

    async fn serve(desk: &Desk, which: Which, call: &mut Call) -> Result<Done, Fault> {
        let by = call.caller();
        let mut done = Done::default();
        for (held, places) in chosen(desk, &which).await? {
            for index in places {
                release(desk, &held, index, &by).await?;
                done.messages += 1;
            }
        }
        Ok(done)
    }
}

/// First it is in the mailbox, and then no longer in quarantine: what a crash leaves between the two is known again by
/// the unique id that it got, and not delivered a second time.
async fn release(desk: &Desk, held: &Held, index: usize, by: &str) -> Result<(), Fault> {
    let gone = || Fault::new(Code::NotFound, "a message is not in quarantine any more");
    let uid = held.maildrop.entry(index).ok_or_else(gone)?.uid;
    let name = format!("released-{uid}");
    if !is_delivered(&desk.store, &held.mailbox, &name).await? {
        let id = deliver(desk, held, index, name).await?;
        info!(%uid, %id, mailbox = %held.mailbox, by, "let out of quarantine");
        let (mailbox, by) = (held.mailbox.clone(), by.to_owned());
        desk.journeys().tell(|| Event::Unquarantined { mailbox, uid, id, by });
    }
    let quarantine = held.mailbox.quarantine();
    desk.store.purge(&quarantine, vec![uid]).await?;
    let reason = format!("released to {} by {by}", held.mailbox);
    desk.journeys().tell(|| Event::Removed { mailbox: quarantine, uids: vec![uid], reason });
    Ok(())
}

/// What is delivered stays so, whatever its owner did with it later: as long as any of her views lists it, and in her trash.
/// What has gone from there too nobody knows any more, and it comes once more rather than never.
async fn is_delivered<S: Store>(store: &S, mailbox: &MailboxName, name: &str) -> Result<bool, StoreError> {
    let has = |maildrop: &S::Maildrop| {
        let mut entries = (0..maildrop.len()).filter_map(|index| maildrop.entry(index));
        entries.any(|entry| entry.foreign_uidl == Some(name))
    };
    Ok(has(&store.whole(mailbox).await?) || has(&store.whole(&mailbox.trash()).await?))
}

/// As it would have been served, but for the field that says why it was held.
async fn deliver(desk: &Desk, held: &Held, index: usize, name: String) -> Result<QueueId, Fault> {
    let octets = whole(&held.maildrop, index).await?;
    let envelope = held.maildrop.envelope(index).await?;
    let mut incoming = desk.store.incoming(Some(octets.len() as u64))?;
    incoming.write(&octets).await?;
    // Without recipients no router takes it.
    let accepted = Envelope {
        recipients: Vec::new(),
        cuts: why_held(&octets),
        unterminated: false,
        fields: Vec::new(),
        ..Envelope::clone(&envelope)
    };
    let additions = Additions { cuts: accepted.cuts.clone(), ..Additions::default() };
    let id = incoming.commit(accepted).await?;
    let mailbox = held.mailbox.clone();
    let entry = RouteEntry { mailbox, recipients: Vec::new(), additions, foreign_uidl: Some(name) };
    let delivered = desk.store.deliver(vec![Route { id, entries: vec![entry] }]).await?;
    tell(desk, &held.mailbox, id, &delivered);
    Ok(id)
}

fn tell(desk: &Desk, mailbox: &MailboxName, id: QueueId, delivered: &[Delivered]) {
    let uids: Vec<Uid> = delivered
        .iter()
        .flat_map(|delivered| match delivered {
            Delivered::Entries(uids) => uids.clone(),
            Delivered::NotQueued => Vec::new(),
        })
        .collect();
    for uid in uids {
        let mailbox = mailbox.clone();
        desk.journeys().tell(|| Event::Delivered { id, mailbox, uid });
    }
}

fn why_held(octets: &[u8]) -> Vec<Cut> {
    let end = memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 2);
    let held = header_fields(&octets[..end]).filter(|field| field.is("x-restante-quarantine"));
    let cut = |field: mail::ReceivedField<'_>| {
        let at = u32::try_from(field.place.start).ok()?;
        Some(Cut { at, octets: u32::try_from(field.place.len()).ok()? })
    };
    held.filter_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use mail::ViewName;
    use queue::contract::{accept, listed, name, route, view};
    use queue::{Expunge, Join, MemoryStore, Unwanted};

    use super::*;

    #[test]
    fn only_the_reason_is_hidden() {
        let octets = b"Return-Path: <>\r\nX-Restante-Quarantine: forged\r\n\tfrom\r\nSubject: x\r\n\r\nX-Restante-Quarantine: no\r\n";
        assert_eq!(why_held(octets), [Cut { at: 17, octets: 38 }]);
    }

    #[tokio::test]
    async fn what_was_delivered_is_known_whatever_its_owner_did_with_it() {
        let (store, alice) = (MemoryStore::new(), name("alice"));
        let joins = [ViewName::owner(), view("phone")];
        for joins in &joins {
            store.join(&alice, joins, Join::All).await.expect("joined");
        }
        let is_known = async |name: &str| is_delivered(&store, &alice, name).await.expect("told");
        assert!(!is_known("released-r1").await);
        let mut released = route(accept(&store, b"one\r\n").await, &["alice"]);
        released.entries[0].foreign_uidl = Some("released-r1".into());
        store.deliver(vec![released]).await.expect("delivered");
        let uids = listed(&store, "alice", "").await;
        for joined in joins {
            assert!(is_known("released-r1").await && !is_known("released-r2").await, "before {joined}");
            let (mailbox, uids) = (alice.clone(), uids.clone());
            let done = Expunge { mailbox, view: joined, uids, unwanted: Unwanted::ToTrash };
            store.delete(vec![done]).await.expect("deleted");
        }
        assert!(listed(&store, "alice", "phone").await.is_empty());
        assert!(is_known("released-r1").await && !is_known("released-r2").await, "in her trash");
    }
}
