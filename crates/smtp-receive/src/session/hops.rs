use memchr::memchr;

const NAME: &[u8] = b"received:";

/// Counts the Received fields of a header as it passes (RFC 5321 §6.3), whatever they say (RFC 5321 §3.7.2).
#[derive(Debug)]
pub(crate) struct Hops {
    at: At,
    count: u32,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// So many octets of the line so far are those of the name.
    Name(usize),
    /// In a line that is of no interest any more.
    Line,
    /// Past the header.
    Body,
}

impl Hops {
    pub(crate) fn new() -> Self {
        Self { at: At::Name(0), count: 0 }
    }

    /// Looks at the next octets of the message, whose lines end in CRLF; how many fields there were so far.
    pub(crate) fn count(&mut self, mut octets: &[u8]) -> u32 {
        while let [first, rest @ ..] = octets {
            match self.at {
                At::Body => break,
                At::Line => match memchr(b'\n', octets) {
                    None => break,
                    Some(end) => {
                        self.at = At::Name(0);
                        octets = &octets[end + 1..];
                    }
                },
                // An empty line ends the header.
                At::Name(0) if *first == b'\r' => self.at = At::Body,
                At::Name(matched) if first.to_ascii_lowercase() == NAME[matched] => {
                    self.at = At::Name(matched + 1);
                    if matched + 1 == NAME.len() {
                        self.count += 1;
                        self.at = At::Line;
                    }
                    octets = rest;
                }
                At::Name(_) => self.at = At::Line,
            }
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_of_the_header_count_at_every_split() {
        let mail = b"Received: a\r\n by b\r\nrEcEiVeD:c\r\nReceive: d\r\nX-Received: e\r\n Received: f\r\n\r\nReceived: g\r\n";
        for split in 0..mail.len() {
            let mut hops = Hops::new();
            hops.count(&mail[..split]);
            assert_eq!(hops.count(&mail[split..]), 2, "{split}");
        }
    }
}
