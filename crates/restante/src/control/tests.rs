//! The protocol over real sockets, with verbs that only tests have.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use queue_sled::{Params, SledStore};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::{Call, Patience};
use super::client::Client;
use super::verb::{NoArgs, Nothing, status};
use super::*;

fn desk(folder: &std::path::Path) -> Desk {
    let params = Params { segment_size: Some(16 << 20), spares: 1, ballast: 0, ..Params::default() };
    let (store, _) = SledStore::open(&folder.join("store"), params).expect("a store");
    Desk::offline(store, folder.to_owned(), folder, None)
}

/// Takes items and counts them; or fails after some.
enum Count {}

#[derive(Serialize, Deserialize)]
struct CountArgs {
    most: u64,
}

impl Verb for Count {
    const NAME: &'static str = "count";
    type Args = CountArgs;
    type Item = u64;
    type Answer = (u64, u64);

    async fn serve(_desk: &Desk, args: CountArgs, call: &mut Call) -> Result<(u64, u64), Fault> {
        let (mut items, mut octets) = (0, 0);
        while let Some((number, body)) = call.next::<u64>().await? {
            assert_eq!(number, items, "in order");
            items += 1;
            octets += body.len() as u64;
            call.progress(&Progress { what: "messages".into(), done: items, of: None });
            if items > args.most {
                return Err(Fault::new(Code::Data, "too many"));
            }
        }
        Ok((items, octets))
    }
}

/// Sends as many items as it is asked for.
enum Pour {}

impl Verb for Pour {
    const NAME: &'static str = "pour";
    type Args = u64;
    type Item = u64;
    type Answer = ();

    async fn serve(_desk: &Desk, items: u64, call: &mut Call) -> Result<(), Fault> {
        for number in 0..items {
            call.item(&number, &vec![7; OCTETS_MAX]).await?;
        }
        Ok(())
    }
}

/// Serves one call of a verb on a thread of its own; the result is what the verb made of it.
fn serving<V: Verb>(patience: Patience) -> (StdUnixStream, std::thread::JoinHandle<Option<Fault>>) {
    let (ours, theirs) = StdUnixStream::pair().expect("a pair");
    let served = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let folder = tempfile::tempdir().expect("a folder");
            let desk = desk(folder.path());
            theirs.set_nonblocking(true).expect("set");
            let mut call = Call::new(UnixStream::from_std(theirs).expect("a stream"), patience);
            let outcome = async {
                let (_, args) = call.request().await?;
                let args = serde_json::from_value(args).expect("the verb's");
                let answer = V::serve(&desk, args, &mut call).await?;
                Ok(serde_json::to_value(answer).expect("JSON"))
            };
            let outcome = outcome.await;
            let fault = outcome.as_ref().err().cloned();
            call.finish(outcome).await;
            fault
        })
    });
    (ours, served)
}

#[test]
fn items_flow_to_the_daemon_and_progress_comes_back() {
    let (ours, served) = serving::<Count>(Patience::default());
    let mut asked = Client::over(ours).begin::<Count>(&CountArgs { most: 1000 }).expect("sent");
    for number in 0..200 {
        asked.send(&number, &vec![b'\n'; 70_000]).expect("sent");
    }
    asked.end().expect("sent");
    let mut heard = 0;
    let answer = asked.answer(|progress| heard = progress.done).expect("an answer");
    assert_eq!(answer, (200, 14_000_000));
    assert!(heard > 0, "no progress");
    assert_eq!(served.join().expect("no panic"), None);
}

/// Who only sends must not be stopped by words that nobody reads.
#[test]
fn progress_that_is_not_read_holds_nobody_up() {
    let patience =
        Patience { frame: Duration::from_secs(20), progress: Duration::ZERO, ..Patience::default() };
    let (ours, served) = serving::<Count>(patience);
    let mut asked = Client::over(ours).begin::<Count>(&CountArgs { most: 100_000 }).expect("sent");
    for number in 0..20_000 {
        asked.send(&number, b"").expect("sent");
    }
    asked.end().expect("sent");
    assert_eq!(asked.answer(|_| {}).expect("an answer"), (20_000, 0));
    assert_eq!(served.join().expect("no panic"), None);
}

/// The client is in the middle of a long item when the daemon says no and goes.
#[test]
fn why_the_daemon_refused_is_heard_by_who_still_sends() {
    let (ours, served) = serving::<Count>(Patience::default());
    let mut asked = Client::over(ours).begin::<Count>(&CountArgs { most: 3 }).expect("sent");
    let mut number = 0;
    while asked.is_taken() {
        asked.send(&number, &vec![b'x'; OCTETS_MAX]).expect("no fault of its own");
        number += 1;
    }
    asked.end().expect("no fault of its own");
    let fault = asked.answer(|_| {}).expect_err("refused");
    assert_eq!((fault.code, fault.text.as_str()), (Code::Data, "too many"));
    assert!(served.join().expect("no panic").is_some());
}

