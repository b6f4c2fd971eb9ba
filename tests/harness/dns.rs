//! A name server on the loopback, for tests: it answers from a table, over UDP and TCP, as a resolver would that
//! found everything out; it can also fail, say nothing, talk rubbish or be slow. It knows nothing but the standard
//! library, so that the tests of any crate can include this file.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The data of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name of the same.
    Cname(String),
    /// Who takes mail for it.
    Mx(u16, String),
    /// The name of an address.
    Ptr(String),
    /// Strings of at most 255 octets each.
    Txt(Vec<Vec<u8>>),
    /// A record of any other type.
    Other(u16, Vec<u8>),
}

/// How questions about a name are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// As they should be.
    #[default]
    Honest,
    /// With SERVFAIL.
    Fails,
    /// Not at all.
    Silent,
    /// With octets that are no answer.
    Garbage,
    /// As they should be, this many milliseconds later.
    Slow(u64),
}

/// What the server knows.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    records: BTreeMap<String, Vec<Data>>,
    /// By name, and by type where only that type is answered so.
    moods: BTreeMap<(String, Option<u16>), Mood>,
    everything: Mood,
    /// Nobody may keep an answer.
    fleeting: bool,
}

impl Zone {
    /// Reads a table with one record on each line: name, type, data. `SERVFAIL`, `SILENT` and `GARBAGE` stand for
    /// a type and its data where a name is answered so. Empty lines and lines that begin with `#` say nothing.
    ///
    /// # Panics
    ///
    /// On a line that is not like that.
    #[must_use]
    pub fn parse(table: &str) -> Self {
        let mut zone = Self::default();
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, rest) = line.split_once(char::is_whitespace).expect("a name and a type");
            let (kind, data) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
            let data = data.trim();
            zone = match kind {
                "A" => zone.with(name, Data::A(data.parse().expect("an IPv4 address"))),
                "AAAA" => zone.with(name, Data::Aaaa(data.parse().expect("an IPv6 address"))),
                "CNAME" => zone.with(name, Data::Cname(data.to_owned())),
                "PTR" => zone.with(name, Data::Ptr(data.to_owned())),
                "TXT" => zone.with(name, text(data.as_bytes())),
                "MX" => {
                    let (preference, host) = data.split_once(' ').expect("a preference and a host");
                    zone.with(
                        name,
                        Data::Mx(preference.parse().expect("a preference"), host.trim().to_owned()),
                    )
                }
                "SERVFAIL" => zone.in_mood(name, None, Mood::Fails),
                "SILENT" => zone.in_mood(name, None, Mood::Silent),
                "GARBAGE" => zone.in_mood(name, None, Mood::Garbage),
                other => panic!("{other} is no type that this server knows"),
            };
        }
        zone
    }

    /// The same with one more record.
    #[must_use]
    pub fn with(mut self, name: &str, data: Data) -> Self {
        self.records.entry(key(name)).or_default().push(data);
        self
    }

    /// The same, where questions about a name (of one type, where it is given) are answered in another way.
    #[must_use]
    pub fn in_mood(mut self, name: &str, kind: Option<u16>, mood: Mood) -> Self {
        self.moods.insert((key(name), kind), mood);
        self
    }

    /// The same, where every question is answered in another way.
    #[must_use]
    pub fn all_in_mood(mut self, mood: Mood) -> Self {
        self.everything = mood;
        self
    }

    /// The same, of which nobody may keep an answer.
    #[must_use]
    pub fn without_ttl(mut self) -> Self {
        self.fleeting = true;
        self
    }

    /// The same with other names, or other data.
    #[must_use]
    pub fn mapped(&self, name: impl Fn(&str) -> String, data: impl Fn(&Data) -> Data) -> Self {
        let records = self.records.iter();
        let moods = self.moods.iter();
        Self {
            records: records.map(|(at, all)| (name(at), all.iter().map(&data).collect())).collect(),
            moods: moods.map(|((at, kind), mood)| ((name(at), *kind), *mood)).collect(),
            ..self.clone()
        }
    }

    fn mood(&self, name: &str, kind: u16) -> Mood {
        let of = |kind| self.moods.get(&(name.to_owned(), kind));
        *of(Some(kind)).or_else(|| of(None)).unwrap_or(&self.everything)
    }

    /// The answer section with the CNAMEs that lead there, and the response code.
    fn answer(&self, name: &str, kind: u16) -> (Vec<(String, Data)>, u8) {
        let mut found = Vec::new();
        let mut name = name.to_owned();
        for _ in 0..32 {
            let here = self.records.get(&name).map(Vec::as_slice).unwrap_or_default();
            let alias = here.iter().find(|data| matches!(data, Data::Cname(_)) && kind != CNAME);
            if let Some(Data::Cname(target)) = alias {
                found.push((name.clone(), Data::Cname(target.clone())));
                name = key(target);
                continue;
            }
            let of_type = here.iter().filter(|data| data.kind() == kind);
            found.extend(of_type.map(|data| (name.clone(), data.clone())));
            let beneath = format!(".{name}");
            let exists = self.records.keys().any(|known| *known == name || known.ends_with(&beneath));
            return (found, if exists { NO_ERROR } else { NO_NAME });
        }
        (Vec::new(), SERVER_FAILURE)
    }
}

