//! Reads what follows the colon of an Authentication-Results field (RFC 8601 §2.2), whoever wrote it.

use mail::Domain;

/// Most methods of one field that are looked at (RFC 8601 §7.8).
const METHODS: usize = 50;
/// Most properties of one method.
const PROPERTIES: usize = 20;

/// One field, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) authserv_id: String,
    pub(super) methods: Vec<Method>,
}

/// One method and its result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Method {
    /// In lower case, as its result is.
    pub(super) name: String,
    pub(super) result: String,
    pub(super) reason: Option<String>,
    /// `ptype.property` in lower case, and the value.
    pub(super) properties: Vec<(String, String)>,
    /// What stood in brackets, one after the other.
    pub(super) comments: String,
}

impl Method {
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What stands next to each other between white space and comments.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Semicolon,
    Equals,
    Comment(String),
    /// A word, with what was quoted in it taken out of its quotes.
    Word(String),
}

/// Whose results a field claims to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The authserv-id; empty where there is none.
    pub(crate) authserv_id: String,
    /// What stands behind it. There is one version, 1, and none at all is that one.
    pub(crate) version: Option<String>,
    /// Whether what was read goes as far as the methods: nothing behind it can change this.
    pub(crate) whole: bool,
}

impl Claim {
    /// Whether it has a number for a version that is not the one there is.
    pub(crate) fn is_of_another_version(&self) -> bool {
        let digits = |version: &&String| version.bytes().all(|octet| octet.is_ascii_digit());
        self.version.as_ref().filter(digits).is_some_and(|version| version.trim_start_matches('0') != "1")
    }
}

/// Whether two authserv-ids are one: in any case, and in A-labels or U-labels (RFC 8601 §5).
pub(crate) fn same(one: &str, other: &str) -> bool {
    let folded = |id: &str| Domain::parse(id).map_or_else(|_| id.to_owned(), |host| host.folded());
    one.eq_ignore_ascii_case(other) || folded(one) == folded(other)
}

/// Reads what stands before the methods.
pub(crate) fn claim(value: &[u8]) -> Claim {
    let mut tokens = Tokens { value, at: 0, after_equals: false };
    first_part(&mut tokens)
}

fn first_part(tokens: &mut Tokens<'_>) -> Claim {
    let mut claim = Claim { authserv_id: String::new(), version: None, whole: false };
    let mut place = 0;
    for token in tokens {
        match token {
            Token::Comment(_) => continue,
            Token::Semicolon => {
                claim.whole = true;
                break;
            }
            Token::Word(word) if place == 0 => claim.authserv_id = word,
            Token::Word(version) if place == 1 => claim.version = Some(version),
            Token::Equals if place == 1 => claim.version = Some("=".into()),
            Token::Word(_) | Token::Equals => {}
        }
        place += 1;
    }
    claim
}

/// Reads a field; nothing where it has no authserv-id, or a version that nobody here can read.
pub(super) fn read(value: &[u8]) -> Option<Results> {
    let mut tokens = Tokens { value, at: 0, after_equals: false };
    let claim = first_part(&mut tokens);
    let of_this = claim.version.as_ref().is_none_or(|version| version.trim_start_matches('0') == "1");
    if claim.authserv_id.is_empty() || !of_this {
        return None;
    }
    let mut methods = Vec::new();
    while methods.len() < METHODS {
        let part: Vec<Token> = tokens.by_ref().take_while(|token| *token != Token::Semicolon).collect();
        let last = tokens.at >= value.len();
        methods.extend(method(&part));
        if last {
            break;
        }
    }
    Some(Results { authserv_id: claim.authserv_id, methods })
}

fn method(tokens: &[Token]) -> Option<Method> {
    let mut method = Method::default();
    let mut words = Vec::new();
    for token in tokens {
        match token {
            Token::Comment(text) => {
                method.comments.push_str(text);
                method.comments.push(' ');
            }
            Token::Semicolon | Token::Equals | Token::Word(_) => words.push(token),
        }
    }
    let mut rest = words.as_slice();
    let mut first = true;
    while let [Token::Word(name), Token::Equals, Token::Word(value), behind @ ..] = rest {
        rest = behind;
        let name = name.to_ascii_lowercase();
        if first {
            // A result of another version of its method may mean something else (RFC 8601 §2.6).
            let (known, version) = name.split_once('/').unwrap_or((&name, "1"));
            if version.trim_start_matches('0') != "1" {
                return None;
            }
            known.clone_into(&mut method.name);
            method.result = value.to_ascii_lowercase();
        } else if name == "reason" && method.reason.is_none() {
            method.reason = Some(value.clone());
        } else if method.properties.len() < PROPERTIES {
            method.properties.push((name, value.clone()));
        }
        first = false;
    }
    (!first).then_some(method)
}

/// The tokens of a value, one after the other.
struct Tokens<'a> {
    value: &'a [u8],
    at: usize,
    after_equals: bool,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while matches!(self.value.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let (token, end) = match self.value.get(self.at)? {
            b';' => (Token::Semicolon, self.at + 1),
            b'=' => (Token::Equals, self.at + 1),
            b'(' => {
                let (text, end) = comment(self.value, self.at);
                (Token::Comment(text), end)
            }
            _ => {
                let (text, end) = word(self.value, self.at, self.after_equals);
                (Token::Word(text), end)
            }
        };
        self.after_equals = token == Token::Equals;
        self.at = end;
        Some(token)
    }
}

/// A comment with those in it; one that never ends goes to the end of the field.
fn comment(value: &[u8], start: usize) -> (String, usize) {
    let (mut depth, mut at) = (0_u32, start);
    while let Some(octet) = value.get(at) {
        at += 1;
        match octet {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    let at = at.min(value.len());
    let inside = value.get(start + 1..at.saturating_sub(1)).unwrap_or_default();
    (String::from_utf8_lossy(inside).into_owned(), at)
}

/// A word up to white space, a comment or what divides words. A value may hold `=` where it is not quoted, as
/// base64 does, although it should be.
fn word(value: &[u8], start: usize, is_value: bool) -> (String, usize) {
    let (mut text, mut at, mut quoted) = (Vec::new(), start, false);
    while let Some(&octet) = value.get(at) {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                at += 1;
                text.extend(value.get(at));
            }
            b'\r' | b'\n' if quoted => {}
            _ if quoted => text.push(octet),
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' => break,
            b'=' if !is_value => break,
            _ => text.push(octet),
        }
        at += 1;
    }
    (String::from_utf8_lossy(&text).into_owned(), at.min(value.len()).max(start + 1))
}
