//! Whole lives of a team in process: everything that happens follows from a seed.

mod engine;
mod keeper;
mod life;
mod office;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::chance::number;

/// Lives of this run.
fn seeds(otherwise: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("RESTANTE_SEEDS") else { return otherwise };
    let (from, to) = text.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// All of them, by some threads: a life waits a lot.
fn live<E: engine::Engine>(lives: Range<u64>) -> String {
    let (began, next) = (Instant::now(), AtomicU64::new(lives.start));
    let steps = number("RESTANTE_STEPS", 60);
    let sum = Mutex::new(life::Told::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut directory = None;
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !lives.contains(&seed) {
                        return;
                    }
                    let (told, known) = life::life::<E>(seed, steps, directory);
                    directory = Some(known);
                    sum.lock().expect("nobody failed").add(&told);
                }
            });
        }
    });
    let (took, sum) = (began.elapsed(), sum.into_inner().expect("nobody failed"));
    assert!(sum.got > sum.sent, "too little happened: {sum:?}");
    format!("seeds {lives:?}: {sum:?} in {took:.1?}")
}

/// Everybody gets everything once, nothing goes before its time, and in the end all of it has gone.
#[test]
fn a_team_lives_as_specified_over_the_engine_in_memory() {
    println!("in memory, {}", live::<engine::Memory>(seeds(0..60)));
}

/// The same over the durable engine, that is closed and opened in between.
#[test]
fn a_team_lives_as_specified_over_the_durable_engine() {
    let all = seeds(0..8);
    // A life there takes ten times as long.
    let some = (all.end - all.start).div_ceil(10).max(8);
    println!("durable, {}", live::<engine::Durable>(all.start..all.start + some));
}
