//! The parts of the product that a team mailbox is made of, over an engine, with a POP3 door on the loopback and a
//! clock that is moved.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use directory::{
    Directory, DomainSpec, JoinFrom, MailboxSpec, MemberSpec, Password, Release, Spec, Table, VerifierParams,
    When,
};
use mail::{MailboxName, Secret, Uid, ViewName};
use net::{Conn, Gate, GateParams, LoginBudget, LoginBudgetParams, Networks, Peer};
use pop3_serve::{Access, Params, Service, serve};
use queue::{Maildrop, Store};
use restante_tests::PASSWORD;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::spec::{From, Member, Ms, Rule, TEAM};

/// The address that all come from is nobody's who guesses.
const WIDE: usize = 400;

/// One appliance without its doors for mail.
pub(crate) struct World<S: Store> {
    runtime: Runtime,
    store: Option<S>,
    pub(crate) directory: Directory,
    pub(crate) address: SocketAddr,
    service: Arc<Mutex<Option<Arc<Service<S>>>>>,
    /// Sessions that the door has seen begin and end.
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// Who logs in to what, and when mail goes.
#[derive(Debug, Clone)]
pub(crate) struct Office {
    pub(crate) members: Vec<(String, Member)>,
    /// Everybody with a mailbox: hashing takes its time, and whoever is known to the directory is verified once.
    pub(crate) people: Vec<&'static str>,
    /// Whose own login shows the team's mail too.
    pub(crate) collects: &'static str,
    pub(crate) rule: Rule,
    pub(crate) trash: Ms,
}

impl Office {
    fn table(&self) -> Table {
        let hash = hash();
        let domain = DomainSpec {
            name: "example.test".into(),
            postmaster: Some("postmaster".into()),
            ..DomainSpec::default()
        };
        let person = |name: &&str| MailboxSpec {
            name: (*name).into(),
            passwords: vec![Password { name: None, hash: hash.clone() }],
            trash: Some(Duration::from_millis(self.trash)),
            collect: if *name == self.collects && self.has(name) { vec![TEAM.into()] } else { Vec::new() },
            ..MailboxSpec::default()
        };
        let member = |(name, member): &(String, Member)| MemberSpec {
            login: name.clone(),
            robot: member.robot,
            mirrors: Some(member.mirrors),
            from: match member.from {
                From::All => JoinFrom::All,
                From::Now => JoinFrom::Now,
                From::Back(back) => JoinFrom::Back(Duration::from_millis(back)),
            },
        };
        let release = Release {
            when: if self.rule.fetching { When::AllFetched } else { When::AllDone },
            hold: Duration::from_millis(self.rule.hold),
            max_age: self.rule.max_age.map(Duration::from_millis),
            ignore_absent: self.rule.absent.map(Duration::from_millis),
        };
        let team = MailboxSpec {
            name: TEAM.into(),
            members: self.members.iter().map(member).collect(),
            release: Some(release),
            trash: Some(Duration::from_millis(self.trash)),
            ..MailboxSpec::default()
        };
        let mailboxes = self.people.iter().chain(&["postmaster"]).map(person).chain([team]).collect();
        let spec = Spec { domains: vec![domain], mailboxes, ..Spec::default() };
        let (table, faults) = Table::build(&spec);
        table.unwrap_or_else(|| panic!("{faults:?}"))
    }

    fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }
}

impl<S: Store> World<S> {
    /// Over an engine that `open` opens.
    pub(crate) fn new(
        office: &Office,
        directory: Option<Directory>,
        open: impl FnOnce(&Runtime) -> S,
    ) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let store = open(&runtime);
        let directory =
            directory.unwrap_or_else(|| Directory::new(office.table(), VerifierParams::default()));
        directory.replace(office.table());
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = Arc::new(Mutex::new(Some(new_service(store.clone(), directory.clone()))));
        let (opened, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let stop = CancellationToken::new();
        runtime.spawn(door(listener, service.clone(), opened.clone(), closed.clone(), stop.clone()));
        Self { runtime, store: Some(store), directory, address, service, opened, closed, stop }
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Waits until the server knows of the end of so many sessions.
    pub(crate) fn ended(&self, sessions: usize) {
        for _ in 0..20_000 {
            if self.closed.load(Ordering::SeqCst) >= sessions {
                assert_eq!(self.opened.load(Ordering::SeqCst), sessions);
                return;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        panic!("a session does not end");
    }

    /// A new file.
    pub(crate) fn reload(&self, office: &Office) {
        self.directory.replace(office.table());
    }

    /// The doors of a new run, over what `reopen` makes of the store. Nobody else may have it, and no session may run.
    pub(crate) fn restart(&mut self, reopen: impl FnOnce(&Runtime, S) -> S) {
        let mut running = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        *running = None;
        let store = self.store.take().expect("there is always one");
        let store = reopen(&self.runtime, store);
        *running = Some(new_service(store.clone(), self.directory.clone()));
        self.store = Some(store);
    }

    pub(crate) fn store(&self) -> &S {
        self.store.as_ref().expect("there is always one")
    }

    /// All that a mailbox holds, by unique id as clients see it, whoever sees it.
    pub(crate) fn held(&self, mailbox: &MailboxName) -> Vec<Uid> {
        self.block_on(async {
            let maildrop = self.store().open(mailbox, &ViewName::owner()).await.expect("opened");
            (0..maildrop.len()).map(|index| maildrop.entry(index).expect("within").uid).collect()
        })
    }
}

impl<S: Store> Drop for World<S> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn new_service<S: Store>(store: S, directory: Directory) -> Arc<Service<S>> {
    let params = Params { hostname: "mx.example.test".into(), ..Params::default() };
    let access = Access { sessions_per_login: 50, ..Access::default() };
    let budget = LoginBudget::new(LoginBudgetParams::default());
    Arc::new(Service::new(params, access, store, directory, budget, None))
}

async fn door<S: Store>(
    listener: TcpListener,
    service: Arc<Mutex<Option<Arc<Service<S>>>>>,
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let gate = Gate::new(GateParams {
        total: WIDE,
        per_address: WIDE,
        per_network: WIDE,
        rate_per_minute: 1_000_000,
        probes: None,
        trusted: Networks::default(),
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, address) = accepted.expect("a connection");
        stream.set_nodelay(true).expect("set");
        opened.fetch_add(1, Ordering::SeqCst);
        let service = service.lock().unwrap_or_else(PoisonError::into_inner).clone().expect("running");
        let permit = gate.enter(None, tokio::time::Instant::now()).expect("a slot");
        let (closed, stop) = (closed.clone(), stop.clone());
        tokio::spawn(async move {
            let peer = Peer { address: Some(address), local: None, trusted: false };
            serve(Conn::new(stream, peer), &permit, &service, false, &stop).await;
            drop(permit);
            closed.fetch_add(1, Ordering::SeqCst);
        });
    }
}

fn hash() -> String {
    static HASH: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| directory::password::hash(&Secret::from(PASSWORD.as_bytes())));
    HASH.clone()
}
