//! What Dovecot is told to print by UIDL: its `pop3_uidl_format`, in the words of 2.3 and of 2.4.

use std::str::FromStr;

/// What the parts of a format stand for in one message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'m> {
    /// Its IMAP UID.
    pub uid: u32,
    /// The UIDVALIDITY of the folder.
    pub validity: u32,
    /// The Maildir file's name up to its flags.
    pub file: &'m str,
    /// Its GUID: the file's name unless the list says otherwise.
    pub guid: &'m str,
}

/// A format, such as `%08Xu%08Xv` or `%{uid | hex(8)}%{uidvalidity | hex(8)}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidlFormat(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { what: Variable, hex: bool, width: usize, zeros: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Uid,
    Validity,
    File,
    Guid,
}

/// Why a format cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Only Dovecot itself can calculate it.
    #[error(
        "`{0}` cannot be calculated here: save what the old server prints (UIDL) and give that as a plain list"
    )]
    Unknown(String),
    /// A `%` that begins nothing.
    #[error("`{0}` is not a variable: %u (uid), %v (uidvalidity), %f (file name) and %g (guid) are")]
    Syntax(String),
}

impl Default for UidlFormat {
    /// Dovecot's own default.
    fn default() -> Self {
        let hex = |what| Part::Variable { what, hex: true, width: 8, zeros: true };
        Self(vec![hex(Variable::Uid), hex(Variable::Validity)])
    }
}

impl UidlFormat {
    /// What is printed for a message.
    pub fn print(&self, facts: &Facts<'_>) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable { what, hex, width, zeros } => {
                    let number = |number: u32| match (hex, zeros) {
                        // Dovecot's hex digits are small letters.
                        (true, true) => format!("{number:0width$x}"),
                        (true, false) => format!("{number:x}"),
                        (false, true) => format!("{number:0width$}"),
                        (false, false) => format!("{number}"),
                    };
                    match what {
                        Variable::Uid => out.push_str(&number(facts.uid)),
                        Variable::Validity => out.push_str(&number(facts.validity)),
                        Variable::File => out.push_str(facts.file),
                        Variable::Guid => out.push_str(facts.guid),
                    }
                }
            }
        }
        out
    }
}

impl FromStr for UidlFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let (part, after) = variable(&rest[at..])?;
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

/// Reads what begins with a `%`, and gives what follows it.
fn variable(text: &str) -> Result<(Part, &str), FormatError> {
    let rest = &text[1..];
    if let Some(rest) = rest.strip_prefix('%') {
        return Ok((Part::Text("%".into()), rest));
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let (inner, rest) = inner.split_once('}').ok_or_else(|| FormatError::Syntax(text.into()))?;
        return Ok((piped(inner)?, rest));
    }
    let zeros = rest.starts_with('0');
    let letters = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - letters.len()];
    let hex = letters.starts_with('X');
    let letters = letters.strip_prefix('X').unwrap_or(letters);
    let mut chars = letters.chars();
    let letter = chars.next().ok_or_else(|| FormatError::Syntax(text.into()))?;
    let shown = || text[..text.len() - chars.as_str().len()].to_owned();
    let what = match letter {
        'u' => Variable::Uid,
        'v' => Variable::Validity,
        'f' => Variable::File,
        'g' => Variable::Guid,
        // The MD5 of some header fields as its mbox code saw them.
        'm' => return Err(FormatError::Unknown(shown())),
        _ => return Err(FormatError::Syntax(shown())),
    };
    let width = if digits.is_empty() { 0 } else { width(digits, text)? };
    // Without the zero a width cuts; nobody prints a part of a number.
    if !digits.is_empty() && !zeros {
        return Err(FormatError::Unknown(shown()));
    }
    Ok((Part::Variable { what, hex, width, zeros }, chars.as_str()))
}

/// Reads the 2.4 form between its braces: a name, and what it is piped through.
fn piped(inner: &str) -> Result<Part, FormatError> {
    let whole = || format!("%{{{inner}}}");
    let mut steps = inner.split('|').map(str::trim);
    let what = match steps.next().unwrap_or_default() {
        "uid" => Variable::Uid,
        "uidvalidity" => Variable::Validity,
        "filename" => Variable::File,
        "guid" => Variable::Guid,
        "md5" => return Err(FormatError::Unknown(whole())),
        _ => return Err(FormatError::Syntax(whole())),
    };
    let (mut hex, mut cells) = (false, 0);
    for step in steps {
        match step.strip_prefix("hex") {
            Some("") => hex = true,
            Some(argument) => {
                let digits = argument.strip_prefix('(').and_then(|argument| argument.strip_suffix(')'));
                cells = width(digits.ok_or_else(|| FormatError::Unknown(whole()))?, &whole())?;
                hex = true;
            }
            None if step == "number" => {}
            None => return Err(FormatError::Unknown(whole())),
        }
    }
    Ok(Part::Variable { what, hex, width: cells, zeros: true })
}

/// A unique id has 70 characters at most, so no part of it has more.
fn width(digits: &str, text: &str) -> Result<usize, FormatError> {
    digits.parse().ok().filter(|width| *width <= 70).ok_or_else(|| FormatError::Syntax(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: &str) -> Result<String, FormatError> {
        let facts =
            Facts { uid: 2653, validity: 1_275_660_208, file: "1276528487.M364837P9451.kurkku", guid: "g-1" };
        Ok(format.parse::<UidlFormat>()?.print(&facts))
    }

    /// As Dovecot prints them: hex digits are small letters.
    #[test]
    fn the_common_formats_print_what_dovecot_prints() {
        for (format, text) in [
            ("%08Xu%08Xv", "00000a5d4c0907b0"),
            ("%{uid | hex(8)}%{uidvalidity | hex(8)}", "00000a5d4c0907b0"),
            ("%08Xv%08Xu", "4c0907b000000a5d"),
            ("%v.%u", "1275660208.2653"),
            ("%{uidvalidity}.%{uid}", "1275660208.2653"),
            ("%v-%u", "1275660208-2653"),
            ("UID%u-%v", "UID2653-1275660208"),
            ("%u", "2653"),
            ("%Xu", "a5d"),
            ("%{uid|hex}", "a5d"),
            ("%f", "1276528487.M364837P9451.kurkku"),
            ("%g", "g-1"),
            ("100%%-%u", "100%-2653"),
            ("%010u", "0000002653"),
        ] {
            assert_eq!(printed(format).as_deref(), Ok(text), "{format}");
        }
        let facts = Facts { uid: 1, validity: 2, file: "", guid: "" };
        assert_eq!(UidlFormat::default().print(&facts), "0000000100000002");
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for format in ["%m", "%08Xm", "%8u", "%{md5}", "%{uid | base64}", "%{uid | hex(-2)}"] {
            let error = printed(format).expect_err(format);
            assert!(matches!(error, FormatError::Unknown(_) | FormatError::Syntax(_)), "{format}: {error}");
        }
        for format in ["%", "%z", "%{uid", "%{nothing}", "%0", "%X", "%099u", "%{uid | hex(999999999999)}"] {
            assert!(matches!(printed(format), Err(FormatError::Syntax(_))), "{format}");
        }
    }
}
