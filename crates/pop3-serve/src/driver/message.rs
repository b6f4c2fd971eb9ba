use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use queue::{Maildrop, Message, StoreError};

use crate::session::{Fetch, TopCutter};

/// TOP begins with so much of a message, and takes four times as much each time that is not enough: few
/// clients read past the header, and a message may be large.
const FIRST_WINDOW: u64 = 32 * 1024;
/// TOP of so many lines is a download.
const DOWNLOAD_LINES: u64 = 1000;
/// And one of so many lines is meant to be the whole message.
const WHOLE_LINES: u64 = 10_000;
/// Longer headers do not come in; what is longer all the same is not looked at to its end.
const HEADER_OCTETS: u64 = 256 * 1024;

/// Why a message is not read.
pub(super) enum OpenError {
    /// Its header is not ASCII.
    NeedsUtf8,
    /// The store cannot.
    Store(StoreError),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fetch {
    /// Whether the client means to get all of it: a TOP of so many lines is how some download.
    pub(super) fn is_download(&self) -> bool {
        self.lines.is_none_or(|lines| lines >= WHOLE_LINES)
    }
}

/// A message on its way to the client, never more of it in memory than a chunk and what a look at its header
/// took.
pub(super) struct Reading<M: Maildrop> {
    maildrop: Arc<M>,
    fetch: Fetch,
    message: M::Message,
    /// Where the next window begins.
    at: u64,
    window: u64,
    /// Read already.
    ahead: VecDeque<Bytes>,
    /// What the session has not taken yet.
    pub(super) chunk: Bytes,
    /// Octets that the session has taken.
    taken: u64,
}

impl<M: Maildrop> Reading<M> {
    /// Opens it and has its first octets at hand, so that what goes wrong goes wrong before `+OK`.
    pub(super) async fn open(maildrop: Arc<M>, fetch: Fetch) -> Result<Self, OpenError> {
        let window = match fetch.lines {
            Some(lines) if lines < DOWNLOAD_LINES => FIRST_WINDOW.min(fetch.octets),
            Some(_) | None => fetch.octets,
        };
        let message = maildrop.message(fetch.index, 0..window).await?;
        let mut reading = Self {
            maildrop,
            fetch,
            message,
            at: window,
            window,
            ahead: VecDeque::new(),
            chunk: Bytes::new(),
            taken: 0,
        };
        if fetch.ascii_only {
            reading.look_at_header().await?;
        } else if let Some(chunk) = reading.next().await? {
            reading.ahead.push_back(chunk);
        }
        Ok(reading)
    }

    /// Whether the client has got all of it.
    pub(super) fn is_download(&self) -> bool {
        self.fetch.is_download() && self.taken == self.fetch.octets
    }

    /// Octets that the session has taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The session has taken so many octets of the chunk.
    pub(super) fn took(&mut self, octets: usize) {
        self.chunk.advance(octets);
        self.taken += octets as u64;
    }

    /// The next octets; none at the end of the message.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(chunk) = self.ahead.pop_front() {
            return Ok(Some(chunk));
        }
        loop {
            if let Some(chunk) = self.message.chunk().await? {
                return Ok(Some(chunk));
            }
            if self.at >= self.fetch.octets {
                return Ok(None);
            }
            self.window = self.window.saturating_mul(4);
            let end = self.at.saturating_add(self.window).min(self.fetch.octets);
            self.message = self.maildrop.message(self.fetch.index, self.at..end).await?;
            self.at = end;
        }
    }

    async fn look_at_header(&mut self) -> Result<(), OpenError> {
        let (mut header, mut looked) = (TopCutter::new(0), 0);
        let mut ahead = VecDeque::new();
        while looked < HEADER_OCTETS {
            let Some(chunk) = self.next().await? else { break };
            let (octets, complete) = header.take(&chunk);
            if !chunk[..octets].is_ascii() {
                return Err(OpenError::NeedsUtf8);
            }
            looked += octets as u64;
            ahead.push_back(chunk);
            if complete {
                break;
            }
        }
        self.ahead = ahead;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use mail::Envelope;
    use queue::{Entry, Stamp};

    use super::*;

    /// One message, in chunks of 1,000 octets, that breaks off after `left`.
    struct Single {
        octets: Bytes,
        left: usize,
    }

    struct Chunks(Bytes);

    impl Message for Chunks {
        async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
            let length = self.0.len().min(1000);
            Ok((length > 0).then(|| self.0.split_to(length)))
        }
    }

    impl Maildrop for Single {
        type Message = Chunks;

        fn len(&self) -> usize {
            1
        }

        fn entry(&self, _index: usize) -> Option<Entry<'_>> {
            None
        }

        fn octets(&self) -> u64 {
            self.octets.len() as u64
        }

        fn stamp(&self) -> Stamp {
            Stamp(0)
        }

        async fn envelope(&self, _index: usize) -> Result<Arc<Envelope>, StoreError> {
            Err(StoreError::Unavailable)
        }

        async fn message(&self, _index: usize, range: Range<u64>) -> Result<Chunks, StoreError> {
            let narrow = |offset: u64| usize::try_from(offset).expect("small").min(self.left);
            Ok(Chunks(self.octets.slice(narrow(range.start)..narrow(range.end))))
        }
    }

    async fn read(
        octets: &[u8],
        left: usize,
        lines: Option<u64>,
        ascii_only: bool,
    ) -> Result<Vec<u8>, OpenError> {
        let single = Arc::new(Single { octets: Bytes::copy_from_slice(octets), left });
        let fetch = Fetch { index: 0, octets: octets.len() as u64, lines, ascii_only };
        let mut reading = Reading::open(single, fetch).await?;
        let mut out = Vec::new();
        while let Some(chunk) = reading.next().await? {
            out.extend_from_slice(&chunk);
        }
        Ok(out)
    }

    #[tokio::test]
    async fn every_way_reads_all_of_it() {
        for length in [0, 1, 999, 1000, 32 * 1024, 32 * 1024 + 1, 160 * 1024, 700_001] {
            let octets: Vec<u8> = (0..length).map(|at| b"A: b\r\n"[at % 6]).collect();
            for lines in [None, Some(0), Some(999), Some(1000)] {
                for ascii_only in [false, true] {
                    let got = read(&octets, usize::MAX, lines, ascii_only).await.ok().expect("read");
                    assert!(got == octets, "{length} {lines:?} {ascii_only}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_message_that_breaks_off_is_short_and_not_endless() {
        let octets = vec![b'a'; 100_000];
        for lines in [None, Some(0)] {
            assert_eq!(read(&octets, 50_000, lines, false).await.ok().expect("read").len(), 50_000);
        }
    }

    #[tokio::test]
    async fn only_the_header_must_be_ascii() {
        let padding = b"X: y\r\n".repeat(1000);
        let with = |tail: &[u8]| [padding.as_slice(), tail].concat();
        let body = with("\r\nü\r\n".as_bytes());
        assert!(read(&body, usize::MAX, None, true).await.is_ok_and(|got| got == body));
        let header = with("S: ü\r\n\r\n".as_bytes());
        assert!(matches!(read(&header, usize::MAX, None, true).await, Err(OpenError::NeedsUtf8)));
        assert!(read(&header, usize::MAX, None, false).await.is_ok());
    }
}
