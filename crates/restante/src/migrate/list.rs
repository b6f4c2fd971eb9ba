use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::format::{Facts, UidlFormat};
use super::lines::{Line, Lines};
use super::uidl::{Uidl, UidlError};

/// The unique ids of an old server, as a file has them: Dovecot's `dovecot-uidlist`, or a plain list of lines
/// `UIDL NAME`, where NAME is the name of a Maildir file or the number of a message, from 1.
#[derive(Debug, Default)]
pub struct UidlList {
    by_file: HashMap<String, Listed>,
    by_number: HashMap<u64, Listed>,
    /// It has UIDs in it, so it says itself which mail is older.
    ordered: bool,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The unique id.
    pub uidl: Uidl,
    /// Where it stands among the others.
    pub order: (u32, u64),
}

/// Why a list cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
    /// One of its lines is wrong.
    #[error("{}:{line}: {why}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong with it.
        why: LineError,
    },
}

/// What is wrong with a line of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Of Dovecot's, the first line is none that its versions 1.0 to 2.4 write.
    #[error("this begins no dovecot-uidlist that is known: `3 V<uidvalidity> N<next uid> ...` does")]
    Header,
    /// Not a line of Dovecot's list.
    #[error("expected `<uid> [fields] :<file name>`")]
    Record,
    /// Not a line of a plain list.
    #[error("expected `UIDL NAME`: a unique id, a space, and a file's name or a message's number")]
    Plain,
    /// Not text, or endless.
    #[error("this is no line of text")]
    Text,
    /// The format that the list itself asks for cannot be followed.
    #[error("its format of unique ids is not known: {0}")]
    Format(String),
    /// What is printed for this message is no unique id.
    #[error("`{0}`: {1}")]
    Uidl(String, UidlError),
    /// Two messages have the same.
    #[error("`{0}` is the unique id of line {1} too: no two messages may have the same")]
    Duplicate(Uidl, u64),
    /// One message has two.
    #[error("`{0}` is named by line {1} too")]
    Twice(String, u64),
}

impl UidlList {
    /// Reads a list. `format` is what the old Dovecot was told to print, where that was not its default.
    pub fn read(path: &Path, format: Option<&UidlFormat>) -> Result<Self, ListError> {
        let io = |error| ListError::Io(path.into(), error);
        let mut lines = Lines::new(BufReader::new(File::open(path).map_err(io)?));
        let mut reading = Reading { seen: HashMap::new(), named: HashMap::new(), list: Self::default() };
        let mut kind = None;
        while let Some(line) = lines.next().map_err(io)? {
            let number = line.number;
            let fault = |why| ListError::Line { path: path.into(), line: number, why };
            let text = text(&line).map_err(fault)?;
            let read = match &kind {
                None => match Kind::of(text, format) {
                    Ok(Kind::Plain) => {
                        kind = Some(Kind::Plain);
                        reading.plain(text, number)
                    }
                    begun => begun.map(|begun| kind = Some(begun)),
                },
                Some(Kind::Plain) => reading.plain(text, number),
                Some(Kind::Dovecot(dovecot)) => reading.record(dovecot, text, number),
            };
            read.map_err(fault)?;
        }
        reading.list.ordered = matches!(kind, Some(Kind::Dovecot(_)));
        Ok(reading.list)
    }

    /// What it says of a Maildir file, by the name up to its flags; taken out, so that what is left at the
    /// end is what had no message.
    pub fn take_file(&mut self, file: &str) -> Option<Listed> {
        self.by_file.remove(file)
    }

    /// What it says of the message of that number.
    pub fn take_number(&mut self, number: u64) -> Option<Listed> {
        self.by_number.remove(&number)
    }

    /// Lines that have named no message so far.
    pub fn left(&self) -> usize {
        self.by_file.len() + self.by_number.len()
    }

    /// Whether it says which mail is older: then that, and not the time, is the order.
    pub fn is_ordered(&self) -> bool {
        self.ordered
    }
}

/// The name of a Maildir file up to its flags: what stays when the flags change.
pub(super) fn base(file: &str) -> &str {
    file.split(':').next().unwrap_or(file)
}

fn text<'l>(line: &Line<'l>) -> Result<&'l str, LineError> {
    if line.cut {
        return Err(LineError::Text);
    }
    std::str::from_utf8(line.text).map_err(|_| LineError::Text)
}

enum Kind {
    Plain,
    Dovecot(Dovecot),
}

/// What the first line of a dovecot-uidlist says.
struct Dovecot {
    version: u8,
    validity: u32,
    format: UidlFormat,
}

