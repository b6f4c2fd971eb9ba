/// Names that the `h=` of one signature may have: libraries search the list once for each.
const NAMES: u32 = 100;

const FIELD: &[u8] = b"dkim-signature";

/// Counts DKIM signatures and the header fields that each says it covers (RFC 6376 §3.5), octet by octet.
#[derive(Debug, Default)]
pub(super) struct SignatureScan {
    at: At,
    names: u32,
    /// Fields.
    pub(super) signatures: u32,
    /// Those of them whose `h=` has more names than anybody means.
    pub(super) overlong: u32,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// In another field, or in one that has been judged.
    #[default]
    Elsewhere,
    /// Behind so many octets of the field name.
    Name(usize),
    /// Where a tag may begin.
    Tag,
    /// Behind an `h` that may be a tag.
    LetterH,
    /// In another tag.
    OtherTag,
    /// In the list of names.
    Names,
}

impl SignatureScan {
    /// Another field begins.
    pub(super) fn field(&mut self) {
        self.at = At::Name(0);
        self.names = 0;
    }

    /// Octets of the field, in order.
    pub(super) fn content(&mut self, octets: &[u8]) {
        for octet in octets {
            self.at = match (self.at, octet) {
                (At::Elsewhere, _) => return,
                (At::Name(seen), octet) if seen < FIELD.len() => {
                    if octet.eq_ignore_ascii_case(&FIELD[seen]) {
                        At::Name(seen + 1)
                    } else {
                        At::Elsewhere
                    }
                }
                (At::Name(_), b':') => {
                    self.signatures += 1;
                    At::Tag
                }
                (At::Tag, b' ' | b'\t' | b'\r' | b'\n' | b';') => At::Tag,
                (At::Tag, b'h' | b'H') => At::LetterH,
                (at @ (At::LetterH | At::Name(_)), b' ' | b'\t' | b'\r' | b'\n') => at,
                (At::Name(_), _) => At::Elsewhere,
                (At::LetterH, b'=') => self.another_name(),
                (At::Names, b':') => self.another_name(),
                (At::LetterH | At::OtherTag | At::Names, b';') => At::Tag,
                (At::Names, _) => At::Names,
                (At::Tag | At::LetterH | At::OtherTag, _) => At::OtherTag,
            };
        }
    }

    fn another_name(&mut self) -> At {
        self.names += 1;
        if self.names > NAMES {
            self.overlong += 1;
            return At::Elsewhere;
        }
        At::Names
    }
}