/// A TXT record of any length.
#[must_use]
pub fn text(octets: &[u8]) -> Data {
    Data::Txt(octets.chunks(255).map(<[u8]>::to_vec).collect())
}

const CNAME: u16 = 5;
const SOA: u16 = 6;
/// The number of the type.
pub const TXT: u16 = 16;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_NAME: u8 = 3;

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Data {
    /// The number of its type.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Aaaa(_) => 28,
            Self::Cname(_) => CNAME,
            Self::Mx(..) => 15,
            Self::Ptr(_) => 12,
            Self::Txt(_) => TXT,
            Self::Other(kind, _) => *kind,
        }
    }

    fn octets(&self) -> Vec<u8> {
        match self {
            Self::A(address) => address.octets().to_vec(),
            Self::Aaaa(address) => address.octets().to_vec(),
            Self::Cname(name) | Self::Ptr(name) => encoded(name),
            Self::Mx(preference, host) => [preference.to_be_bytes().to_vec(), encoded(host)].concat(),
            Self::Txt(strings) => {
                strings.iter().flat_map(|part| [&[short(part.len())], part.as_slice()].concat()).collect()
            }
            Self::Other(_, octets) => octets.clone(),
        }
    }
}

fn short(length: usize) -> u8 {
    u8::try_from(length).expect("at most 255 octets")
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut octets: Vec<u8> =
        labels.flat_map(|label| [&[short(label.len())], label.as_bytes()].concat()).collect();
    octets.push(0);
    octets
}

/// The question: where it ends, its name and its type.
fn question(query: &[u8]) -> Option<(usize, String, u16)> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?));
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    Some((at + 4, key(&name), kind))
}

/// The whole answer to a query, at most `room` octets long.
fn reply(query: &[u8], end: usize, answers: &[(String, Data)], code: u8, ttl: u8, room: usize) -> Vec<u8> {
    let mut out = query[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1]);
    out.extend(u16::try_from(answers.len()).expect("few").to_be_bytes());
    let negative = answers.iter().all(|(_, data)| matches!(data, Data::Cname(_))) && code != SERVER_FAILURE;
    out.extend([0, u8::from(negative), 0, 0]);
    out.extend(&query[12..end]);
    for (name, data) in answers {
        record(&mut out, &encoded(name), data.kind(), ttl, &data.octets());
    }
    if negative {
        // How long nothing is nothing (RFC 2308).
        let soa = [encoded("ns.test"), encoded("host.test"), [[0, 0, 0, ttl]; 5].concat()].concat();
        record(&mut out, &[0], SOA, ttl, &soa);
    }
    if out.len() > room {
        let mut short = reply(query, end, &[], SERVER_FAILURE, ttl, room);
        short[2] |= 0x02;
        short[3] = 0x80;
        return short;
    }
    out
}

