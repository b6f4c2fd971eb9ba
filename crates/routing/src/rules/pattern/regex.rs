use std::ops::Range;

/// Most octets of a compiled regex; a repetition of a repetition is refused by it instead of eating memory.
const SIZE: usize = 1 << 20;
/// Octets of the cache that a search may fill.
const DFA_SIZE: usize = 2 << 20;
/// How deep groups may be nested.
const NEST: u32 = 50;

/// A regex without regard to case, found anywhere in a text unless it is anchored. What it captures is never
/// used. Searches are linear in the text, whatever the pattern.
#[derive(Debug, Clone)]
pub(crate) struct Regex {
    compiled: regex::Regex,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) why: String,
    /// Where in the pattern, in octets.
    pub(crate) at: Option<Range<usize>>,
}

impl Regex {
    pub(crate) fn new(pattern: &str) -> Result<Self, Bad> {
        // regex says where only in drawings; the parser below it says it in numbers.
        let parsed =
            regex_syntax::ParserBuilder::new().case_insensitive(true).nest_limit(NEST).build().parse(pattern);
        if let Err(error) = parsed {
            let (why, span) = match &error {
                regex_syntax::Error::Parse(error) => (error.kind().to_string(), Some(*error.span())),
                regex_syntax::Error::Translate(error) => (error.kind().to_string(), Some(*error.span())),
                other => (other.to_string().lines().last().unwrap_or_default().to_owned(), None),
            };
            return Err(Bad { why, at: span.map(|span| span.start.offset..span.end.offset) });
        }
        Self::build(pattern, true)
    }

    /// A glob with its `?` and `*`, over the whole of a text.
    pub(super) fn of_glob(glob: &str) -> Result<Self, Bad> {
        let mut pattern = String::from(r"(?s)\A");
        let mut buffer = [0; 4];
        for c in glob.chars() {
            match c {
                '*' => pattern.push_str(".*"),
                '?' => pattern.push('.'),
                c => pattern.push_str(&regex_syntax::escape(c.encode_utf8(&mut buffer))),
            }
        }
        pattern.push_str(r"\z");
        Self::build(&pattern, false)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.compiled.as_str()
    }

    fn build(pattern: &str, any_case: bool) -> Result<Self, Bad> {
        let compiled = regex::RegexBuilder::new(pattern)
            .case_insensitive(any_case)
            .size_limit(SIZE)
            .dfa_size_limit(DFA_SIZE)
            .nest_limit(NEST)
            .build();
        compiled.map(|compiled| Self { compiled }).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                Bad { why: "it takes more than 1 MiB of memory".into(), at: None }
            }
            other => Bad { why: other.to_string().lines().last().unwrap_or_default().to_owned(), at: None },
        })
    }
}
