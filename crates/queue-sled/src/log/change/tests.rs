use mail::{
    ArcResult, AuthResult, AuthResults, Cut, DkimResult, DmarcPolicy, DmarcResult, IprevResult, RuledField,
    Ruling, SpfResult, TlsFacts,
};
use proptest::prelude::*;
use queue::Additions;
use queue::contract::{envelope, name, route, view};

use super::*;
use crate::log::Lsn;

/// The header that a committer would give a draft.
fn header(draft: &Draft) -> RecordHeader {
    RecordHeader {
        kind: draft.kind,
        flags: draft.flags,
        slots: draft.slots,
        batch_start: 4096,
        lsn: Lsn::new(1, 4096),
        id: draft.id,
        meta_len: draft.meta_len,
        body_len: draft.body_len,
        body_crc: draft.body_crc,
        content_crc: draft.content_crc,
        time_ms: 0,
    }
}

fn meta(draft: &Draft) -> &[u8] {
    &draft.head[HEADER..HEADER + draft.meta_len as usize]
}

fn read_back(draft: &Draft) -> Result<Change, BadMeta> {
    assert_eq!(draft.octets() % 8, 0);
    let header = header(draft);
    let content = [meta(draft), &draft.body[..draft.body_len as usize]].concat();
    assert!(header.holds(&content) && header.holds_meta(meta(draft)));
    Change::decode(&header, meta(draft))
}

fn whole_envelope() -> Envelope {
    let mut envelope = envelope(&["alice", "bob@other.example"]);
    envelope.trace.peer = Some([192, 0, 2, 7].into());
    envelope.trace.tls = Some(TlsFacts { version: "TLS1.3".into(), cipher: "AES".into() });
    envelope.cuts = vec![Cut { at: 300, octets: 20 }];
    envelope
}

/// With everything that rules and authentication can say.
fn judged_envelope() -> Envelope {
    let mut envelope = whole_envelope();
    let (result, domain) = (AuthResult::Fail, || "b.example".to_owned());
    envelope.results = Some(AuthResults {
        spf: Some(SpfResult { result, of_helo: true, domain: domain(), reason: Some("why".into()) }),
        dkim: vec![DkimResult {
            result,
            domain: domain(),
            selector: "s".into(),
            signature: "AbCd".into(),
            reason: None,
        }],
        dmarc: Some(DmarcResult { result, from: domain(), policy: DmarcPolicy::Reject, reason: None }),
        arc: Some(ArcResult { result, sealer: Some(domain()) }),
        iprev: Some(IprevResult { result, name: None }),
    });
    let cut = Cut { at: 9, octets: 12 };
    envelope.fields = vec![RuledField { name: "subject".into(), cut, value: b"a \xe9".to_vec() }];
    envelope.recipients[0].ruling = Some(Ruling {
        rules: vec!["one".into()],
        deliver: Some(vec![name("carol")]),
        copy: vec![name("dave")],
        quarantine: Some("forged".into()),
        add: vec![("X-A".into(), "b".into())],
        remove: vec!["x-c".into()],
        tags: vec!["[d]".into()],
        expire: Some(300),
    });
    envelope
}

fn whole_route() -> Route {
    let mut route = route(QueueId(7), &["alice", "bob", "alice"]);
    route.entries[1].additions =
        Additions { prelude: b"X: y\r\n".repeat(300), cuts: vec![Cut { at: 1, octets: 2 }], terminate: true };
    route.entries[2].foreign_uidl = Some("000042".into());
    route
}

/// What is written in one run was written octet by octet once, and is read on.
#[test]
fn octets_look_the_same_in_one_run_and_one_by_one() {
    #[derive(Serialize)]
    struct OneByOne {
        prelude: Vec<u8>,
        cuts: Vec<Cut>,
        terminate: bool,
    }
    for octets in [0, 1, 127, 128, 70_000] {
        let run =
            Additions { prelude: vec![0xe9; octets], cuts: vec![Cut { at: 1, octets: 2 }], terminate: true };
        let Additions { prelude, cuts, terminate } = run.clone();
        assert_eq!(head(&run), head(&OneByOne { prelude, cuts, terminate }));
    }
}

/// As another version writes them.
fn later(kind: Kind, meta: &impl Serialize) -> Draft {
    Draft::new(kind, 0, head(meta)).expect("short")
}

