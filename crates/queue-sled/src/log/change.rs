use std::sync::Arc;

use mail::{Envelope, MailboxName, QueueId, Uid, ViewName};
use queue::{Expunge, Fetched, Join, Route, RouteEntry, Unwanted};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::envelope_v1::EnvelopeV1;
use super::record::{BESIDE, FINAL, HEADER, Kind, RECORD_MAX, RecordHeader};

/// The version of the metas below: their first octet behind the slots. What a version has written is read
/// for ever, so a change of any type in here, [`Envelope`] and [`RouteEntry`] included, is a new version
/// beside the old one, never another shape under the same number.
const VERSION: u8 = 1;
/// The same of metas with an [`Envelope`] in them. Version 1 had none of what rules and authentication say:
/// [`EnvelopeV1`].
const ENVELOPE_VERSION: u8 = 2;
/// The same of DELETE, SEEN and VIEW. Version 1 of a DELETE had one flag for what becomes of what nobody wants, of a
/// VIEW nothing, and of a SEEN it had several views and nothing of what was offered.
const VIEWS_VERSION: u8 = 2;
/// Bodies from here on are not read a second time for the crc of the whole record.
const COMBINE_FROM: usize = 16 << 10;
/// Octets of a slot: where its entry stands, counted from the slot itself, and how long it is.
pub(crate) const SLOT: usize = 8;

/// What a record says, read back from its meta.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Accept { octets: u64, envelope: Arc<Envelope> },
    Route { message: QueueId, entries: Vec<RouteEntry> },
    Delete { groups: Vec<Doomed> },
    Seen { groups: Vec<Group>, offered: Uid },
    View(ViewChange),
    Trash { mailbox: MailboxName, uids: Vec<Uid> },
    Undo(UndoChange),
    Purge { mailbox: MailboxName, uids: Vec<Uid> },
    Hold { message: QueueId, held: bool },
    Mailbox { name: MailboxName, configured: bool },
    Relocate(Relocated),
}

/// Some entries, as one view of a mailbox names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) mailbox: MailboxName,
    pub(crate) view: ViewName,
    pub(crate) uids: Vec<Uid>,
}

/// Entries that a view is done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    pub(crate) group: Group,
    /// What becomes of one that no view wants any more.
    pub(crate) unwanted: Unwanted,
}

/// What became of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewChange {
    pub(crate) mailbox: MailboxName,
    pub(crate) view: ViewName,
    /// `None`: it leaves.
    pub(crate) join: Option<Join>,
    /// What becomes of what only a view that leaves has wanted.
    pub(crate) unwanted: Unwanted,
}

/// Entries come back for one view. Like a ROUTE it begins with a slot for each, whose place is its new uid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UndoChange {
    pub(crate) mailbox: MailboxName,
    pub(crate) view: ViewName,
    pub(crate) back: Vec<Back>,
    /// One for each.
    pub(crate) entries: Vec<RouteEntry>,
}

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Back {
    /// What it was called.
    pub(crate) was: Uid,
    /// The message that it is of.
    pub(crate) message: QueueId,
}

/// A message at a new place, with all that its entries need: its body in this record or in the file that is
/// named, and a slot for each entry. It moves only what is still at `from`: a deletion in between wins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relocated {
    pub(crate) message: QueueId,
    pub(crate) from: u64,
    pub(crate) octets: u64,
    pub(crate) file: Option<u64>,
    pub(crate) envelope: Arc<Envelope>,
    /// One for each entry; none of a message that is still queued.
    pub(crate) uids: Vec<Uid>,
    pub(crate) entries: Vec<RouteEntry>,
}

/// A record before it has a place: 64 octets for the header, then the meta; the body apart, so that the
/// buffer that was received into is the buffer that is written.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) slots: u16,
    pub(crate) id: u64,
    /// Header space and meta, and the octets up to the next multiple of 8 when there is no body.
    pub(crate) head: Vec<u8>,
    pub(crate) meta_len: u32,
    /// The body, and the octets up to the next multiple of 8.
    pub(crate) body: Vec<u8>,
    pub(crate) body_len: u32,
    pub(crate) body_crc: u32,
    pub(crate) content_crc: u32,
}

/// The meta or the body do not fit one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// What was read is not what any version wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadMeta;

impl Draft {
    fn new(kind: Kind, id: u64, head: Vec<u8>) -> Result<Self, TooLong> {
        Self::with_body(kind, id, head, Vec::new(), crc32c::crc32c(&[])).map_err(|_| TooLong)
    }

