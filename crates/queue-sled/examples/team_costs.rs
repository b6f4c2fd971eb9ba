//! What the members of a team cost, in memory and in time. A process of its own for each number:
//!
//! ```text
//! cargo run -p queue-sled --example team_costs -- fill STORE MESSAGES MEMBERS none|half|both [OCTETS]
//! cargo run -p queue-sled --example team_costs -- open STORE
//! cargo run -p queue-sled --example team_costs -- quit STORE
//! ```
//!
//! `fill` makes a mailbox that every member sees and, with `half`, has deleted every other message of, each another
//! half; with `both` it has fetched the others, too. The messages are copies of one, side by side in the log, or of
//! so many octets each, as far apart as mail is. `open` opens it for all of them, keeps what they list, and says what the process then has in memory.
//! `quit` deletes a thousand messages of a plain mailbox into the trash, and another thousand for good.

#![allow(clippy::print_stdout, reason = "what it has measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use mail::{Uid, ViewName};
use queue::contract::{accept, name, route, view};
use queue::{Expunge, Fetched, Join, Maildrop, Store, Unwanted};
use queue_sled::{Params, SledMaildrop, SledStore};

const AT_ONCE: usize = 500;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["fill", store, messages, members, what, ref octets @ ..] => {
            let number = |text: &str| text.parse().expect("a number");
            let octets = octets.first().map(|octets| number(octets));
            fill(Path::new(store), number(messages), number(members), what, octets).await;
        }
        ["open", store] => open(Path::new(store)).await,
        ["quit", store] => quit(Path::new(store)).await,
        _ => println!("fill STORE MESSAGES MEMBERS none|half|both [OCTETS], open STORE, or quit STORE"),
    }
}

fn store(path: &Path) -> SledStore {
    let params =
        Params { segment_size: Some(8 << 20), cache: 4 << 20, ballast: 1 << 20, ..Params::default() };
    SledStore::open(path, params).expect("opens").0
}

async fn deliver(store: &SledStore, mailbox: &str, messages: usize) {
    for _ in 0..messages / AT_ONCE {
        let id = accept(store, b"Subject: one of many\r\n\r\nx\r\n").await;
        store.deliver(vec![route(id, &[mailbox; AT_ONCE])]).await.expect("delivered");
    }
}

fn uids(maildrop: &SledMaildrop) -> Vec<Uid> {
    (0..maildrop.len()).filter_map(|at| maildrop.entry(at)).map(|entry| entry.uid).collect()
}

/// Each a message of its own.
async fn deliver_apart(store: &SledStore, mailbox: &str, messages: usize, octets: usize) {
    let text = [b"Subject: one of many\r\n\r\n".as_slice(), &vec![b'x'; octets], b"\r\n"].concat();
    for _ in 0..messages / AT_ONCE {
        let mut routes = Vec::new();
        for _ in 0..AT_ONCE {
            routes.push(route(accept(store, &text).await, &[mailbox]));
        }
        store.deliver(routes).await.expect("delivered");
    }
}

async fn fill(path: &Path, messages: usize, members: usize, what: &str, octets: Option<usize>) {
    let store = store(path);
    match octets {
        Some(octets) => deliver_apart(&store, "team", messages, octets).await,
        None => deliver(&store, "team", messages).await,
    }
    let all = uids(&store.open(&name("team"), &ViewName::owner()).await.expect("opened"));
    for member in 0..members {
        let (mailbox, view) = (name("team"), view(&format!("member{member}")));
        store.join(&mailbox, &view, Join::All).await.expect("joined");
        let half = |from: usize| all.iter().skip((member + from) % 2).step_by(2).copied().collect();
        let begun = Instant::now();
        if what == "both" {
            let (mailbox, view, offered) = (mailbox.clone(), view.clone(), all[all.len() - 1]);
            store.seen(Fetched { mailbox, view, uids: half(1), offered }).await.expect("noted");
            println!("{} fetched by a member: {:?}", all.len() / 2, begun.elapsed());
        }
        if what != "none" {
            let group = Expunge { mailbox, view, uids: half(0), unwanted: Unwanted::Stays };
            store.delete(vec![group]).await.expect("deleted");
            println!("{} deletions of a member: {:?}", all.len() / 2, begun.elapsed());
        }
    }
    store.close().await.expect("closed");
}

async fn open(path: &Path) {
    let store = store(path);
    let views = store.views(&name("team")).await.expect("told");
    let views: Vec<_> = views.into_iter().map(|state| state.view).collect();
    let all = if views.is_empty() { vec![ViewName::owner(); 20] } else { views };
    let mut kept = Vec::new();
    for view in &all {
        kept.push(store.open(&name("team"), view).await.expect("opened"));
    }
    println!("{} views, {} messages in the first, {} KiB resident", kept.len(), kept[0].len(), resident());
    let begun = Instant::now();
    for _ in 0..1000 {
        for view in &all {
            let _ = store.open(&name("team"), view).await.expect("opened");
        }
    }
    println!("{:?} for opening one again", begun.elapsed() / 1000 / u32::try_from(all.len()).expect("few"));
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..50 {
        deliver_one(&store).await;
        let begun = Instant::now();
        for view in &all {
            let _ = store.open(&name("team"), view).await.expect("opened");
        }
        times.push(begun.elapsed() / u32::try_from(all.len()).expect("few"));
    }
    times.sort_unstable();
    println!("{:?} for opening one after a message has come (median of 50)", times[25]);
}

async fn deliver_one(store: &SledStore) {
    let id = accept(store, b"Subject: another\r\n\r\nx\r\n").await;
    store.deliver(vec![route(id, &["team"])]).await.expect("delivered");
}

async fn quit(path: &Path) {
    let store = store(path);
    for round in 0..5 {
        for unwanted in [Unwanted::Goes, Unwanted::ToTrash] {
            let mailbox = format!("plain{round}");
            deliver(&store, &mailbox, 1000).await;
            let maildrop = store.open(&name(&mailbox), &ViewName::owner()).await.expect("opened");
            let group =
                Expunge { mailbox: name(&mailbox), view: ViewName::owner(), uids: uids(&maildrop), unwanted };
            let (begun, before) = (Instant::now(), store.written());
            store.delete(vec![group]).await.expect("deleted");
            let (took, after) = (begun.elapsed(), store.written());
            println!("1000 deletions, {unwanted:?}: {took:?}; {before:?} to {after:?}");
        }
    }
    store.close().await.expect("closed");
}

/// Of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