fn groups() -> Vec<Expunge> {
    let group = |mailbox: &str, uids: &[u64], unwanted| Expunge {
        mailbox: name(mailbox),
        view: view("a"),
        uids: uids.iter().map(|uid| Uid(*uid)).collect(),
        unwanted,
    };
    let first = group("alice", &[5, 3, u64::MAX, 3], Unwanted::Goes);
    vec![first, group("bob", &[], Unwanted::ToTrash)]
}

/// As 0.1 wrote them.
fn groups_1() -> Vec<(mail::MailboxName, mail::ViewName, Vec<u64>)> {
    let packed = |group: &Expunge| (group.mailbox.clone(), group.view.clone(), deltas(&group.uids));
    groups().iter().map(packed).collect()
}

#[test]
fn what_views_did_is_read_in_the_first_version_too() {
    let old = groups_1();
    let sorted = |Expunge { mailbox, view, .. }: &Expunge, uids| Group {
        mailbox: mailbox.clone(),
        view: view.clone(),
        uids,
    };
    let new = [sorted(&groups()[0], vec![Uid(3), Uid(5), Uid(u64::MAX)]), sorted(&groups()[1], vec![])];
    for (flags, unwanted) in [(FINAL, Unwanted::Goes), (0, Unwanted::Stays)] {
        let delete = Draft { flags, ..later(Kind::Delete, &old) };
        let groups = new.iter().map(|group| Doomed { group: group.clone(), unwanted }).collect();
        assert_eq!(read_back(&delete), Ok(Change::Delete { groups }));
    }
    let seen = Change::Seen { groups: new.to_vec(), offered: Uid(0) };
    assert_eq!(read_back(&later(Kind::Seen, &old)), Ok(seen));
    let (mailbox, view) = (name("bob"), view("a"));
    for join in [None, Some(Join::Now)] {
        let old = later(Kind::View, &(&mailbox, &view, join));
        let unwanted = Unwanted::Goes;
        let change = ViewChange { mailbox: mailbox.clone(), view: view.clone(), join, unwanted };
        assert_eq!(read_back(&old), Ok(Change::View(change)));
    }
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let envelope = judged_envelope();
    let accept = Draft::accept(&envelope, b"12345".to_vec(), crc32c::crc32c(b"12345")).expect("short");
    let big = Draft::big(&envelope, 5 << 20, 99, 7).expect("short");
    for (draft, octets) in [(&accept, 5), (&big, 5 << 20)] {
        let expected = Change::Accept { octets, envelope: Arc::new(envelope.clone()) };
        assert_eq!(read_back(draft), Ok(expected));
    }
    let route = whole_route();
    let entries = route.entries.clone();
    assert_eq!(
        read_back(&Draft::route(&route).expect("short")),
        Ok(Change::Route { message: QueueId(7), entries })
    );
    let group = |mailbox: &str, uids: Vec<Uid>| Group { mailbox: name(mailbox), view: view("a"), uids };
    let sorted = [group("alice", vec![Uid(3), Uid(5), Uid(u64::MAX)]), group("bob", vec![])];
    let unwanted = [Unwanted::Goes, Unwanted::ToTrash];
    let doomed = |group: &Group, unwanted| Doomed { group: group.clone(), unwanted };
    let delete =
        Change::Delete { groups: vec![doomed(&sorted[0], unwanted[0]), doomed(&sorted[1], unwanted[1])] };
    assert_eq!(read_back(&Draft::delete(&groups()).expect("short")), Ok(delete));
    let Expunge { mailbox, view: of, uids, .. } = groups().remove(0);
    let seen = Change::Seen { groups: sorted[..1].to_vec(), offered: Uid(77) };
    let fetched = Fetched { mailbox, view: of, uids, offered: Uid(77) };
    assert_eq!(read_back(&Draft::seen(&fetched).expect("short")), Ok(seen));
    let purge = Change::Purge { mailbox: name("bob"), uids: vec![Uid(1), Uid(9)] };
    assert_eq!(read_back(&Draft::purge(&name("bob"), &[Uid(9), Uid(1)]).expect("short")), Ok(purge));
    let hold = Change::Hold { message: QueueId(3), held: true };
    assert_eq!(read_back(&Draft::hold(QueueId(3), true).expect("short")), Ok(hold));
    for join in [None, Some(Join::All), Some(Join::Now), Some(Join::After(Uid(7)))] {
        let change = ViewChange { mailbox: name("bob"), view: view(""), join, unwanted: Unwanted::ToTrash };
        assert_eq!(read_back(&Draft::view(&change).expect("short")), Ok(Change::View(change)));
    }
    let trash = Change::Trash { mailbox: name("bob"), uids: vec![Uid(1), Uid(9)] };
    assert_eq!(read_back(&Draft::trash(&name("bob"), &[Uid(9), Uid(1)]).expect("short")), Ok(trash));
    let back = (1..=3).map(|n| Back { was: Uid(n), message: QueueId(n + 10) }).collect();
    let undo = UndoChange { mailbox: name("bob"), view: view("a"), back, entries: whole_route().entries };
    assert_eq!(read_back(&Draft::undo(&undo).expect("short")), Ok(Change::Undo(undo)));
    let mailbox = Change::Mailbox { name: name("bob"), configured: false };
    assert_eq!(read_back(&later(Kind::Mailbox, &(name("bob"), false))), Ok(mailbox));
}

