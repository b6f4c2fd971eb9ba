use std::ops::Range;

use crate::Additions;

/// The plan by which [`Additions`] and the octets received become the octets served: one small calculation
/// that every engine shares, so that sizes and contents cannot disagree (RFC 1939 §11). What is hidden is
/// still there (RFC 5321 §4.5.2).
#[derive(Debug, Clone)]
pub struct Served {
    pieces: Vec<Piece>,
}

/// One run of the octets served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Of the additions' prelude.
    Prelude(Range<usize>),
    /// Of the octets received.
    Received(Range<u64>),
    /// Of the CRLF at the end.
    Crlf(Range<usize>),
}

impl Served {
    /// Plans the whole of a message of `received` octets. Cuts that do not fit inside are left out.
    pub fn new(additions: &Additions, received: u64) -> Self {
        let mut pieces = Vec::with_capacity(additions.cuts.len() + 3);
        pieces.push(Piece::Prelude(0..additions.prelude.len()));
        let mut from = 0;
        for cut in &additions.cuts {
            let (start, end) = (u64::from(cut.at), u64::from(cut.at) + u64::from(cut.octets));
            if start < from || end > received {
                continue;
            }
            pieces.push(Piece::Received(from..start));
            from = end;
        }
        pieces.push(Piece::Received(from..received));
        pieces.push(Piece::Crlf(0..if additions.terminate { 2 } else { 0 }));
        pieces.retain(|piece| piece.octets() > 0);
        Self { pieces }
    }

    /// How many octets are served.
    pub fn octets(&self) -> u64 {
        self.pieces.iter().map(Piece::octets).sum()
    }

    /// Keeps only what lies in `range` of the octets served.
    #[must_use]
    pub fn within(self, range: Range<u64>) -> Self {
        let mut at = 0;
        let mut kept = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            let octets = piece.octets();
            let from = range.start.saturating_sub(at).min(octets);
            let to = range.end.saturating_sub(at).min(octets);
            if from < to {
                kept.push(piece.slice(from, to));
            }
            at += octets;
        }
        Self { pieces: kept }
    }

    /// The pieces in the order they are served.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl Piece {
    /// How many octets it has.
    pub fn octets(&self) -> u64 {
        match self {
            Self::Prelude(range) | Self::Crlf(range) => range.len() as u64,
            Self::Received(range) => range.end - range.start,
        }
    }

    /// The part of it between two offsets from its start.
    #[must_use]
    pub fn slice(&self, from: u64, to: u64) -> Self {
        // Preludes and the CRLF are in memory: their offsets fit a usize.
        let narrow = |range: &Range<usize>| range.start + fit(from)..range.start + fit(to);
        match self {
            Self::Prelude(range) => Self::Prelude(narrow(range)),
            Self::Crlf(range) => Self::Crlf(narrow(range)),
            Self::Received(range) => Self::Received(range.start + from..range.start + to),
        }
    }
}

fn fit(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use mail::Cut;

    use super::*;

    fn render(served: &Served, additions: &Additions, received: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in served.pieces() {
            match piece {
                Piece::Prelude(range) => out.extend_from_slice(&additions.prelude[range.clone()]),
                Piece::Received(range) => out.extend_from_slice(&received[fit(range.start)..fit(range.end)]),
                Piece::Crlf(range) => out.extend_from_slice(&b"\r\n"[range.clone()]),
            }
        }
        out
    }

    /// RFC 5321 §4.5.2.
    #[test]
    fn any_range_is_that_range_of_the_whole() {
        let additions = Additions {
            prelude: b"abc".to_vec(),
            cuts: vec![Cut { at: 0, octets: 2 }, Cut { at: 4, octets: 3 }],
            terminate: true,
        };
        let received = b"0123456789";
        let whole = b"abc23789\r\n";
        let served = Served::new(&additions, 10);
        assert_eq!(served.octets(), whole.len() as u64);
        assert_eq!(render(&served, &additions, received), whole);
        for from in 0..=whole.len() {
            for to in from..=whole.len() + 2 {
                let part = served.clone().within(from as u64..to as u64);
                assert_eq!(render(&part, &additions, received), &whole[from..to.min(whole.len())]);
            }
        }
    }
}