#[test]
fn items_flow_to_the_client() {
    let (ours, served) = serving::<Pour>(Patience::default());
    let mut asked = Client::over(ours).begin::<Pour>(&20).expect("sent");
    let mut items = 0;
    loop {
        match asked.hear().expect("heard") {
            Said::Item(number, octets) => {
                assert_eq!((number, octets.len()), (items, OCTETS_MAX));
                items += 1;
            }
            Said::Progress(_) => {}
            Said::Answer(()) => break,
        }
    }
    assert_eq!(items, 20);
    assert_eq!(served.join().expect("no panic"), None);
}

#[test]
fn who_takes_nothing_or_says_nothing_is_given_up() {
    let soon = Duration::from_millis(200);
    let (mut ours, served) = serving::<Pour>(Patience { request: soon, frame: soon, ..Patience::default() });
    ours.write_all(b"{\"v\":1,\"verb\":\"pour\",\"args\":1000}\n").expect("sent");
    let fault = served.join().expect("no panic").expect("given up");
    assert_eq!(fault.code, Code::Gone, "{fault}");
    for words in
        [&b""[..], b"{\"v\":1,", b"{\"v\":1,\"verb\":\"count\",\"args\":{\"most\":1},\"octets\":0}\n{"]
    {
        let (mut ours, served) =
            serving::<Count>(Patience { request: soon, frame: soon, ..Patience::default() });
        ours.write_all(words).expect("sent");
        let fault = served.join().expect("no panic").expect("given up");
        assert_eq!((fault.code, fault.text.as_str()), (Code::Gone, "nothing came for 0 s"));
    }
}

#[test]
fn a_daemon_of_another_version_is_named() {
    let (ours, mut theirs) = StdUnixStream::pair().expect("a pair");
    theirs.write_all(b"{\"v\":2,\"outcome\":[]}\n").expect("sent");
    let fault = Client::over(ours).ask::<status::Status>(&NoArgs {}, |_| {}).expect_err("no answer");
    assert_eq!(fault.code, Code::Version);
    assert!(fault.to_string().contains("systemctl restart restante"), "{fault}");
    let (ours, theirs) = StdUnixStream::pair().expect("a pair");
    drop(theirs);
    let fault = Client::over(ours).ask::<status::Status>(&NoArgs {}, |_| {}).expect_err("no answer");
    assert_eq!(fault.code, Code::Gone);
    let (ours, _theirs) = StdUnixStream::pair().expect("a pair");
    let client = Client::over(ours).patience(Duration::from_millis(50)).expect("set");
    let fault = client.ask::<status::Status>(&NoArgs {}, |_| {}).expect_err("no answer");
    assert!(fault.text.contains("does not answer"), "{fault}");
}

/// A door with nobody behind it but the verbs that are there.
struct House {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        {
            let _inside = runtime.enter();
            let door = Door::open(&socket(folder.path())).expect("open");
            let desk = Arc::new(desk(folder.path()));
            tasks.spawn(door.serve(desk, stop.clone(), tasks.clone()));
        }
        Self { folder, runtime, stop, tasks }
    }

    fn connect(&self) -> StdUnixStream {
        let stream = StdUnixStream::connect(socket(self.folder.path())).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream
    }

    /// What is answered to octets, to the end.
    fn say(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // It may be refused half-way.
        let _ = stream.write_all(octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        heard(stream)
    }
}

fn heard(mut stream: StdUnixStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(octets @ 1..) = stream.read(&mut chunk) {
        all.extend_from_slice(&chunk[..octets]);
    }
    all
}

