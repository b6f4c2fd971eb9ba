//! A store with mail in it, a directory that knows alice, and connections to the driver.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use directory::{
    Allowance, Directory, DomainSpec, JoinFrom, MailboxSpec, MemberSpec, OnDele, Password, Pickups, Spec,
    Table, VerifierParams,
};
use mail::{Event, Journeys, Secret, Uid};
use net::{Conn, Gate, GateParams, Io, LoginBudget, LoginBudgetParams, Networks, Peer, Tls};
use pop3_serve::{Access, Params, Registry, Service, serve};
use queue::{Join, MemoryStore, Store, ViewState, contract};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Hashing is slow by intent: once is enough.
static HASH: LazyLock<String> = LazyLock::new(|| directory::password::hash(&Secret::from(&b"secret"[..])));

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) service: Arc<Service<MemoryStore>>,
    pub(crate) gate: Gate,
    pub(crate) stop: CancellationToken,
    pub(crate) registry: Registry,
    pub(crate) pickups: Pickups,
    pub(crate) told: Arc<Mutex<Vec<Event>>>,
}

impl World {
    pub(crate) fn new(access: Access, tls: Option<Tls>) -> Self {
        Self::of(people(), Params::default(), access, tls)
    }

    fn of(directory: Directory, params: Params, access: Access, tls: Option<Tls>) -> Self {
        let store = MemoryStore::new();
        let params = Params { hostname: "mx.example.test".into(), ..params };
        let budget = LoginBudget::new(LoginBudgetParams::default());
        let service = Service::new(params, access, store.clone(), directory, budget, tls);
        let (registry, pickups, told) = (Registry::new(), Pickups::new(), Arc::new(Mutex::new(Vec::new())));
        let tell = told.clone();
        let journeys = Journeys::new(move |event| tell.lock().expect("no panic").push(event));
        let service =
            service.with_journeys(journeys).with_registry(registry.clone()).with_pickups(pickups.clone());
        let gate = Gate::new(GateParams {
            total: 50,
            per_address: 50,
            per_network: 500,
            rate_per_minute: 1000,
            probes: None,
            trusted: Networks::default(),
        });
        let stop = CancellationToken::new();
        Self { store, service: Arc::new(service), gate, stop, registry, pickups, told }
    }

    /// Of a firm: alice, who has a phone and collects the team mailbox sales; bob and the robot helpdesk, who are its
    /// members too; and desk and counter, whose passwords several people share: one keeps, the other deletes for all.
    /// The robot importer collects desk beside its own mail.
    pub(crate) async fn of_a_firm() -> Self {
        // More than a robot may be silent for: whoever takes over need not wait for it.
        let params = Params { write_timeout: Duration::from_secs(90), ..Params::default() };
        let world = Self::of(firm(), params, Access::default(), None);
        let views = [
            ("alice", ""),
            ("alice", "phone"),
            ("sales", "alice"),
            ("sales", "bob"),
            ("sales", "helpdesk"),
            ("desk", ""),
            ("desk", "bob"),
            ("desk", "importer"),
            ("counter", ""),
            ("counter", "bob"),
        ];
        for (mailbox, view) in views {
            let (mailbox, view) = (contract::name(mailbox), contract::view(view));
            world.store.join(&mailbox, &view, Join::All).await.expect("joined");
        }
        world
    }

    /// What is delivered to some mailboxes.
    pub(crate) async fn deliver_to(&self, mailboxes: &[&str], subject: &str) -> Vec<Uid> {
        let octets = format!("Subject: {subject}\r\n\r\nbody\r\n");
        contract::deliver(&self.store, octets.as_bytes(), mailboxes).await
    }

    /// A session of this login.
    pub(crate) async fn session(&self, user: &str) -> Client<DuplexStream> {
        self.connect().logged_in_as(user).await
    }

    /// How a joined view stands.
    pub(crate) async fn view(&self, mailbox: &str, view: &str) -> ViewState {
        let views = self.store.views(&contract::name(mailbox)).await.expect("told");
        views.into_iter().find(|state| state.view == contract::view(view)).expect("joined")
    }

    /// What a view lists.
    pub(crate) async fn listed(&self, mailbox: &str, view: &str) -> Vec<Uid> {
        contract::listed(&self.store, mailbox, view).await
    }

    /// What the trace was told since this was asked last.
    pub(crate) fn told(&self) -> Vec<Event> {
        std::mem::take(&mut *self.told.lock().expect("no panic"))
    }

    /// With so many messages of alice's.
    pub(crate) async fn with_mail(messages: u32) -> Self {
        let world = Self::new(Access::default(), None);
        for number in 1..=messages {
            world.deliver(format!("Subject: {number}\r\n\r\n.\r\nbody {number}\r\n").as_bytes()).await;
        }
        world
    }

    pub(crate) async fn deliver(&self, octets: &[u8]) {
        contract::deliver(&self.store, octets, &["alice"]).await;
    }

    /// How many messages alice has.
    pub(crate) async fn left(&self) -> usize {
        contract::listed(&self.store, "alice", "").await.len()
    }

    /// A connection from this machine.
    pub(crate) fn connect(&self) -> Client<DuplexStream> {
        self.connect_from("127.0.0.1", 1 << 20)
    }

    /// One from somewhere else, with so much room for what nobody reads.
    pub(crate) fn connect_from(&self, address: &str, room: usize) -> Client<DuplexStream> {
        let (ours, theirs) = duplex(room);
        let served = self.serve(ours, address, false);
        Client { io: theirs, served, seen: Vec::new() }
    }

