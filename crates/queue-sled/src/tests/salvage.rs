//! Whatever is broken, intact mail is served or salvaged, and damaged mail is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use mail::{QueueId, Uid};
use queue::contract::{accept, deliver, listed, name, view};
use queue::{Expunge, Store};

use super::{Place, block_on, contents, names};
use crate::disk::{Disk, RealDisk};
use crate::fsck::{Checked, Grade, Salvaged, Wanted, check_on, salvage};
use crate::index::rows::{QueueRow, decode};
use crate::index::{SledIndex, chunk, keys};
use crate::log::Lsn;
use crate::log::record::{HEADER, RecordHeader};
use crate::log::segment::{SegmentHeader, segment_path};
use crate::space::Tidied;

const SEGMENT: u32 = 64 << 10;
/// Octets of a segment's first page that say anything.
const FIRST_PAGE: u32 = 64;

fn body(n: usize) -> Vec<u8> {
    format!("Subject: letter {n}\r\n\r\n{}\r\n", format!("{n} ").repeat(n * 41 % 2000)).into_bytes()
}

/// One message of a store: what is exported under which name, and which octets of the log that takes.
struct Letter {
    file: String,
    octets: Vec<u8>,
    needs: Vec<(u32, std::ops::Range<u32>)>,
    /// How it is called in a report.
    id: String,
}

/// A store of everything there is, closed.
fn filled(place: &Place) -> (Vec<Letter>, BTreeSet<Vec<u8>>) {
    let (letters, deleted) = block_on(async {
        let (store, _) = place.open();
        let mut uids = BTreeMap::<&str, Vec<Uid>>::new();
        for n in 0..120 {
            let to = [&["alice"][..], &["bob"], &["alice", "carol"]][n % 3];
            for (mailbox, uid) in to.iter().zip(deliver(&store, &body(n), to).await) {
                uids.entry(mailbox).or_default().push(uid);
            }
        }
        deliver(&store, &body(7).repeat(20), &["dave"]).await;
        let bobs = uids["bob"][..30].to_vec();
        let gone: BTreeSet<_> = contents(&store).await["bob"][..30].iter().map(|(_, o)| o.clone()).collect();
        store
            .delete(vec![Expunge {
                mailbox: name("bob"),
                view: view(""),
                uids: bobs,
                unwanted: queue::Unwanted::Goes,
            }])
            .await
            .expect("deleted");
        store.purge(&name("carol"), listed(&store, "carol", "").await).await.expect("purged");
        let most = uids["alice"][..60].to_vec();
        store
            .delete(vec![Expunge {
                mailbox: name("alice"),
                view: view(""),
                uids: most,
                unwanted: queue::Unwanted::Goes,
            }])
            .await
            .expect("deleted");
        let tidied: Tidied = store.tidy().await.expect("tidied");
        assert!(tidied.segments > 0 && tidied.moved > 0, "{tidied:?}");
        for n in 120..150 {
            deliver(&store, &body(n), &["erin", "alice"]).await;
        }
        let erins = listed(&store, "erin", "").await[..5].to_vec();
        store
            .delete(vec![Expunge {
                mailbox: name("erin"),
                view: view(""),
                uids: erins,
                unwanted: queue::Unwanted::Goes,
            }])
            .await
            .expect("deleted");
        let mut queued = Vec::new();
        for n in 150..155 {
            queued.push((accept(&store, &body(n)).await, body(n)));
        }
        let letters = letters(place, &store, &contents(&store).await, &queued);
        store.close().await.expect("closed");
        (letters, gone)
    });
    assert!(letters.len() > 80);
    (letters, deleted)
}

