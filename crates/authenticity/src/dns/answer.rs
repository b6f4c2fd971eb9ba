use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Most records of one answer that are looked at.
const RECORDS: usize = 64;
/// Most octets of the texts of one answer: what one datagram of DNS over TCP can hold is 16 times as much.
const TEXT_OCTETS: usize = 16 << 10;
/// Names that lead to other names in one answer.
const CNAMES: usize = 8;

/// What a name server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// These, at least one.
    Found(Vec<T>),
    /// The name is there, and has nothing of this type.
    NoData,
    /// There is no such name.
    NoName,
}

impl<T> Answer<T> {
    /// What was found; nothing where nothing was.
    pub fn found(&self) -> &[T] {
        match self {
            Self::Found(found) => found,
            Self::NoData | Self::NoName => &[],
        }
    }

    /// The same, to keep.
    pub fn into_found(self) -> Vec<T> {
        match self {
            Self::Found(found) => found,
            Self::NoData | Self::NoName => Vec::new(),
        }
    }
}

/// Why nobody could tell just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    /// Nobody answered in time.
    #[error("no name server answered in time")]
    Timeout,
    /// A name server could not tell, or what it said could not be understood.
    #[error("the name server failed: {0}")]
    Failed(String),
    /// More was to be asked for one message than is asked for any.
    #[error("too many DNS lookups")]
    TooMany,
}

/// The records of one answer, by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) a: Vec<Ipv4Addr>,
    pub(super) aaaa: Vec<Ipv6Addr>,
    /// Of MX and PTR.
    pub(super) names: Vec<String>,
    pub(super) texts: Vec<Vec<u8>>,
}

impl Records {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Octets that they take, near enough.
    pub(super) fn octets(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + 24).sum();
        let texts: usize = self.texts.iter().map(|text| text.len() + 24).sum();
        names + texts + 4 * self.a.len() + 16 * self.aaaa.len()
    }
}

/// An answer as it is kept and shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Found(Arc<Records>),
    NoData,
    NoName,
}

impl Kept {
    pub(super) fn map<T>(&self, part: impl Fn(&Records) -> Vec<T>) -> Answer<T> {
        match self {
            Self::Found(records) => Answer::Found(part(records)),
            Self::NoData => Answer::NoData,
            Self::NoName => Answer::NoName,
        }
    }
}

/// What of an answer is of the type that was asked for.
pub(super) fn gathered(answers: &[Record], kind: RecordType) -> Result<Kept, DnsFault> {
    let mut records = Records::default();
    let mut preferred = Vec::new();
    let (mut aliases, mut octets) = (0, 0);
    for data in answers.iter().map(|record| &record.data) {
        aliases += usize::from(matches!(data, RData::CNAME(_)));
        if data.record_type() != kind || records.a.len() + records.aaaa.len() >= RECORDS {
            continue;
        }
        match data {
            RData::A(address) => records.a.push(address.0),
            RData::AAAA(address) => records.aaaa.push(address.0),
            RData::MX(mx) if preferred.len() < RECORDS => {
                preferred.push((mx.preference, plain(&mx.exchange)));
            }
            RData::PTR(name) if records.names.len() < RECORDS => {
                records.names.push(plain(name));
            }
            RData::TXT(text) if records.texts.len() < RECORDS => {
                let text = text.txt_data.concat();
                octets += text.len();
                records.texts.push(text);
            }
            // Of a type that nobody here asks for, or more than anybody looks at.
            _ => {}
        }
    }
    if aliases > CNAMES {
        return Err(DnsFault::Failed("too many names that lead to other names".into()));
    }
    if octets > TEXT_OCTETS {
        return Err(DnsFault::Failed("too much text".into()));
    }
    preferred.sort();
    records.names.extend(preferred.into_iter().map(|(_, name)| name));
    Ok(if records.is_empty() { Kept::NoData } else { Kept::Found(Arc::new(records)) })
}

/// The labels as they are: nothing escaped, so that the name can be asked for again.
fn plain(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    super::lower(&labels.join("."))
}