    /// `body_crc` is what was computed while the body came in. Gives the body back when it does not fit.
    fn with_body(
        kind: Kind,
        id: u64,
        mut head: Vec<u8>,
        mut body: Vec<u8>,
        body_crc: u32,
    ) -> Result<Self, Vec<u8>> {
        let octets = head.len() + body.len();
        if octets > RECORD_MAX {
            return Err(body);
        }
        let fit = |octets: usize| u32::try_from(octets).expect("RECORD_MAX fits 32 bits");
        let (meta_len, body_len) = (fit(head.len() - HEADER), fit(body.len()));
        let meta_crc = crc32c::crc32c(&head[HEADER..]);
        // Combining costs as much as reading some 16 KiB again.
        let content_crc = match body.len() {
            ..COMBINE_FROM => crc32c::crc32c_append(meta_crc, &body),
            octets => crc32c::crc32c_combine(meta_crc, body_crc, octets),
        };
        let tail = if body.is_empty() { &mut head } else { &mut body };
        tail.resize(tail.len() + octets.next_multiple_of(8) - octets, 0);
        Ok(Self { kind, flags: 0, slots: 0, id, head, meta_len, body, body_len, body_crc, content_crc })
    }

    /// Octets it takes in a segment, a multiple of 8.
    pub(crate) fn octets(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// A message with its body inside; gives the body back when both do not fit one record.
    pub(crate) fn accept(envelope: &Envelope, body: Vec<u8>, body_crc: u32) -> Result<Self, Vec<u8>> {
        let head = head_as(ENVELOPE_VERSION, &(body.len() as u64, envelope));
        Self::with_body(Kind::Accept, 0, head, body, body_crc)
    }

    /// A message whose body is in the file `big/<file>`.
    pub(crate) fn big(envelope: &Envelope, octets: u64, file: u64, body_crc: u32) -> Result<Self, TooLong> {
        let mut draft = Self::new(Kind::Big, file, head_as(ENVELOPE_VERSION, &(octets, envelope)))?;
        draft.body_crc = body_crc;
        Ok(draft)
    }

    pub(crate) fn route(route: &Route) -> Result<Self, TooLong> {
        let mut draft = Self::new(Kind::Route, route.id.0, with_slots(&[], &route.entries))?;
        draft.slots = u16::try_from(route.entries.len()).map_err(|_| TooLong)?;
        Ok(draft)
    }

    /// `body` is the one that the message came with, `body_crc` the one computed then; without a body it is in
    /// the file that `moved` names. Gives the body back when all of it does not fit one record.
    pub(crate) fn relocate(moved: &Relocated, body: Vec<u8>, body_crc: u32) -> Result<Self, Vec<u8>> {
        let Ok(slots) = u16::try_from(moved.entries.len()) else { return Err(body) };
        let uids: Vec<u64> = moved.uids.iter().map(|uid| uid.0).collect();
        let mut between = Vec::with_capacity(512);
        let moved_to = (moved.message, moved.from, moved.octets, uids, &moved.envelope);
        append_as(ENVELOPE_VERSION, &mut between, &moved_to);
        let mut draft = match moved.file {
            None => {
                let head = with_slots(&between, &moved.entries);
                Self::with_body(Kind::Relocate, 0, head, body, body_crc)?
            }
            Some(file) => {
                let head = with_slots(&between, &moved.entries);
                let mut draft = Self::new(Kind::Relocate, file, head).map_err(|TooLong| body)?;
                draft.flags = BESIDE;
                draft.body_crc = body_crc;
                draft
            }
        };
        draft.slots = slots;
        Ok(draft)
    }

    pub(crate) fn delete(groups: &[Expunge]) -> Result<Self, TooLong> {
        let group = |group: &Expunge| {
            (group.mailbox.clone(), group.view.clone(), group.unwanted, deltas(&group.uids))
        };
        let groups: Vec<DoomedPacked> = groups.iter().map(group).collect();
        Self::new(Kind::Delete, 0, head_as(VIEWS_VERSION, &groups))
    }

    pub(crate) fn seen(group: &Fetched) -> Result<Self, TooLong> {
        let Fetched { mailbox, view, uids, offered } = group;
        Self::new(Kind::Seen, 0, head_as(VIEWS_VERSION, &(mailbox, view, deltas(uids), offered.0)))
    }

    pub(crate) fn view(change: &ViewChange) -> Result<Self, TooLong> {
        Self::new(Kind::View, 0, head_as(VIEWS_VERSION, change))
    }

    pub(crate) fn trash(mailbox: &MailboxName, uids: &[Uid]) -> Result<Self, TooLong> {
        Self::new(Kind::Trash, 0, head(&(mailbox, deltas(uids))))
    }

    pub(crate) fn undo(undo: &UndoChange) -> Result<Self, TooLong> {
        let mut between = Vec::with_capacity(64 + 16 * undo.back.len());
        append(&mut between, &(&undo.mailbox, &undo.view, &undo.back));
        let mut draft = Self::new(Kind::Undo, 0, with_slots(&between, &undo.entries))?;
        draft.slots = u16::try_from(undo.entries.len()).map_err(|_| TooLong)?;
        Ok(draft)
    }

    pub(crate) fn purge(mailbox: &MailboxName, uids: &[Uid]) -> Result<Self, TooLong> {
        Self::new(Kind::Purge, 0, head(&(mailbox, deltas(uids))))
    }

    pub(crate) fn hold(message: QueueId, held: bool) -> Result<Self, TooLong> {
        Self::new(Kind::Hold, message.0, head(&held))
    }
}

impl Change {
    /// Reads the meta of a record.
    pub(crate) fn decode(header: &RecordHeader, meta: &[u8]) -> Result<Self, BadMeta> {
        Ok(match header.kind {
            Kind::Accept | Kind::Big => {
                let (octets, envelope) = match version_of(meta)? {
                    VERSION => {
                        let (octets, envelope): (_, EnvelopeV1) = body_of(meta)?;
                        (octets, envelope.into())
                    }
                    _ => body_as::<(_, Envelope)>(ENVELOPE_VERSION, meta)?,
                };
                Self::Accept { octets, envelope: Arc::new(envelope) }
            }
            Kind::Route => Self::Route { message: QueueId(header.id), entries: slots_of(header, meta)? },
            Kind::Delete => Self::Delete { groups: doomed(header, meta)? },
            Kind::Seen => match version_of(meta)? {
                VERSION => Self::Seen { groups: unpacked(body_of(meta)?)?, offered: Uid(0) },
                _ => {
                    let (mailbox, view, uids, offered): (_, _, Vec<u64>, _) = body_as(VIEWS_VERSION, meta)?;
                    let groups = vec![Group { mailbox, view, uids: undelta(&uids)? }];
                    Self::Seen { groups, offered: Uid(offered) }
                }
            },
            Kind::View => Self::View(match version_of(meta)? {
                VERSION => {
                    let (mailbox, view, join) = body_of(meta)?;
                    ViewChange { mailbox, view, join, unwanted: Unwanted::Goes }
                }
                _ => body_as(VIEWS_VERSION, meta)?,
            }),
            Kind::Trash => {
                let (mailbox, uids): (_, Vec<u64>) = body_of(meta)?;
                Self::Trash { mailbox, uids: undelta(&uids)? }
            }
            Kind::Undo => {
                let between = meta.get(header.slots as usize * SLOT..).ok_or(BadMeta)?;
                let (mailbox, view, back): (_, _, Vec<Back>) = body_of(between)?;
                let entries = slots_of(header, meta)?;
                if back.len() != entries.len() {
                    return Err(BadMeta);
                }
                Self::Undo(UndoChange { mailbox, view, back, entries })
            }
            Kind::Purge => {
                let (mailbox, uids): (_, Vec<u64>) = body_of(meta)?;
                Self::Purge { mailbox, uids: undelta(&uids)? }
            }
            Kind::Hold => Self::Hold { message: QueueId(header.id), held: body_of(meta)? },
            Kind::Mailbox => {
                let (name, configured) = body_of(meta)?;
                Self::Mailbox { name, configured }
            }
            Kind::Relocate => Self::Relocate(relocated(header, meta)?),
        })
    }
}

fn relocated(header: &RecordHeader, meta: &[u8]) -> Result<Relocated, BadMeta> {
    let between = meta.get(header.slots as usize * SLOT..).ok_or(BadMeta)?;
    type Moved<E> = (QueueId, u64, u64, Vec<u64>, E);
    let (message, from, octets, uids, envelope): Moved<Envelope> = match version_of(between)? {
        VERSION => {
            let (message, from, octets, uids, envelope): Moved<EnvelopeV1> = body_of(between)?;
            (message, from, octets, uids, envelope.into())
        }
        _ => body_as(ENVELOPE_VERSION, between)?,
    };
    let entries = slots_of(header, meta)?;
    if uids.len() != entries.len() {
        return Err(BadMeta);
    }
    let (uids, envelope) = (uids.into_iter().map(Uid).collect(), Arc::new(envelope));
    let file = (header.flags & BESIDE != 0).then_some(header.id);
    Ok(Relocated { message, from, octets, file, envelope, uids, entries })
}

/// Space for a header, then a meta without slots.
fn head<T: Serialize>(meta: &T) -> Vec<u8> {
    head_as(VERSION, meta)
}

fn head_as<T: Serialize>(version: u8, meta: &T) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER + 448);
    head.resize(HEADER, 0);
    append_as(version, &mut head, meta);
    head
}

