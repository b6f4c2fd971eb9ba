use std::fmt;

/// Why a message is too complex: conditions on content cannot tell more than what was found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// A header section, or a Content field.
    Header,
    /// Parts in parts.
    Depth,
    /// Parts.
    Parts,
    /// Lines that may be delimiters.
    Delimiters,
    /// Octets of encoded messages.
    Decoded,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "a header section is too long",
            Self::Depth => "its parts are nested too deep",
            Self::Parts => "it has too many parts",
            Self::Delimiters => "too many lines may be delimiters of parts",
            Self::Decoded => "its encoded messages are too large",
        })
    }
}