fn record(out: &mut Vec<u8>, name: &[u8], kind: u16, ttl: u8, data: &[u8]) {
    out.extend(name);
    out.extend(kind.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, ttl]);
    out.extend(u16::try_from(data.len()).expect("a record").to_be_bytes());
    out.extend(data);
}

#[derive(Debug)]
struct State {
    zone: Mutex<Zone>,
    asked: Mutex<Vec<(String, u16)>>,
    ended: AtomicBool,
}

impl State {
    /// What goes back to who asked; nothing where nothing does.
    fn serve(&self, query: &[u8], room: usize) -> Option<Vec<u8>> {
        let (end, name, kind) = question(query)?;
        self.asked.lock().expect("no test panics here").push((name.clone(), kind));
        let zone = self.zone.lock().expect("no test panics here").clone();
        let (answers, code) = match zone.mood(&name, kind) {
            Mood::Silent => return None,
            Mood::Garbage => return Some([&query[..2], &[0xff; 40]].concat()),
            Mood::Fails => (Vec::new(), SERVER_FAILURE),
            Mood::Honest => zone.answer(&name, kind),
            Mood::Slow(milliseconds) => {
                std::thread::sleep(Duration::from_millis(milliseconds));
                zone.answer(&name, kind)
            }
        };
        Some(reply(query, end, &answers, code, if zone.fleeting { 0 } else { 60 }, room))
    }

    fn over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

impl Dns {
    /// Starts it on a port of its own.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    #[must_use]
    pub fn start(zone: Zone) -> Self {
        // A port that is free for both: whoever has it by UDP may find it taken by TCP.
        let (udp, tcp) = (0..50)
            .find_map(|_| {
                let udp = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .expect("a free port");
        let address = udp.local_addr().expect("bound");
        let state = Arc::new(State {
            zone: Mutex::new(zone),
            asked: Mutex::new(Vec::new()),
            ended: AtomicBool::new(false),
        });
        let (by_udp, by_tcp) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            std::thread::spawn(move || datagrams(&by_udp, &Arc::new(udp))),
            std::thread::spawn(move || streams(&by_tcp, &tcp)),
        ];
        Self { address, state, threads }
    }

    /// Where it listens, by UDP and by TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every question so far: the name in lower case without its last dot, and the number of the type.
    ///
    /// # Panics
    ///
    /// When the server did.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, u16)> {
        self.state.asked.lock().expect("no test panics here").clone()
    }

    /// Knows something else from now on.
    ///
    /// # Panics
    ///
    /// When the server did.
    pub fn set(&self, zone: Zone) {
        *self.state.zone.lock().expect("no test panics here") = zone;
        self.state.asked.lock().expect("no test panics here").clear();
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // Wakes both, so that they see it.
        let _ = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.send_to(&[], self.address));
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn datagrams(state: &Arc<State>, socket: &Arc<UdpSocket>) {
    let mut query = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        if state.over() {
            return;
        }
        // One may be slow while another is not.
        let (state, socket, query) = (Arc::clone(state), Arc::clone(socket), query[..length].to_vec());
        std::thread::spawn(move || {
            if let Some(reply) = state.serve(&query, 1232) {
                let _ = socket.send_to(&reply, from);
            }
        });
    }
}

fn streams(state: &Arc<State>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        if state.over() {
            return;
        }
        let state = Arc::clone(state);
        std::thread::spawn(move || one_stream(&state, stream));
    }
}

fn one_stream(state: &State, mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut length = [0; 2];
    while !state.over() && stream.read_exact(&mut length).is_ok() {
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() {
            return;
        }
        let Some(reply) = state.serve(&query, usize::from(u16::MAX)) else { continue };
        let length = u16::try_from(reply.len()).expect("at most so long");
        if stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat()).is_err() {
            return;
        }
    }
}