/// Space for a header, one slot for each entry, `between`, then the entries, each behind its own crc32c:
/// an entry is read alone, by its uid, long after the record was checked.
fn with_slots(between: &[u8], entries: &[RouteEntry]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER + entries.len() * 768);
    head.resize(HEADER + entries.len() * SLOT, 0);
    head.extend_from_slice(between);
    for (ordinal, entry) in entries.iter().enumerate() {
        let at = head.len();
        head.extend_from_slice(&[0; 4]);
        append(&mut head, entry);
        let crc = crc32c::crc32c(&head[at + 4..]);
        head[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        let slot = HEADER + ordinal * SLOT;
        // Too long for 32 bits is too long for a record: the draft is refused as a whole.
        let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let octets = head.len() - at;
        head[slot..slot + 4].copy_from_slice(&word(at - slot));
        head[slot + 4..slot + SLOT].copy_from_slice(&word(octets));
    }
    head
}

/// Where the entry of a slot stands, counted from the slot, and how many octets it has.
pub(crate) fn read_slot(slot: [u8; SLOT]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = slot;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Reads one entry that a slot points at.
pub(crate) fn read_entry(octets: &[u8]) -> Result<RouteEntry, BadMeta> {
    let (crc, entry) = octets.split_first_chunk::<4>().ok_or(BadMeta)?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(entry) {
        return Err(BadMeta);
    }
    body_of(entry)
}

fn slots_of(header: &RecordHeader, meta: &[u8]) -> Result<Vec<RouteEntry>, BadMeta> {
    let entry = |ordinal: usize| {
        let at = ordinal * SLOT;
        let slot = meta.get(at..).and_then(|rest| rest.first_chunk::<SLOT>()).ok_or(BadMeta)?;
        let (delta, octets) = read_slot(*slot);
        let from = at + delta as usize;
        read_entry(meta.get(from..from + octets as usize).ok_or(BadMeta)?)
    };
    (0..header.slots as usize).map(entry).collect()
}

fn append<T: Serialize>(to: &mut Vec<u8>, value: &T) {
    append_as(VERSION, to, value);
}

fn append_as<T: Serialize>(version: u8, to: &mut Vec<u8>, value: &T) {
    to.push(version);
    postcard::to_io(value, to).expect("these types serialize, and a Vec takes all");
}

fn version_of(octets: &[u8]) -> Result<u8, BadMeta> {
    octets.first().copied().ok_or(BadMeta)
}

fn body_of<T: DeserializeOwned>(octets: &[u8]) -> Result<T, BadMeta> {
    body_as(VERSION, octets)
}

fn body_as<T: DeserializeOwned>(version: u8, octets: &[u8]) -> Result<T, BadMeta> {
    match octets.split_first() {
        Some((found, rest)) if *found == version => postcard::from_bytes(rest).map_err(|_| BadMeta),
        Some(_) | None => Err(BadMeta),
    }
}

type DoomedPacked = (MailboxName, ViewName, Unwanted, Vec<u64>);

fn doomed(header: &RecordHeader, meta: &[u8]) -> Result<Vec<Doomed>, BadMeta> {
    if version_of(meta)? == VERSION {
        let unwanted = if header.flags & FINAL == 0 { Unwanted::Stays } else { Unwanted::Goes };
        let groups = unpacked(body_of(meta)?)?;
        return Ok(groups.into_iter().map(|group| Doomed { group, unwanted }).collect());
    }
    let groups: Vec<DoomedPacked> = body_as(VIEWS_VERSION, meta)?;
    let one = |(mailbox, view, unwanted, uids): DoomedPacked| {
        Ok(Doomed { group: Group { mailbox, view, uids: undelta(&uids)? }, unwanted })
    };
    groups.into_iter().map(one).collect()
}

fn unpacked(groups: Vec<(MailboxName, ViewName, Vec<u64>)>) -> Result<Vec<Group>, BadMeta> {
    let group = |(mailbox, view, uids): (_, _, Vec<u64>)| Ok(Group { mailbox, view, uids: undelta(&uids)? });
    groups.into_iter().map(group).collect()
}

/// A set of uids, ascending, each as its distance from the one before: two octets or so instead of nine.
fn deltas(uids: &[Uid]) -> Vec<u64> {
    let mut uids: Vec<u64> = uids.iter().map(|uid| uid.0).collect();
    uids.sort_unstable();
    uids.dedup();
    let mut before = 0;
    for uid in &mut uids {
        (before, *uid) = (*uid, *uid - before);
    }
    uids
}

fn undelta(deltas: &[u64]) -> Result<Vec<Uid>, BadMeta> {
    let mut at = 0u64;
    let step = |delta: &u64| {
        at = at.checked_add(*delta).ok_or(BadMeta)?;
        Ok(Uid(at))
    };
    deltas.iter().map(step).collect()
}

mod envelope_v1;
#[cfg(test)]
mod tests;
