use memchr::memmem;

/// Makes the body of a multi-line response out of a message: puts a dot before a dot that begins a line,
/// and ends it with CRLF `.` CRLF (RFC 1939 §3). Takes the message in pieces of any size.
///
/// A line begins after any LF. The store holds no LF without its CR; should one ever slip in, no client,
/// however it cuts its lines, may take what follows for the end of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum DotWriter {
    /// At the begin of a line: a dot here is doubled.
    #[default]
    LineStart,
    /// Inside a line, and not behind a CR.
    Inside,
    /// Inside a line, behind a CR.
    AfterCr,
    /// Behind an LF that had no CR: a dot here is doubled, and an end here still needs its CRLF.
    AfterBareLf,
}

impl DotWriter {
    /// Appends the next octets of the message.
    pub(super) fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (octets.first(), octets.last()) else { return };
        if first == b'.' && matches!(self, Self::LineStart | Self::AfterBareLf) {
            out.push(b'.');
        }
        let mut written = 0;
        for lf in memmem::find_iter(octets, b"\n.") {
            out.extend_from_slice(&octets[written..=lf]);
            out.push(b'.');
            written = lf + 1;
        }
        out.extend_from_slice(&octets[written..]);
        let before = octets.len().checked_sub(2).map(|at| octets[at]);
        *self = match (last, before) {
            (b'\r', _) => Self::AfterCr,
            (b'\n', Some(b'\r')) => Self::LineStart,
            (b'\n', None) if *self == Self::AfterCr => Self::LineStart,
            (b'\n', _) => Self::AfterBareLf,
            _ => Self::Inside,
        };
    }

    /// Appends the end, ending the last line first if the message has not.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::LineStart => out.extend_from_slice(b".\r\n"),
            Self::Inside | Self::AfterCr | Self::AfterBareLf => out.extend_from_slice(b"\r\n.\r\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 1939 §3 says, octet by octet.
    fn model(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut previous = b'\n';
        for &octet in message {
            if octet == b'.' && previous == b'\n' {
                out.push(b'.');
            }
            out.push(octet);
            previous = octet;
        }
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    /// What a client does that cuts lines at CRLF.
    fn client(response: &[u8]) -> Vec<u8> {
        let body = response.strip_suffix(b".\r\n").expect("ends with a dot");
        let mut out = Vec::new();
        for (at, &octet) in body.iter().enumerate() {
            if !(octet == b'.' && (at == 0 || body[..at].ends_with(b"\r\n")))
                || body.get(at.wrapping_sub(1)) == Some(&b'.') && at > 0
            {
                out.push(octet);
            }
        }
        out
    }

    fn write(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut writer, mut out) = (DotWriter::default(), Vec::new());
        for piece in pieces {
            writer.write(piece, &mut out);
        }
        writer.finish(&mut out);
        out
    }

    /// Every message of the four octets that matter, up to `length` of them.
    fn every_message(length: usize, mut check: impl FnMut(&[u8])) {
        let mut messages = vec![Vec::new()];
        for _ in 0..=length {
            let mut longer = Vec::new();
            for message in messages {
                check(&message);
                longer.extend(b"\r\n.a".iter().map(|&octet| [message.as_slice(), &[octet]].concat()));
            }
            messages = longer;
        }
    }

    #[test]
    fn every_message_at_every_split() {
        every_message(8, |message| {
            let expected = model(message);
            for cut in 0..=message.len() {
                assert_eq!(write(&[&message[..cut], &message[cut..]]), expected, "{message:?} at {cut}");
            }
            assert_eq!(write(&message.chunks(1).collect::<Vec<_>>()), expected, "{message:?} octet by octet");
        });
    }

    /// RFC 1939 §3.
    #[test]
    fn no_message_ends_its_response_early() {
        every_message(8, |message| {
            let response = write(&[message]);
            let end = response.len() - 3;
            for alone in [&b"\r\n.\r\n"[..], b"\n.\n", b"\n.\r\n"] {
                assert_eq!(memmem::find(&[b"\r\n", &response[..end]].concat(), alone), None, "{message:?}");
            }
        });
    }

    #[test]
    fn a_client_gets_what_is_stored() {
        every_message(7, |message| {
            let clean = !memmem::find_iter(message, b"\n").any(|lf| lf == 0 || message[lf - 1] != b'\r');
            if clean && (message.is_empty() || message.ends_with(b"\r\n")) {
                assert_eq!(client(&write(&[message])), message);
            }
        });
    }
}