impl Kind {
    /// By its first line: `1 <uidvalidity> <next uid>`, or `3` and fields that begin with a letter each.
    fn of(line: &str, format: Option<&UidlFormat>) -> Result<Self, LineError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |text: &str| text.parse::<u32>().map_err(|_| LineError::Header);
        match words.as_slice() {
            ["1", validity, _next] => {
                let (validity, format) = (number(validity)?, format.cloned().unwrap_or_default());
                Ok(Self::Dovecot(Dovecot { version: 1, validity, format }))
            }
            ["3", fields @ ..] if fields.iter().any(|field| field.starts_with('V')) => {
                let field = |key: char| fields.iter().find_map(|field| field.strip_prefix(key));
                let validity = number(field('V').unwrap_or_default())?;
                // P: a format that the list brings along for all its messages.
                let own = field('P').map(str::parse::<UidlFormat>).transpose();
                let own = own.map_err(|error| LineError::Format(error.to_string()))?;
                let format = format.cloned().or(own).unwrap_or_default();
                Ok(Self::Dovecot(Dovecot { version: 3, validity, format }))
            }
            [version, field, ..] if version.len() == 1 && is_field(field) => Err(LineError::Header),
            _ => Ok(Self::Plain),
        }
    }
}

/// `V1275660208`: of a header whose version is another.
fn is_field(text: &str) -> bool {
    text.strip_prefix(['V', 'N']).is_some_and(|digits| digits.len() > 5 && digits.parse::<u64>().is_ok())
}

struct Reading {
    /// Each unique id, and the line it is on.
    seen: HashMap<Uidl, u64>,
    /// Each file and number, and the line it is on.
    named: HashMap<String, u64>,
    list: UidlList,
}