fn letters(
    place: &Place,
    store: &crate::SledStore,
    contents: &BTreeMap<String, Vec<(Uid, Vec<u8>)>>,
    queued: &[(QueueId, Vec<u8>)],
) -> Vec<Letter> {
    let kv = store.kv().expect("an index");
    let mut letters = Vec::new();
    let record = |at: u64| {
        let lsn = Lsn(at);
        let octets = std::fs::read(segment_path(&place.path().join("log"), lsn.segment())).expect("read");
        let salt = SegmentHeader::decode(&octets).expect("a header").salt;
        let header = RecordHeader::decode(&octets[lsn.offset() as usize..], salt, lsn).expect("a record");
        (lsn.segment(), lsn.offset()..lsn.offset() + u32::try_from(header.octets()).expect("short"))
    };
    for (mailbox, messages) in contents {
        kv.scan(&keys::entries(&name(mailbox)), &[], &mut |key, value| {
            let first = Uid(keys::number(key).expect("a uid"));
            chunk::scan(value, first, |entry| {
                let (_, octets) = messages.iter().find(|(uid, _)| *uid == entry.uid).expect("listed");
                let mut needs = vec![record(entry.row.place)];
                if entry.row.slot.is_none() {
                    // The first slot of a ROUTE stands behind its header, the others behind the first.
                    let slots = (0..2).map(|slot| entry.uid.0 - HEADER as u64 - 8 * slot);
                    let mut found = slots.filter(|at| {
                        let lsn = Lsn(*at);
                        let log = std::fs::read(segment_path(&place.path().join("log"), lsn.segment()));
                        let log = log.expect("read");
                        let salt = SegmentHeader::decode(&log).expect("a header").salt;
                        RecordHeader::decode(&log[lsn.offset() as usize..], salt, lsn).is_ok()
                    });
                    needs.push(record(found.next_back().expect("a route")));
                }
                let file = format!("mailboxes/{mailbox}/{}.eml", entry.uid);
                letters.push(Letter { file, octets: octets.clone(), needs, id: entry.uid.to_string() });
                Ok(true)
            })?;
            Ok(true)
        })
        .expect("readable");
    }
    for (id, octets) in queued {
        let row = kv.get(&keys::queued(*id)).expect("readable").expect("queued");
        let row: QueueRow = decode(&row).expect("a row");
        let (file, needs) = (format!("queued/{id}.eml"), vec![record(row.place)]);
        letters.push(Letter { file, octets: octets.clone(), needs, id: id.to_string() });
    }
    letters
}

fn place() -> Place {
    Place::with_segments(SEGMENT)
}

pub(super) fn run(image: &Place) -> (Salvaged, BTreeMap<String, Vec<u8>>) {
    let out = image.folder.path().join("out");
    let salvaged = salvage(&image.path(), &out, Wanted::default(), &mut |_| {}).expect("salvaged");
    let mut files = BTreeMap::new();
    read(&out, &out, &mut files);
    std::fs::remove_dir_all(&out).expect("removed");
    (salvaged, files)
}

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            read(root, &path, files);
        } else if name.ends_with(".eml") {
            let short = path.strip_prefix(root).expect("inside").to_str().expect("text").to_owned();
            assert!(path.with_extension("json").exists());
            files.insert(short, std::fs::read(path).expect("read"));
        }
    }
}

pub(super) fn check(image: &Place) -> Checked {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let index = SledIndex { cache: 4 << 20 };
    check_on(&disk, Some(&index), &image.path(), None, true, &mut |_| {}).expect("checked")
}

fn is_named(salvaged: &Salvaged, letter: &Letter) -> bool {
    let damaged = |from: &str, to: &str| {
        letter.needs.iter().any(|(segment, range)| {
            let at = |offset| Lsn::new(*segment, offset).to_string();
            from < at(range.end).as_str() && at(range.start).as_str() < to
        })
    };
    salvaged.faults.iter().any(|fault| {
        let named = fault.whom.iter().any(|whom| whom.id == letter.id);
        named || fault.place.split_once('-').is_some_and(|(from, to)| damaged(from, to))
    })
}

