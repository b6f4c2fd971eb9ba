use super::fault::{Code, Fault};
use super::frame::{Frame, LINE_MAX};

/// Octets read at once.
pub(super) const CHUNK: usize = 64 << 10;

/// One frame as it came.
#[derive(Debug, PartialEq)]
pub(super) struct Received {
    /// The line.
    pub frame: Frame,
    /// The octets behind it.
    pub octets: Vec<u8>,
}

/// Cuts what comes in into frames. It holds at most one of them, and what was read with its end.
#[derive(Debug, Default)]
pub(super) struct Input {
    waiting: Vec<u8>,
    /// So much of it has no end of line.
    looked: usize,
    /// The line that waits for its octets.
    head: Option<(Frame, usize)>,
}

impl Input {
    /// Takes octets as they come. To be asked for frames until there is none before more is fed.
    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.waiting.extend_from_slice(octets);
    }

    /// The next frame, when all of it is here.
    pub(super) fn next(&mut self) -> Result<Option<Received>, Fault> {
        let (frame, octets) = match self.head.take() {
            Some(head) => head,
            None => match self.line()? {
                Some(line) => Frame::decode(&line)?,
                None => return Ok(None),
            },
        };
        if self.waiting.len() < octets {
            self.waiting.reserve(octets - self.waiting.len());
            self.head = Some((frame, octets));
            return Ok(None);
        }
        let rest = self.waiting.split_off(octets);
        let octets = std::mem::replace(&mut self.waiting, rest);
        Ok(Some(Received { frame, octets }))
    }

    /// Whether the other side may go now without having broken off.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.head.is_none()
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let end = self.waiting[self.looked..].iter().position(|octet| *octet == b'\n');
        let end = end.map(|end| self.looked + end);
        self.looked = if end.is_some() { 0 } else { self.waiting.len() };
        if end.unwrap_or(self.waiting.len()) > LINE_MAX {
            return Err(Fault::new(Code::Malformed, format!("a line of more than {LINE_MAX} octets")));
        }
        Ok(end.map(|end| {
            let rest = self.waiting.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.waiting, rest);
            line.pop();
            line
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::frame::OCTETS_MAX;
    use super::*;

    fn all(input: &mut Input) -> Vec<Received> {
        std::iter::from_fn(|| input.next().expect("frames")).collect()
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let body = b"raw\n{\"v\":1}\n\0\xff";
        let mut stream = Frame::Item(json!(1)).encode(body.len()).expect("short");
        stream.extend_from_slice(body);
        stream.extend(Frame::End.encode(0).expect("short"));
        let mut whole = Input::default();
        whole.feed(&stream);
        let expected = all(&mut whole);
        assert_eq!(expected.len(), 2);
        assert_eq!(expected[0].octets, body);
        for at in 0..stream.len() {
            let mut cut = Input::default();
            cut.feed(&stream[..at]);
            let mut found = all(&mut cut);
            cut.feed(&stream[at..]);
            found.extend(all(&mut cut));
            assert_eq!(found, expected, "cut at {at}");
            assert!(cut.is_empty());
        }
    }

    #[test]
    fn nothing_grows_past_its_bound() {
        let mut input = Input::default();
        input.feed(&vec![b'x'; LINE_MAX]);
        assert_eq!(input.next(), Ok(None), "it may end now");
        input.feed(b"x");
        assert_eq!(input.next().expect_err("too long").code, Code::Malformed);
        let mut input = Input::default();
        input.feed(&[vec![b' '; LINE_MAX + 1], b"\n".to_vec()].concat());
        assert_eq!(input.next().expect_err("too long").code, Code::Malformed);
        let mut input = Input::default();
        input.feed(&Frame::End.encode(OCTETS_MAX).expect("the most"));
        assert_eq!(input.next(), Ok(None));
        assert!(!input.is_empty());
        input.feed(&vec![0; OCTETS_MAX]);
        assert_eq!(input.next().expect("whole").map(|got| got.octets.len()), Some(OCTETS_MAX));
    }
}