#[test]
fn what_moves_takes_all_of_itself_along() {
    let mut moved = Relocated {
        message: QueueId(7),
        from: 44,
        octets: 5,
        file: None,
        envelope: Arc::new(judged_envelope()),
        uids: vec![Uid(1), Uid(2), Uid(3)],
        entries: whole_route().entries,
    };
    let crc = crc32c::crc32c(b"12345");
    let draft = Draft::relocate(&moved, b"12345".to_vec(), crc).expect("short");
    assert_eq!(read_back(&draft), Ok(Change::Relocate(moved.clone())));
    let too_long = vec![b'x'; RECORD_MAX - 64];
    assert_eq!(Draft::relocate(&moved, too_long.clone(), 0).err(), Some(too_long));
    moved.file = Some(9);
    let draft = Draft::relocate(&moved, Vec::new(), 77).expect("short");
    assert_eq!((read_back(&draft), header(&draft).body_crc), (Ok(Change::Relocate(moved.clone())), 77));
    (moved.uids, moved.entries) = (Vec::new(), Vec::new());
    let draft = Draft::relocate(&moved, Vec::new(), 77).expect("short");
    assert_eq!(read_back(&draft), Ok(Change::Relocate(moved)));
}

#[test]
fn a_slot_finds_its_entry_alone() {
    let route = whole_route();
    let draft = Draft::route(&route).expect("short");
    for (ordinal, entry) in route.entries.iter().enumerate() {
        let at = ordinal * SLOT;
        let (delta, octets) = read_slot(*meta(&draft)[at..].first_chunk().expect("a slot"));
        let from = at + delta as usize;
        assert_eq!(read_entry(&meta(&draft)[from..from + octets as usize]).as_ref(), Ok(entry));
        let mut rotten = meta(&draft)[from..from + octets as usize].to_vec();
        rotten[7] ^= 1;
        assert_eq!(read_entry(&rotten), Err(BadMeta));
    }
}

#[test]
fn what_is_too_long_for_a_record_is_given_back() {
    let body = vec![b'x'; RECORD_MAX - 64];
    let given = Draft::accept(&envelope(&["alice"]), body.clone(), 0).expect_err("no room for the envelope");
    assert!(given == body);
    let many = vec![route(QueueId(1), &["alice"]).entries.remove(0); 70_000];
    assert_eq!(Draft::route(&Route { id: QueueId(1), entries: many }).err(), Some(TooLong));
}

/// Mail is read back after years: what these types look like on disk may only change under a new version.
#[test]
fn the_octets_of_version_1_are_what_they_were() {
    let accept = Draft::new(Kind::Accept, 0, head(&(5_u64, EnvelopeV1::from(&whole_envelope()))));
    let accept = accept.expect("short");
    assert_eq!(hex(meta(&accept)), ACCEPT_1);
    let read = Change::Accept { octets: 5, envelope: Arc::new(whole_envelope()) };
    assert_eq!(read_back(&accept), Ok(read));
    let route = Draft::route(&route(QueueId(7), &["alice"])).expect("short");
    assert_eq!(hex(meta(&route)), ROUTE_1);
    assert_eq!(hex(meta(&later(Kind::Delete, &groups_1()))), DELETE_1);
    assert_eq!(hex(meta(&later(Kind::View, &(name("bob"), view("a"), Some(Join::Now))))), VIEW_1);
    assert_eq!(hex(meta(&Draft::trash(&name("bob"), &[Uid(9), Uid(1)]).expect("short"))), TRASH_1);
    let back = vec![Back { was: Uid(300), message: QueueId(7) }];
    let entries = queue::contract::route(QueueId(7), &["alice"]).entries;
    let undo = UndoChange { mailbox: name("alice"), view: view("a"), back, entries };
    assert_eq!(hex(meta(&Draft::undo(&undo).expect("short"))), UNDO_1);
}

