use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::reserve::Reserve;
use crate::{Conn, Gate, Peer, Permit, Refused};

/// Connections that wait for `accept` in the kernel.
const BACKLOG: i32 = 512;
/// How long we rest when the system has no file descriptor left, and not even one peer could be told.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How often the log hears of that.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Octets that the kernel takes from us beyond what it has sent. Without it a slow reader has megabytes waiting there,
/// which cost memory that no limit counts, and nothing more is taken for longer than the reader may take to show that it
/// reads.
const UNSENT: u32 = 128 << 10;

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and port; `[::]` takes IPv4 too.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Bound {
    /// On the network.
    Tcp(TcpListener),
    /// On this machine.
    Unix(UnixListener),
}

impl Bound {
    /// Binds it; inside a tokio runtime. A Unix socket that a dead process left is replaced, and only the
    /// owner and the group may connect.
    pub fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            ListenAddress::Unix(path) => bind_unix(path).map(Self::Unix),
        }
    }

    /// Takes over a socket that the service manager has bound.
    pub fn inherit(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        if socket.domain()? == Domain::UNIX {
            return UnixListener::from_std(socket.into()).map(Self::Unix);
        }
        TcpListener::from_std(socket.into()).map(Self::Tcp)
    }

    /// Where it listens; the port that was chosen when 0 was asked for.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map(PathBuf::from);
                Ok(ListenAddress::Unix(path.unwrap_or_default()))
            }
        }
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &PathBuf) -> io::Result<UnixListener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        let live = found.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_ok();
        if live || !found.file_type().is_socket() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let listener = StdUnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// What a service does with one connection.
pub trait Handler: Clone + Send + 'static {
    /// Serves it to its end.
    fn handle(self, conn: Conn, permit: Permit) -> impl Future<Output = ()> + Send;

    /// What a peer is told that is not taken, in one write; nothing closes without a word.
    fn refusal(&self, why: Refused) -> &'static [u8];
}

/// Takes connections until `stop` (RFC 5321 §4.5.4.2); each runs as a task of `tasks`.
pub async fn accept<H: Handler>(
    bound: Bound,
    gate: Gate,
    trusted: crate::Networks,
    handler: H,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let mut reserve = Reserve::new();
    let mut complained = None;
    loop {
        reserve.refill(&bound);
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            taken = next(&bound) => taken,
        };
        let socket = match taken {
            Ok(socket) if reserve.is_touched_by(&socket) => {
                complain(&mut complained, &"the last file descriptors are not for connections");
                socket.refuse(handler.refusal(Refused::Exhausted));
                continue;
            }
            Ok(socket) => socket,
            Err(error) if is_exhausted(&error) => {
                complain(&mut complained, &error);
                let words = handler.refusal(Refused::Exhausted);
                if !(reserve.spend() && turn_away(&bound, words).await) {
                    reserve.refill(&bound);
                    sleep(EXHAUSTED).await;
                }
                continue;
            }
            // The peer went away between the kernel's accept and ours.
            Err(error) => {
                debug!(%error, "a connection was lost before it was taken");
                continue;
            }
        };
        let peer = socket.peer(&trusted);
        match gate.enter(peer.ip(), Instant::now()) {
            Ok(permit) => drop(tasks.spawn(handler.clone().handle(socket.into_conn(peer), permit))),
            Err(refused) => {
                debug!(peer = ?peer.ip(), %refused, "connection refused");
                socket.refuse(handler.refusal(refused));
            }
        }
    }
}

/// Tells the log, now and then, why connections are turned away.
fn complain(last: &mut Option<Instant>, why: &dyn fmt::Display) {
    if last.is_none_or(|at| at.elapsed() >= COMPLAINT) {
        warn!(%why, "connections are turned away: raise LimitNOFILE, or lower `connections`");
        *last = Some(Instant::now());
    }
}

/// Takes one connection with the descriptor that was just given up, to say that it cannot stay; false when
/// that could not be done either. The descriptor is free again afterwards.
async fn turn_away(bound: &Bound, words: &[u8]) -> bool {
    tokio::select! {
        biased;
        taken = next(bound) => taken.map(|socket| socket.refuse(words)).is_ok(),
        // Nobody waits any more.
        () = std::future::ready(()) => false,
    }
}

enum Taken {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

async fn next(bound: &Bound) -> io::Result<Taken> {
    match bound {
        Bound::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Taken::Tcp(stream, peer)),
        Bound::Unix(listener) => listener.accept().await.map(|(stream, _)| Taken::Unix(stream)),
    }
}

