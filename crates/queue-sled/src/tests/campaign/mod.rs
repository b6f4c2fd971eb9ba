//! The crash campaign: lives of a store on a simulated disk, cut at every operation, and held against a
//! model. See `disk/simulated/machine.rs` for what a cut leaves.
//!
//! A new kind of operation is a further step of [`script`]; one that changes what can be seen is a
//! further [`model::Change`] too. `scripts/soak` runs the long lanes, by `RESTANTE_SEEDS=from..to`.
//!
//! | what must hold | shown by |
//! |---|---|
//! | what was acknowledged is there, octet for octet (I1) | every image of every lane |
//! | what can be seen is whole, and once in each mailbox (I2) | every image |
//! | a deletion never comes back (I3) | every image; [`single`] `seen_after_deleted_brings_nothing_back` |
//! | a uid, once seen, stays, and is never another's (I4) | every image; `an_id_that_was_taken_back_is_not_given_again` |
//! | twice is once, the index is what snap and log make (I5) | a quarter of all images, and all after an error |
//! | entries are totals, bodies are holders (I6) | every image; holders where I5 is looked at |
//! | what everybody deleted leaves the disk (I7) | `tests/space.rs` |
//! | a full disk (I8) | `no_room_at_any_operation`, `a_disk_that_fills_up_takes_no_mail_and_loses_none` |
//! | a sync that fails (I9) | `a_sync_that_fails`, `a_last_batch_whose_sync_failed_is_written_again` |
//! | slow readers and hard links (I10) | `tests/space.rs`, `tests/backup.rs` |
//! | a kill in open, roll, checkpoint, snap, compaction (I11) | every operation point; start: the later generations |
//! | the same in freeze, backup and restore | [`backups`] |
//! | an index that was truncated, changed, removed (I12) | `tests/damage.rs`; removed: an eighth of all images |
//! | one bad sector (I13) | `a_sector_that_cannot_be_read_loses_its_record_only`, `tests/damage.rs` |
//! | two views on one mailbox (I14) | the views of the script |
//! | no false alarm: a cut is not reported as damage | every image |
//! | a checkpoint says no more than is on the platter (G2) | every image whose index was not taken away; `a_checkpoint_says_no_more_than_its_flush_covers` |
//! | the page cache is not believed at a start | `a_last_batch_*`, `a_header_that_only_the_page_cache_has_is_made_durable` |
//! | a spare is in the folder before it has mail | `a_segment_has_its_name_before_its_first_record` |
//! | what was refused never surfaces | `what_was_refused_in_the_middle_of_a_batch_never_surfaces` |
//! | a torn header loses nothing, and shuts no store | every torn tail; [`torn`] |
//! | a hole in a torn batch is the same to all who read it | `a_torn_body_does_not_keep_the_log_from_being_folded` |
//!
//! Freed too early, a body moved that has rotted, a second restore: `tests/space.rs` and `tests/backup.rs`. The checkpoint, the full disk and the lost log: [`room`].

mod backups;
mod errors;
mod ledger;
mod life;
mod model;
mod observe;
mod room;
mod script;
mod single;
mod torn;

use std::ops::Range;
use std::time::Instant;

use errors::{Failure, Order};
use life::{Campaign, Plan, Totals};
use rustix::io::Errno;

use crate::disk::faulty::Op;

const LIVES: Plan = Plan { steps: 14, busy: false, cuts: 1, tails: 2, used: 3, live_on: 30, generations: 1 };
const LONG_LIVES: Plan = Plan { steps: 30, cuts: 2, tails: 4, live_on: 60, generations: 2, ..LIVES };
const TAILS: Plan =
    Plan { steps: 12, busy: true, cuts: 0, tails: 20, used: 20, live_on: 500, generations: 1 };
const LONG_TAILS: Plan = Plan { steps: 24, tails: 60, ..TAILS };

/// The seeds of a long lane, as `from..to` from the environment; none for a short one.
fn long_seeds() -> Option<Range<u64>> {
    let text = std::env::var("RESTANTE_SEEDS").ok()?;
    let parts = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    Some(parts.unwrap_or_else(|| panic!("RESTANTE_SEEDS={text} is not from..to")))
}

/// Runs seeds, and says how far it is: whoever ends a long lane knows from which seed to go on.
fn lane(what: &str, plan: Plan, seeds: Range<u64>, mut run: impl FnMut(&mut Campaign, u64)) -> Totals {
    let begun = Instant::now();
    let mut campaign = Campaign::new(plan);
    for seed in seeds.clone() {
        run(&mut campaign, seed);
        let done = seed + 1;
        if done == seeds.end || done.is_multiple_of(25) {
            let seconds = begun.elapsed().as_secs();
            println!("{what}, seeds {}..{done}: {} in {seconds} s", seeds.start, campaign.totals);
        }
    }
    campaign.totals
}

#[test]
fn a_life_is_cut_at_every_operation() {
    let totals = match long_seeds() {
        Some(seeds) => lane("lives", LONG_LIVES, seeds, Campaign::run),
        None => lane("lives", LIVES, 0..4, Campaign::run),
    };
    assert!(totals.images > 500, "the lives have few operations");
}

#[test]
fn a_batch_is_torn_in_many_ways() {
    let totals = match long_seeds() {
        Some(seeds) => lane("torn tails", LONG_TAILS, seeds, Campaign::run),
        None => lane("torn tails", TAILS, 0..1, Campaign::run),
    };
    assert!(totals.begun > 20, "the batches have few records");
    // One life has between some and a hundred, as its threads take turns.
    assert!(totals.over_old > 5, "no segment is used again");
}

/// Once, and from an operation on for good. A short lane leaves out operations.
fn every_error(what: &str, failure: Failure, only: Option<Op>, stride: usize) {
    let long = long_seeds();
    let stride = if long.is_some() { 1 } else { stride };
    for (lasting, how) in [(false, "once"), (true, "for good")] {
        let order = Order { failure, only, lasting, stride };
        let seeds = long.clone().unwrap_or(0..2);
        let totals =
            lane(&format!("{what} {how}"), LIVES, seeds, |campaign, seed| campaign.run_errors(seed, order));
        // Of the rarest operation two lives have a dozen, more or less as their threads take turns.
        assert!(totals.errors > 5, "the lives have few operations");
    }
}

#[test]
fn no_room_at_any_operation() {
    every_error("ENOSPC", Failure::Errno(Errno::NOSPC), None, 3);
}

#[test]
fn an_error_at_any_operation() {
    every_error("EIO", Failure::Errno(Errno::IO), None, 3);
}

#[test]
fn a_sync_that_fails() {
    every_error("EIO at fdatasync", Failure::Errno(Errno::IO), Some(Op::Fdatasync), 1);
}

#[test]
fn a_folder_whose_sync_fails() {
    every_error("EIO at fsync of a folder", Failure::Errno(Errno::IO), Some(Op::FsyncDir), 1);
}

#[test]
fn a_write_that_takes_a_part() {
    every_error("short write", Failure::Short, None, 2);
}