/// The same of what views do.
#[test]
fn the_octets_of_version_2_of_views_are_what_they_were() {
    assert_eq!(hex(meta(&Draft::delete(&groups()).expect("short"))), DELETE_2);
    let (join, unwanted) = (Some(Join::Now), Unwanted::Goes);
    let change = ViewChange { mailbox: name("bob"), view: view("a"), join, unwanted };
    assert_eq!(hex(meta(&Draft::view(&change).expect("short"))), VIEW_2);
    let uids = vec![Uid(3), Uid(300)];
    let fetched = Fetched { mailbox: name("bob"), view: view("a"), uids, offered: Uid(301) };
    assert_eq!(hex(meta(&Draft::seen(&fetched).expect("short"))), SEEN_2);
}

/// The same of an envelope with what rules and authentication say, and of one without.
#[test]
fn the_octets_of_version_2_are_what_they_were() {
    for (envelope, golden) in [(judged_envelope(), ACCEPT_2), (whole_envelope(), ACCEPT_2_PLAIN)] {
        let accept = Draft::accept(&envelope, b"12345".to_vec(), 1).expect("short");
        assert_eq!(hex(meta(&accept)), golden);
    }
}

/// What was moved by an earlier version is read with its envelope, too.
#[test]
fn a_move_of_version_1_is_read() {
    let entries = whole_route().entries;
    let mut between = Vec::new();
    let envelope = whole_envelope();
    append(&mut between, &(QueueId(7), 44_u64, 5_u64, vec![1_u64, 2, 3], EnvelopeV1::from(&envelope)));
    let head = with_slots(&between, &entries);
    let mut draft = Draft::with_body(Kind::Relocate, 0, head, b"12345".to_vec(), crc32c::crc32c(b"12345"))
        .expect("short");
    draft.slots = 3;
    let Ok(Change::Relocate(moved)) = read_back(&draft) else { panic!("not read") };
    assert_eq!((moved.envelope, moved.entries), (Arc::new(envelope), entries));
    assert_eq!(moved.uids, [Uid(1), Uid(2), Uid(3)]);
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

const ACCEPT_2: &str = "02050002000105616c696365000101036f6e650101056361726f6c0104646176650106666f726765640103582d4101620103782d6301035b645d01ac02000111626f62406f746865722e6578616d706c6500000000010100c00002070e636c69656e742e6578616d706c650106544c53312e33034145530101ac0214000101020109622e6578616d706c650103776879010209622e6578616d706c650173044162436400010209622e6578616d706c65020001020109622e6578616d706c6501020001077375626a656374090c036120e9";
const ACCEPT_2_PLAIN: &str = "02050002000105616c6963650000000111626f62406f746865722e6578616d706c6500000000010100c00002070e636c69656e742e6578616d706c650106544c53312e33034145530101ac0214000000";
const ACCEPT_1: &str = "01050002000105616c69636500000111626f62406f746865722e6578616d706c65000000010100c00002070e636c69656e742e6578616d706c650106544c53312e33034145530101ac021400";
const ROUTE_1: &str =
    "080000002600000047d1a11f0105616c69636501001544656c6976657265642d546f3a20616c6963650d0a000000";
const DELETE_1: &str = "010205616c6963650161030302faffffffffffffffff0103626f62016100";
const VIEW_1: &str = "0103626f6201610101";
const TRASH_1: &str = "0103626f62020108";
const UNDO_1: &str = "15000000260000000105616c696365016101ac020747d1a11f0105616c69636501001544656c6976657265642d546f3a20616c6963650d0a000000";
const DELETE_2: &str = "020205616c696365016102030302faffffffffffffffff0103626f6201610100";
const VIEW_2: &str = "0203626f620161010102";
const SEEN_2: &str = "0203626f6201610203a902ad02";

proptest! {
    /// Octets that nobody wrote are an error, never a panic.
    #[test]
    fn any_octets_are_read_or_refused(
        kind in 1u8..=12,
        slots in 0u16..4,
        version in 1u8..=2,
        mut octets in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut draft = later(Kind::Accept, &());
        octets.insert(0, version);
        draft.kind = Kind::from_octet(kind).expect("known");
        draft.slots = slots;
        let _ = Change::decode(&header(&draft), &octets);
        let _ = read_entry(&octets);
    }
}