impl AsFd for Taken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream, _) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Taken {
    fn peer(&self, trusted: &crate::Networks) -> Peer {
        match self {
            Self::Tcp(stream, address) => Peer {
                address: Some(*address),
                local: stream.local_addr().ok(),
                trusted: trusted.contains(address.ip()),
            },
            Self::Unix(_) => Peer::LOCAL,
        }
    }

    fn into_conn(self, peer: Peer) -> Conn {
        match self {
            Self::Tcp(stream, _) => {
                // Replies are written whole: waiting for more to fill a packet only costs time. A peer that
                // vanished is found by keep-alives. No failing of these is a reason to lose the connection.
                let _ = stream.set_nodelay(true);
                let socket = socket2::SockRef::from(&stream);
                let _ = socket.set_keepalive(true);
                let _ = socket.set_tcp_notsent_lowat(UNSENT);
                Conn::new(stream, peer)
            }
            Self::Unix(stream) => Conn::new(stream, peer),
        }
    }

    /// Best effort, and never waits: a flood must not be able to hold us here.
    fn refuse(self, words: &[u8]) {
        let _ = match self {
            Self::Tcp(stream, _) => stream.try_write(words),
            Self::Unix(stream) => stream.try_write(words),
        };
    }
}

/// Out of file descriptors or of kernel memory: trying again at once would only spin.
fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    const ENOMEM: i32 = 12;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS | ENOMEM))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::{GateParams, Networks};

    #[derive(Clone)]
    struct Greets;

    impl Handler for Greets {
        async fn handle(self, mut conn: Conn, _permit: Permit) {
            conn.queue(b"hello");
            conn.flush(Duration::from_secs(1)).await.expect("written");
            let _ = conn.fill(Instant::now() + Duration::from_secs(5)).await;
        }

        fn refusal(&self, _: Refused) -> &'static [u8] {
            b"busy"
        }
    }

    async fn said(address: SocketAddr) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).await.expect("listening");
        let mut got = [0; 16];
        let octets = stream.read(&mut got).await.expect("an answer");
        (stream, String::from_utf8_lossy(&got[..octets]).into_owned())
    }

    #[tokio::test]
    async fn who_stops_reading_has_little_waiting_in_the_kernel() {
        const READ: usize = 8 << 20;
        let bound = Bound::bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).expect("bound");
        let ListenAddress::Tcp(address) = bound.address().expect("an address") else { panic!("tcp") };
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        // What the reader's own side holds does not grow then.
        socket.set_recv_buffer_size(64 << 10).expect("set");
        let mut client = socket.connect(address).await.expect("listening");
        let mut conn = next(&bound).await.expect("taken").into_conn(Peer::LOCAL);
        // It reads for a while, so that our side sees a fast one.
        let reading = tokio::spawn(async move {
            let (mut octets, mut left) = (vec![0; 64 << 10], READ);
            while left > 0 {
                let most = left.min(octets.len());
                left -= client.read(&mut octets[..most]).await.expect("read");
            }
            client
        });
        let (octets, mut taken) = (vec![b'x'; 16 << 10], 0);
        while conn.send(&octets, Duration::from_secs(1)).await.is_ok() {
            taken += octets.len();
            assert!(taken < 2 * READ, "nobody reads that");
        }
        let _client = reading.await.expect("no panic");
        assert!(taken >= READ && taken - READ < 1 << 20, "{}", taken - READ);
    }

    /// RFC 5321 §4.5.4.2.
    #[tokio::test]
    async fn whom_there_is_no_slot_for_is_told_so() {
        let bound = Bound::bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).expect("bound");
        let ListenAddress::Tcp(address) = bound.address().expect("an address") else { panic!("tcp") };
        let gate = Gate::new(GateParams {
            total: 10,
            per_address: 1,
            per_network: 10,
            rate_per_minute: 100,
            probes: None,
            trusted: Networks::default(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let loop_ =
            tokio::spawn(accept(bound, gate.clone(), Networks::default(), Greets, stop.clone(), tasks));
        let (first, words) = said(address).await;
        assert_eq!(words, "hello");
        assert_eq!(said(address).await.1, "busy");
        drop(first);
        while gate.connected() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(said(address).await.1, "hello");
        stop.cancel();
        loop_.await.expect("ended");
    }

    #[tokio::test]
    async fn a_dead_socket_file_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("net-listener-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        drop(StdUnixListener::bind(&path).expect("bound"));
        let address = ListenAddress::Unix(path.clone());
        let live = Bound::bind(&address).expect("the dead one is replaced");
        assert!(Bound::bind(&address).is_err(), "the live one is not");
        assert_eq!(live.address().expect("an address"), address);
        fs::remove_file(&path).expect("cleaned up");
    }
}