fn fault(answer: &[u8]) -> Fault {
    let line = answer.strip_suffix(b"\n").expect("a whole line");
    match Frame::decode(line).expect("a frame") {
        (Frame::Error(fault), 0) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_wrong_request_has_one_answer() {
    let house = House::open();
    for (octets, code) in [
        (&b"{\"v\":1,\"verb\":\"frobnicate\"}\n"[..], Code::UnknownVerb),
        (b"{\"v\":7,\"verb\":\"status\"}\n", Code::Version),
        (b"GET / HTTP/1.1\r\n\r\n", Code::Malformed),
        (b"{\"v\":1,\"end\":true}\n", Code::Malformed),
        (b"{\"v\":1,\"result\":1}\n", Code::Malformed),
        (b"{\"v\":1,\"verb\":\"status\",\"octets\":3}\nabc", Code::Malformed),
        (b"{\"v\":1,\"verb\":\"reload\",\"args\":7}\n", Code::Usage),
        (b"{\"v\":1,\"verb\":\"reload\"}\n", Code::Unavailable),
        (b"", Code::Gone),
        (b"{\"v\":1", Code::Gone),
    ] {
        let found = fault(&house.say(octets));
        assert_eq!(found.code, code, "{}: {found}", String::from_utf8_lossy(octets));
    }
    let long = [&b"{\"v\":1,\"verb\":\""[..], &vec![b'x'; 1 << 20]].concat();
    assert_eq!(fault(&house.say(&long)).code, Code::Malformed);
}

#[test]
fn there_are_only_so_many_callers_and_a_stop_is_told() {
    let house = House::open();
    let waiting: Vec<_> = (0..16).map(|_| house.connect()).collect();
    let mut refused = house.connect();
    assert_eq!(fault(&heard(refused.try_clone().expect("cloned"))).code, Code::Busy);
    let _ = refused.write_all(b"x");
    drop(waiting);
    // Their slots are free again as soon as they are seen to be gone.
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while fault(&house.say(b"{\"v\":1,\"verb\":\"frobnicate\"}\n")).code == Code::Busy {
        assert!(std::time::Instant::now() < until, "no slot is free again");
    }
    let last = house.connect();
    // It is being served when it is connected and one after it has been answered.
    house.say(b"{\"v\":1}\n");
    house.stop.cancel();
    house.tasks.close();
    house.runtime.block_on(house.tasks.wait());
    assert_eq!(fault(&heard(last)).code, Code::Unavailable);
    assert!(!socket(house.folder.path()).exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_make_a_frame_panic_or_grow(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
        let mut input = super::input::Input::default();
        for part in &parts {
            input.feed(part);
            while let Ok(Some(_)) = input.next() {}
        }
    }

    #[test]
    fn no_json_makes_a_frame_panic(verb in ".{0,20}", number in any::<i64>(), text in ".{0,40}") {
        for value in [json!({"v": 1, "verb": verb, "args": text}), json!({"v": number, (text.clone()): number}),
            json!({"v": 1, "item": [number], "octets": number}), json!({"v": 1, "error": {"code": text, "text": verb}})] {
            let line = serde_json::to_vec(&value).expect("JSON");
            if let Ok((frame, octets)) = Frame::decode(&line) {
                let again = frame.encode(octets).expect("as short");
                prop_assert_eq!(Frame::decode(&again[..again.len() - 1]).expect("a frame"), (frame, octets));
            }
        }
    }
}

/// Whatever comes, there is one line of answer, and the next caller is served.
#[test]
fn garbage_is_answered_once() {
    let house = House::open();
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 33
    };
    for _ in 0..200 {
        let length = usize::try_from(random() % 3000).expect("small");
        let mut octets: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
        if random() % 2 == 0 {
            octets.splice(0..0, *b"{\"v\":1,\"verb\":\"status\",\"args\":{}}\n");
        }
        let answer = house.say(&octets);
        assert_eq!(answer.iter().filter(|octet| **octet == b'\n').count(), 1, "{octets:?}");
        fault(&answer);
    }
}

#[test]
fn a_verb_that_streams_nothing_has_no_items() {
    assert!(serde_json::from_value::<Nothing>(json!(null)).is_err());
}

/// Root finds its way with the owner's hands, and stays root.
#[test]
fn without_a_daemon_the_store_is_opened_and_closed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "hostname = \"mx.example.test\"\nstate-dir = \"state\"\n";
    std::fs::write(folder.path().join("restante.toml"), text).expect("written");
    let state = folder.path().join("state");
    std::fs::create_dir(&state).expect("made");
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("closed");
    let root = rustix::process::geteuid().is_root();
    if root {
        let reached = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(folder.path(), reached).expect("open to who passes by");
        std::os::unix::fs::chown(&state, Some(65_534), Some(65_534)).expect("given away");
    }
    let refused = Reach::find(folder.path(), NoStore::Refuse).err().expect("no store");
    assert_eq!(refused.code(), 66, "{refused}");
    for no_store in [NoStore::Make, NoStore::Refuse] {
        let reach = Reach::find(folder.path(), no_store).expect("a way");
        assert!(matches!(reach, Reach::Offline(_)));
        let locked = Reach::find(folder.path(), NoStore::Refuse).err().expect("it is ours");
        assert!(locked.to_string().contains("try again in a moment"), "{locked}");
        let mut asked = reach.begin::<verb::reload::Reload>(&Default::default()).expect("asked");
        assert_eq!(asked.hear().err().expect("there is none").to_string(), desk::not_running().to_string());
        drop(asked);
        let owner =
            std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(state.join("store")).expect("there"));
        assert_eq!(owner, if root { 65_534 } else { rustix::process::geteuid().as_raw() });
        assert_eq!(rustix::process::geteuid().is_root(), root);
    }
    let denied = Reach::daemon(folder.path()).err().expect("nobody serves");
    assert_eq!(denied.code(), 69, "{denied}");
}