    pub(crate) fn serve(&self, io: impl Io + 'static, address: &str, implicit_tls: bool) -> JoinHandle<()> {
        let ip: IpAddr = address.parse().expect("an address");
        let peer = Peer { address: Some(SocketAddr::new(ip, 50000)), local: None, trusted: false };
        let conn = Conn::new(io, peer);
        let (service, gate, stop) = (self.service.clone(), self.gate.clone(), self.stop.clone());
        tokio::spawn(async move {
            let permit = gate.enter(None, tokio::time::Instant::now()).expect("a slot");
            serve(conn, &permit, &service, implicit_tls, &stop).await;
        })
    }
}

fn firm() -> Directory {
    let person = |name: &str| MailboxSpec {
        name: name.into(),
        passwords: vec![Password { name: None, hash: HASH.clone() }],
        trash: Some(Duration::from_secs(7 * 86_400)),
        ..MailboxSpec::default()
    };
    let member =
        |login: &str, robot| MemberSpec { login: login.into(), robot, mirrors: None, from: JoinFrom::All };
    let sales = MailboxSpec {
        name: "sales".into(),
        members: vec![member("alice", false), member("bob", false), member("helpdesk", true)],
        ..MailboxSpec::default()
    };
    let alice =
        MailboxSpec { collect: vec!["sales".into()], devices: vec!["phone".into()], ..person("alice") };
    let desk = MailboxSpec {
        members: vec![member("bob", false), member("importer", true)],
        on_dele: Some(OnDele::Keep),
        ..person("desk")
    };
    let importer = MailboxSpec { collect: vec!["desk".into()], ..person("importer") };
    let counter = MailboxSpec {
        members: vec![member("bob", false)],
        allowance: Allowance { age: Some(Duration::from_secs(30 * 86_400 + 43_200)), ..Allowance::default() },
        on_dele: Some(OnDele::Trash),
        ..person("counter")
    };
    let mailboxes = vec![alice, person("bob"), person("helpdesk"), importer, sales, desk, counter];
    directory(mailboxes)
}

fn people() -> Directory {
    let alice = MailboxSpec {
        name: "alice".into(),
        addresses: Vec::new(),
        passwords: vec![Password { name: Some("phone".into()), hash: HASH.clone() }],
        receives: true,
        allowance: Default::default(),
        ..MailboxSpec::default()
    };
    directory(vec![alice])
}

fn directory(mailboxes: Vec<MailboxSpec>) -> Directory {
    let domain =
        DomainSpec { name: "example.test".into(), catch_all: Some("alice".into()), ..DomainSpec::default() };
    let quarantine = Some(Duration::from_secs(30 * 86_400));
    let spec = Spec { domains: vec![domain], mailboxes, quarantine, ..Spec::default() };
    let (table, faults) = Table::build(&spec);
    Directory::new(table.unwrap_or_else(|| panic!("{faults:?}")), VerifierParams::default())
}

/// The other end.
pub(crate) struct Client<T> {
    pub(crate) io: T,
    pub(crate) served: JoinHandle<()>,
    seen: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(crate) fn new(io: T, served: JoinHandle<()>) -> Self {
        Self { io, served, seen: Vec::new() }
    }

    /// Past the greeting and the login.
    pub(crate) async fn logged_in(self) -> Self {
        self.logged_in_as("alice").await
    }

    /// The same of somebody else.
    pub(crate) async fn logged_in_as(mut self, user: &str) -> Self {
        assert_eq!(self.line().await, "+OK mx.example.test POP3 ready");
        assert_eq!(self.say(&format!("USER {user}")).await, "+OK send PASS");
        let welcome = self.say("PASS secret").await;
        assert!(welcome.starts_with("+OK "), "{welcome}");
        self
    }

    /// Sends a line, and the first line that comes back.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.line().await
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.io.write_all(octets).await.expect("sent");
        self.io.flush().await.expect("sent");
    }

    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.seen.windows(2).position(|two| two == b"\r\n") {
                let line = self.seen.drain(..end + 2).collect::<Vec<_>>();
                return String::from_utf8(line[..end].to_vec()).expect("UTF-8");
            }
            assert!(self.read().await > 0, "closed in a line: {:?}", self.seen.escape_ascii().to_string());
        }
    }

    /// A multi-line response after its first line, dots removed.
    pub(crate) async fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await;
            if line == "." {
                return body;
            }
            body.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
            body.extend_from_slice(b"\r\n");
        }
    }

    /// A multi-line response, whole: what it begins with and its lines.
    pub(crate) async fn listing(&mut self, command: &str) -> Vec<String> {
        assert!(self.say(command).await.starts_with("+OK"), "{command}");
        let body = String::from_utf8(self.body().await).expect("UTF-8");
        body.lines().map(str::to_owned).collect()
    }

    /// Fetches a message whole.
    pub(crate) async fn retr(&mut self, number: usize) -> String {
        self.listing(&format!("RETR {number}")).await.join("\n")
    }

    /// Says QUIT, and is there until the server has closed.
    pub(crate) async fn quit(mut self) {
        assert_eq!(self.say("QUIT").await, "+OK bye");
        assert_eq!(self.rest().await, "");
    }

    /// Closes without a word, as a connection that breaks does.
    pub(crate) async fn cut(self) {
        drop(self.io);
        timeout(Duration::from_secs(3600), self.served).await.expect("ends").expect("no panic");
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(mut self) -> String {
        while self.read().await > 0 {}
        timeout(Duration::from_secs(3600), self.served).await.expect("ends").expect("no panic");
        String::from_utf8(self.seen).expect("UTF-8")
    }

    async fn read(&mut self) -> usize {
        let mut octets = [0; 16 << 10];
        // A broken pipe is an end as good as any.
        let read = timeout(Duration::from_secs(3600), self.io.read(&mut octets)).await.expect("in time");
        let read = read.unwrap_or(0);
        self.seen.extend_from_slice(&octets[..read]);
        read
    }
}
