//! SMTP replies, read as they come and without an allocation.

/// Collects the lines of one reply; only the last one is kept, as far as it fits.
#[derive(Debug)]
pub(crate) struct Replies {
    line: [u8; 256],
    length: usize,
}

impl Default for Replies {
    fn default() -> Self {
        Self { line: [0; 256], length: 0 }
    }
}

impl Replies {
    /// Takes octets up to the end of one whole reply, and says its code.
    pub(crate) fn next(&mut self, octets: &mut &[u8]) -> Option<u16> {
        while let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
            self.keep(&octets[..end]);
            *octets = &octets[end + 1..];
            let last = self.length > 3 && self.line[3] == b' ';
            let code = self.code();
            self.length = 0;
            if last {
                return Some(code);
            }
        }
        self.keep(octets);
        *octets = &[];
        None
    }

    /// The first octets of the line that was read last.
    pub(crate) fn text(&self) -> String {
        let line: Vec<u8> =
            self.line.iter().copied().take_while(|octet| *octet != b'\r' && *octet != 0).collect();
        String::from_utf8_lossy(&line).into_owned()
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = self.line.len() - self.length;
        let kept = octets.len().min(room);
        self.line[self.length..self.length + kept].copy_from_slice(&octets[..kept]);
        self.length += kept;
    }

    fn code(&self) -> u16 {
        self.line[..3].iter().fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')))
    }
}
