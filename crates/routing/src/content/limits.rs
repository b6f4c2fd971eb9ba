/// Bounds on what of a message is looked at. Beyond one of them it is too complex, unless it says otherwise.
#[derive(Debug, Clone)]
pub struct ContentLimits {
    /// Octets of one header section.
    pub header_octets: usize,
    /// Lines of one header section.
    pub header_lines: usize,
    /// Octets of one Content field: of a longer one, so many are looked at.
    pub content_field: usize,
    /// Levels of parts in parts, messages in messages included.
    pub depth: usize,
    /// Parts at all levels together.
    pub parts: usize,
    /// Lines that begin with `--` and may be delimiters.
    pub delimiters: usize,
    /// Octets that encoded parts may have when they are decoded to be taken apart themselves, together.
    pub decoded: usize,
    /// Octets of text: `body` ends there, which makes nothing too complex.
    pub text: usize,
}

impl Default for ContentLimits {
    fn default() -> Self {
        Self {
            header_octets: 128 << 10,
            header_lines: 1_000,
            content_field: 8 << 10,
            depth: 32,
            parts: 1_000,
            delimiters: 100_000,
            decoded: 64 << 20,
            text: 1 << 20,
        }
    }
}