impl Reading {
    fn plain(&mut self, line: &str, number: u64) -> Result<(), LineError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let (uidl, name) = line.split_once(' ').ok_or(LineError::Plain)?;
        let name = name.trim();
        let file = name.rsplit('/').next().unwrap_or(name);
        if file.is_empty() {
            return Err(LineError::Plain);
        }
        let listed = Listed { uidl: self.unique(uidl, number)?, order: (0, number) };
        if file.bytes().all(|octet| octet.is_ascii_digit()) {
            let message: u64 = file.parse().map_err(|_| LineError::Plain)?;
            self.once(message.to_string(), number)?;
            self.list.by_number.insert(message, listed);
        } else {
            let base = base(file).to_owned();
            self.once(base.clone(), number)?;
            self.list.by_file.insert(base, listed);
        }
        Ok(())
    }

    /// `<uid> [P<unique id>] [O<order>] [G<guid>] [other fields] :<file>`; version 1 has `<uid> <file>`.
    fn record(&mut self, dovecot: &Dovecot, line: &str, number: u64) -> Result<(), LineError> {
        let (uid, rest) = line.split_once(' ').ok_or(LineError::Record)?;
        let uid: u32 = uid.parse().map_err(|_| LineError::Record)?;
        let (fields, file) = match dovecot.version {
            1 => ("", rest),
            _ if rest.starts_with(':') => ("", &rest[1..]),
            _ => rest.split_once(" :").ok_or(LineError::Record)?,
        };
        let file = base(file);
        if file.is_empty() {
            return Err(LineError::Record);
        }
        let field = |key: char| fields.split(' ').find_map(|field| field.strip_prefix(key));
        let guid = field('G').unwrap_or(file);
        let printed = match field('P') {
            // Kept short by Dovecot where it is the file's name.
            Some("") => file.to_owned(),
            Some(own) => own.to_owned(),
            None => dovecot.format.print(&Facts { uid, validity: dovecot.validity, file, guid }),
        };
        let order = field('O').map(str::parse).transpose().map_err(|_| LineError::Record)?;
        let uidl = self.unique(&printed, number)?;
        self.once(file.to_owned(), number)?;
        // POP3 lists those with an order first.
        let order = (order.unwrap_or(u32::MAX), u64::from(uid));
        self.list.by_file.insert(file.to_owned(), Listed { uidl, order });
        Ok(())
    }

    fn unique(&mut self, text: &str, line: u64) -> Result<Uidl, LineError> {
        let uidl = Uidl::parse(text).map_err(|why| LineError::Uidl(text.to_owned(), why))?;
        match self.seen.insert(uidl.clone(), line) {
            Some(before) => Err(LineError::Duplicate(uidl, before)),
            None => Ok(uidl),
        }
    }

    fn once(&mut self, name: String, line: u64) -> Result<(), LineError> {
        match self.named.insert(name.clone(), line) {
            Some(before) => Err(LineError::Twice(name, before)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, format: Option<&str>) -> Result<UidlList, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list");
        std::fs::write(&path, text).expect("written");
        let format = format.map(|format| format.parse().expect("a format"));
        UidlList::read(&path, format.as_ref()).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix(&format!("{}:", path.display())).unwrap_or(&text).to_owned()
        })
    }

    fn uidl(list: &mut UidlList, file: &str) -> Option<String> {
        list.take_file(file).map(|listed| listed.uidl.to_string())
    }

    const UIDLIST: &str = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n\
        25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n\
        25017 W2481 :1276533073.M242911P3632.kurkku:2,F\n\
        25018 S9 Pold-id-7 W2481 :1276533074.a.kurkku\n\
        25019 P :1276533075.a.kurkku:2,S\n\
        25020 O3 :1276533076.a.kurkku:2,S\n";

    #[test]
    fn a_dovecot_list_gives_what_dovecot_prints() {
        let mut list = read(UIDLIST, None).expect("a list");
        assert!(list.is_ordered());
        for (file, text) in [
            ("1276528487.M364837P9451.kurkku,S=1355,W=1394", "000061ae4c0907b0"),
            ("1276533073.M242911P3632.kurkku", "000061b94c0907b0"),
            ("1276533074.a.kurkku", "old-id-7"),
            ("1276533075.a.kurkku", "1276533075.a.kurkku"),
        ] {
            assert_eq!(uidl(&mut list, file).as_deref(), Some(text), "{file}");
        }
        assert_eq!(list.left(), 1);
        assert_eq!(list.take_file("1276533076.a.kurkku").map(|listed| listed.order), Some((3, 25020)));
        assert_eq!(list.take_file("1276533076.a.kurkku"), None, "taken once");
    }

    #[test]
    fn a_format_is_followed_and_a_kept_id_is_above_it() {
        let mut list = read(UIDLIST, Some("%v.%u")).expect("a list");
        assert_eq!(uidl(&mut list, "1276533073.M242911P3632.kurkku").as_deref(), Some("1275660208.25017"));
        assert_eq!(uidl(&mut list, "1276533074.a.kurkku").as_deref(), Some("old-id-7"));
        let own = UIDLIST.replacen(" G3085f01b7f11094c501100008c4a11c1", " P%v-%u", 1);
        let mut list = read(&own, None).expect("a list");
        assert_eq!(uidl(&mut list, "1276533073.M242911P3632.kurkku").as_deref(), Some("1275660208-25017"));
    }

    #[test]
    fn the_oldest_version_is_read_too() {
        let mut list = read("1 1275660208 25022\n25006 1276528487.a.kurkku:2,S\n", None).expect("a list");
        assert_eq!(uidl(&mut list, "1276528487.a.kurkku").as_deref(), Some("000061ae4c0907b0"));
    }

    #[test]
    fn a_plain_list_names_files_or_numbers() {
        let mut list = read("abc 1\r\n\r\nd!e  cur/17.x.host:2,S\nghi 20\n", None).expect("a list");
        assert!(!list.is_ordered());
        assert_eq!(list.take_number(1).map(|listed| listed.uidl.to_string()).as_deref(), Some("abc"));
        assert_eq!(uidl(&mut list, "17.x.host").as_deref(), Some("d!e"));
        assert_eq!((list.left(), list.take_number(2)), (1, None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let endless = format!("a 1\n{} 2\n", "x".repeat(10_000));
        for (text, told) in [
            ("a 1\na 2\n", "2: `a` is the unique id of line 1 too"),
            ("a 1\nb 1\n", "2: `1` is named by line 1 too"),
            ("a f\nb cur/f:2,S\n", "2: `f` is named by line 1 too"),
            ("a 1\nb\n", "2: expected `UIDL NAME`"),
            ("a 1\nb \n", "2: expected `UIDL NAME`"),
            ("a 99999999999999999999999\n", "1: expected `UIDL NAME`"),
            ("r0123456789abcdef 1\n", "1: `r0123456789abcdef`: `r` and 16 hex digits"),
            (&*format!("{} 1\n", "x".repeat(71)), "1: `xxx"),
            ("\u{e9} 1\n", "1: `\u{e9}`: a unique id has visible ASCII"),
            (&*endless, "2: this is no line of text"),
            ("3 Vx N1\n", "1: this begins no dovecot-uidlist"),
            ("2 V1275660208 N25022\n", "1: this begins no dovecot-uidlist"),
            ("3 V1 N2 P%m\n", "1: its format of unique ids is not known"),
            ("3 V1 N2\nx :f\n", "2: expected `<uid>"),
            ("3 V1 N2\n1 f\n", "2: expected `<uid>"),
            ("3 V1 N2\n1 :\n", "2: expected `<uid>"),
            ("3 V1 N2\n4294967296 :f\n", "2: expected `<uid>"),
            ("3 V1 N2\n1 Ox :f\n", "2: expected `<uid>"),
            ("3 V1 N2\n1 :f\n1 :g\n", "3: `0000000100000001` is the unique id of line 2 too"),
            ("3 V1 N2\n1 :f\n2 :f:2,S\n", "3: `f` is named by line 2 too"),
            ("3 V1 N2\n1 Pr0123456789abcdef :f\n", "2: `r0123456789abcdef`: `r` and 16"),
        ] {
            let error = read(text, None).expect_err(text);
            assert!(error.starts_with(told), "{text:?}: {error}");
        }
        let bad = std::str::from_utf8(b"a 1\n").expect("text");
        assert!(read(bad, None).is_ok());
        assert!(read("", None).is_ok_and(|list| list.left() == 0));
    }

    #[test]
    fn octets_that_are_no_text_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list");
        std::fs::write(&path, b"a 1\n\xff\xfe 2\n").expect("written");
        let error = UidlList::read(&path, None).expect_err("no text");
        assert!(error.to_string().ends_with("list:2: this is no line of text"), "{error}");
        assert!(matches!(UidlList::read(&folder.path().join("none"), None), Err(ListError::Io(..))));
    }
}
