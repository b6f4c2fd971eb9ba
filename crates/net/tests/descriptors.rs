//! When the process has no descriptor left at all. A process of its own, since the limit is the process's.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use net::{Bound, Conn, Gate, GateParams, Handler, ListenAddress, Networks, Permit, Refused, accept};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone)]
struct Keeps;

impl Handler for Keeps {
    async fn handle(self, mut conn: Conn, _permit: Permit) {
        conn.queue(b"hello");
        conn.flush(Duration::from_secs(1)).await.expect("written");
        let _ = conn.fill(Instant::now() + Duration::from_secs(60)).await;
    }

    fn refusal(&self, why: Refused) -> &'static [u8] {
        assert_eq!(why, Refused::Exhausted);
        b"no descriptor"
    }
}

async fn said(stream: &mut TcpStream) -> String {
    let mut got = [0; 16];
    let read = timeout(Duration::from_secs(20), stream.read(&mut got));
    let octets = read.await.expect("nobody is left without a word").expect("an answer");
    String::from_utf8_lossy(&got[..octets]).into_owned()
}

/// So that no more than `more` descriptors can still be had: each new one is the lowest that is free.
fn leave(more: u64) {
    let next = std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor").as_raw_fd();
    let current = Some(u64::try_from(next).expect("a number") + more);
    setrlimit(Resource::Nofile, Rlimit { current, maximum: getrlimit(Resource::Nofile).maximum })
        .expect("set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reserve_turns_away_one_after_the_other() {
    let bound = Bound::bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).expect("bound");
    let ListenAddress::Tcp(address) = bound.address().expect("an address") else { panic!("tcp") };
    let gate = Gate::new(GateParams {
        total: 100,
        per_address: 100,
        per_network: 100,
        rate_per_minute: 1000,
        probes: None,
        trusted: Networks::default(),
    });
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let taking =
        tokio::spawn(accept(bound, gate.clone(), Networks::default(), Keeps, stop.clone(), tasks.clone()));
    // By the first word the loop has its reserve.
    let mut first = TcpStream::connect(address).await.expect("listening");
    assert_eq!(said(&mut first).await, "hello");
    let sockets: Vec<TcpSocket> = (0..30).map(|_| TcpSocket::new_v4().expect("a socket")).collect();
    leave(0);

    let (mut inside, mut turned_away) = (vec![first], Vec::new());
    for socket in sockets {
        match connected(socket, address).await {
            (stream, word) if word == "hello" => inside.push(stream),
            (stream, word) => {
                assert_eq!(word, "no descriptor");
                // Kept open, so that its descriptor does not let the next one in.
                turned_away.push(stream);
            }
        }
    }
    assert!(turned_away.len() >= 25, "{}", turned_away.len());
    assert_eq!(gate.connected(), inside.len());

    drop(inside);
    leave(50);
    let mut last = TcpStream::connect(address).await.expect("listening");
    assert_eq!(said(&mut last).await, "hello");
    stop.cancel();
    taking.await.expect("ended");
}

async fn connected(socket: TcpSocket, address: SocketAddr) -> (TcpStream, String) {
    let mut stream = socket.connect(address).await.expect("listening");
    let word = said(&mut stream).await;
    (stream, word)
}