#[test]
fn a_store_with_nothing_wrong_is_clean_and_all_of_it_can_be_taken_out() {
    let place = place();
    let (letters, _) = filled(&place);
    let checked = check(&place);
    assert_eq!(checked.faults, []);
    assert_eq!(checked.entries + checked.queued, letters.len() as u64);
    let (salvaged, files) = run(&place);
    assert_eq!(salvaged.faults, []);
    let wanted: BTreeMap<_, _> = letters.into_iter().map(|letter| (letter.file, letter.octets)).collect();
    assert_eq!(files.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert!(files == wanted);
    // Nothing was changed by that.
    assert_eq!(check(&place).faults, []);
}

#[test]
fn what_is_missing_around_the_log_is_not_needed() {
    let place = place();
    let (letters, deleted) = filled(&place);
    let wanted: BTreeMap<_, _> = letters.into_iter().map(|letter| (letter.file, letter.octets)).collect();
    for gone in [&["STORE"][..], &["idx", "CKPT"], &["STORE", "idx", "CKPT", "LOCK", "big/none"]] {
        let image = place.image();
        for path in gone.iter().map(|name| image.path().join(name)).filter(|path| path.exists()) {
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                .expect("gone");
        }
        let (_, files) = run(&image);
        assert!(files == wanted, "{gone:?}");
    }
    // Without a snap what was deleted long ago may come back, and nothing else changes.
    let image = place.image();
    std::fs::remove_dir_all(image.path().join("snap")).expect("removed");
    assert_eq!(check(&image).worst(), Some(Grade::Mends), "the index still knows");
    std::fs::remove_dir_all(image.path().join("idx")).expect("removed");
    assert_eq!(check(&image).worst(), Some(Grade::Fatal));
    let (_, files) = run(&image);
    assert!(wanted.iter().all(|(file, octets)| files.get(file) == Some(octets)));
    for (file, octets) in files.iter().filter(|(file, _)| !wanted.contains_key(*file)) {
        assert!(deleted.contains(octets) || file.contains("carol") || file.contains("alice"), "{file}");
    }
    // A first page is not needed either: records prove themselves.
    for segment in names(&place.path().join("log")).iter().filter(|name| name.ends_with(".seg")) {
        let image = place.image();
        super::scribble(&image.path().join("log").join(segment), 0, &[0x55; 64]);
        assert_eq!(check(&image).worst(), Some(Grade::Fatal), "{segment}");
        let (salvaged, files) = run(&image);
        assert!(files == wanted, "{segment}");
        assert!(salvaged.faults.iter().any(|fault| fault.place == *segment));
    }
}

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// `RESTANTE_FLIPS` says how many stores are spoilt (40), `RESTANTE_SEED` makes others.
#[test]
fn whatever_bits_flip_intact_mail_is_salvaged_and_damaged_mail_is_named() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
    };
    let place = place();
    let (letters, _) = filled(&place);
    // What was deleted comes back when the record that says so is lost, and then it is what came in.
    let known: Vec<_> = (0..155).map(body).chain([body(7).repeat(20)]).collect();
    let log = names(&place.path().join("log"));
    let segments: Vec<_> = log.iter().filter(|name| name.ends_with(".seg")).collect();
    let first = number("RESTANTE_SEED", 1);
    let (mut lost, mut opened) = (0, 0);
    let flips = number("RESTANTE_FLIPS", 40);
    for seed in first..first + flips {
        let mut chance = Chance(seed);
        let image = place.image();
        let mut spoilt: Vec<(u32, std::ops::Range<u32>)> = Vec::new();
        for _ in 0..=chance.below(4) {
            let name = segments[usize::try_from(chance.below(segments.len() as u64)).expect("few")];
            let path = image.path().join("log").join(name);
            let id = crate::log::segment::segment_id(name).expect("a segment");
            let at = u32::try_from(chance.below(u64::from(SEGMENT))).expect("small");
            let mut octets = std::fs::read(&path).expect("read");
            if chance.below(8) == 0 {
                octets.truncate(at as usize);
                spoilt.push((id, at..u32::MAX));
            } else if let Some(octet) = octets.get_mut(at as usize) {
                *octet ^= 1 << chance.below(8);
                spoilt.push((id, at..at + 1));
            }
            std::fs::write(&path, octets).expect("written");
        }
        if chance.below(2) == 0 {
            let idx = image.path().join("idx");
            let mut files: Vec<_> = names(&idx).into_iter().map(|name| idx.join(name)).collect();
            files
                .retain(|path| std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0));
            files.sort();
            let path = match chance.below(3) {
                0 => files[usize::try_from(chance.below(files.len() as u64)).expect("few")].clone(),
                _ => idx.join("db"),
            };
            let mut octets = std::fs::read(&path).expect("read");
            let at = usize::try_from(chance.below(octets.len() as u64)).expect("small");
            if chance.below(4) == 0 {
                octets.truncate(at);
            } else {
                octets[at] ^= 1 << chance.below(8);
            }
            std::fs::write(&path, octets).expect("written");
        }
        let touched = |letter: &Letter| {
            letter.needs.iter().any(|(segment, range)| {
                spoilt.iter().any(|(id, bad)| id == segment && bad.start < range.end && range.start < bad.end)
            })
        };
        let (salvaged, files) = run(&image);
        let before = lost;
        for letter in &letters {
            match files.get(&letter.file) {
                Some(octets) if *octets == letter.octets => {}
                found => {
                    assert!(touched(letter), "seed {seed}: {} is intact, {:?}", letter.file, salvaged.faults);
                    // Without its own fields it is still what came in.
                    let received = found.is_none_or(|octets| letter.octets.ends_with(octets));
                    assert!(received, "seed {seed}: {}", letter.file);
                    assert!(is_named(&salvaged, letter), "seed {seed}: {}: {:?}", letter.id, salvaged.faults);
                    lost += 1;
                }
            }
        }
        let checked = check(&image);
        if lost > before {
            let (told, known) = (&checked.faults, &salvaged.faults);
            assert!(
                checked.worst() >= Some(Grade::Mail),
                "seed {seed}: {told:?}, salvaged: {known:?}, {spoilt:?}"
            );
        }
        // What can be opened serves what is intact, and nothing that is not what came in.
        match image.try_open() {
            Ok((store, report)) => block_on(async {
                let mut served = BTreeMap::new();
                for (mailbox, uid, octets) in readable(&store).await {
                    let came_in = known.iter().any(|body| octets.ends_with(body));
                    assert!(came_in, "seed {seed}: {mailbox} {uid}");
                    served.insert(format!("mailboxes/{mailbox}/{uid}.eml"), octets);
                }
                let queued = store.queued(None, usize::MAX).await.expect("readable");
                let queued: BTreeSet<_> = queued.iter().map(|one| format!("queued/{}.eml", one.id)).collect();
                // A segment whose first page is damaged is not read: the start and fsck say so, salvage reads it.
                let is_shut = |letter: &Letter| {
                    let of = |id| letter.needs.iter().any(|(segment, _)| segment == id);
                    spoilt.iter().any(|(id, bad)| bad.start < FIRST_PAGE && of(id))
                };
                for letter in letters.iter().filter(|letter| !touched(letter)) {
                    if is_shut(letter) {
                        assert_eq!(checked.worst(), Some(Grade::Fatal), "seed {seed}: {:?}", checked.faults);
                        assert!(
                            !report.damaged.is_empty(),
                            "seed {seed}: nothing is said of {}",
                            letter.file
                        );
                        continue;
                    }
                    let there =
                        queued.contains(&letter.file) || served.get(&letter.file) == Some(&letter.octets);
                    assert!(there, "seed {seed}: {} is intact and not served: {report}", letter.file);
                }
                opened += 1;
                store.close().await.expect("closed");
            }),
            Err(error) => assert_eq!(checked.worst(), Some(Grade::Fatal), "seed {seed}: {error}"),
        }
    }
    println!(
        "flips, seeds {first}..{}: {opened} opened, {lost} messages damaged and named, 0 failures",
        first + flips
    );
    assert!(lost > 10 && opened > 10, "{lost} lost, {opened} opened");
}

/// Everything that can be read of every mailbox.
async fn readable(store: &crate::SledStore) -> Vec<(String, Uid, Vec<u8>)> {
    use queue::{Maildrop, Message};
    let mut found = Vec::new();
    for status in store.mailboxes().await.expect("readable") {
        let maildrop = store.open(&status.name, &view("")).await.expect("opened");
        'messages: for index in 0..maildrop.len() {
            let Ok(mut message) = maildrop.message(index, 0..u64::MAX).await else { continue };
            let mut octets = Vec::new();
            loop {
                match message.chunk().await {
                    Ok(Some(chunk)) => octets.extend_from_slice(&chunk),
                    Ok(None) => break,
                    Err(_) => continue 'messages,
                }
            }
            found.push((status.name.to_string(), maildrop.entry(index).expect("within").uid, octets));
        }
    }
    found
}
