use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::Quoting;
use super::from_line::{self, FromLine};
use crate::migrate::letter::{Content, Letter, Part};
use crate::migrate::lines::Lines;
use crate::migrate::list::UidlList;

/// The messages of an mbox in the order in which they stand there. The file is read through once for that,
/// in little memory; what is appended meanwhile is not part of it. A length that a header claims
/// (`Content-Length`) is not believed.
pub fn letters(path: &Path, quoting: Quoting, mut list: Option<&mut UidlList>) -> io::Result<Vec<Letter>> {
    let file = Arc::new(File::open(path)?);
    let mut found = scan(BufReader::with_capacity(1 << 20, &*file), quoting)?;
    if let Some((_, range)) = found.first()
        && is_internal(&file, range)?
    {
        found.remove(0);
    }
    let letters = (1..).zip(found).map(|(number, (from, range))| Letter {
        name: format!("{}, message {number}", path.display()),
        uidl: list.as_deref_mut().and_then(|list| list.take_number(number)).map(|listed| listed.uidl),
        received_ms: from.received_ms,
        sender: Some(from.sender),
        octets: range.end - range.start,
        content: Content::Part { file: file.clone(), range, quoting },
    });
    Ok(letters.collect())
}

/// Whether it is no message but where the UW and Pine programs keep their own numbers: they never show it, and
/// do not count it.
fn is_internal(file: &File, range: &Range<u64>) -> io::Result<bool> {
    let mut lines = Lines::new(BufReader::new(Part { file, range: range.clone() }));
    let (mut marked, mut told) = (false, false);
    while let Some(line) = lines.next()?.filter(|line| !line.text.is_empty()) {
        marked |= line.text.starts_with(b"X-IMAP:");
        told |= line.text.starts_with(b"Subject: DON'T DELETE THIS MESSAGE");
    }
    Ok(marked && told)
}

/// Where each message is. One begins with a `From ` line that has a date, at the start of the file or behind
/// an empty line. Where nobody has quoted lines of bodies, what follows must look like a header too: a line of
/// a body can have the one, hardly both.
fn scan(file: impl BufRead, quoting: Quoting) -> io::Result<Vec<(FromLine, Range<u64>)>> {
    let begins = |line: &[u8]| match quoting {
        Quoting::Mboxrd | Quoting::Mboxo => true,
        Quoting::None => begins_header(line),
    };
    let mut lines = Lines::new(file);
    let mut found: Vec<(FromLine, Range<u64>)> = Vec::new();
    // What may begin a message, and where the message before it would end.
    let mut maybe: Option<(FromLine, u64)> = None;
    // Where the line before begins, if it is empty.
    let mut empty = None;
    let (mut first, mut end) = (true, 0);
    while let Some(line) = lines.next()? {
        if let Some((from, before)) = maybe.take()
            && begins(line.text)
        {
            close(&mut found, before);
            found.push((from, line.at..line.at));
        }
        if first || empty.is_some() {
            maybe = from_line::parse(line.text).map(|from| (from, empty.unwrap_or(line.at)));
            if first && maybe.is_none() && !line.text.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it begins with no `From ` line"));
            }
        }
        empty = line.text.is_empty().then_some(line.at);
        // Empty lines before the first message are nothing.
        first &= line.text.is_empty();
        end = line.next;
    }
    match maybe {
        // Nothing behind its line: a message without an octet.
        Some((from, before)) => {
            close(&mut found, before);
            found.push((from, end..end));
        }
        // The empty line behind the last message belongs to the format too.
        None => close(&mut found, empty.unwrap_or(end)),
    }
    Ok(found)
}

/// The message at hand ends at `end`.
fn close(found: &mut [(FromLine, Range<u64>)], end: u64) {
    if let Some((_, range)) = found.last_mut() {
        range.end = end.max(range.start);
    }
}

/// `Name: …`, a quoted `From ` as old programs leave it on top, or nothing: a message may have no header.
fn begins_header(line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| octet.is_ascii_graphic() && **octet != b':').count();
    line.is_empty() || line.starts_with(b">From ") || (name > 0 && line.get(name) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::Text;

    const FROM: &str = "From a@b.example Thu Jan  1 00:00:10 1970\n";

    fn read(mut text: Text) -> String {
        let mut out = Vec::new();
        while let Some(octets) = text.chunk().expect("read") {
            out.extend_from_slice(octets);
        }
        String::from_utf8_lossy(&out).replace("\r\n", "\n")
    }

    fn messages(mbox: &[u8]) -> Vec<String> {
        quoted(mbox, Quoting::Mboxrd)
    }

    fn quoted(mbox: &[u8], quoting: Quoting) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mbox");
        std::fs::write(&path, mbox).expect("written");
        let letters = letters(&path, quoting, None).expect("an mbox");
        letters.iter().map(|letter| read(letter.open().expect("opened"))).collect()
    }

    #[test]
    fn messages_are_what_stands_between_the_from_lines() {
        let mbox = format!("{FROM}A: 1\n\nbody\n\n{FROM}A: 2\n\n\n\n{FROM}A: 3\n\nlast");
        for text in [mbox.clone(), mbox.replace('\n', "\r\n")] {
            assert_eq!(messages(text.as_bytes()), ["A: 1\n\nbody\n", "A: 2\n\n\n", "A: 3\n\nlast"]);
        }
    }

    #[test]
    fn lines_of_a_body_begin_nothing() {
        let body = format!("A: 1\nContent-Length: 3\n\nFrom here\n\nFrom here on\n\nx\n{FROM}A: y\n");
        let mbox = format!("{FROM}{body}\n>{FROM}A: z\n\n{FROM}no header\n");
        assert_eq!(messages(mbox.as_bytes()), [format!("{body}\n{FROM}A: z\n"), "no header\n".into()]);
        let body = format!("A: 1\n\n{FROM}a body that cites\n\n>{FROM}A: z\n");
        let mbox = format!("{FROM}{body}\n{FROM}A: 2\n");
        assert_eq!(quoted(mbox.as_bytes(), Quoting::None), [body.as_str(), "A: 2\n"]);
    }

    #[test]
    fn odd_files_are_read_as_far_as_they_make_sense() {
        assert!(messages(b"").is_empty() && messages(b"\n\n").is_empty());
        assert_eq!(messages(FROM.as_bytes()), [""]);
        assert_eq!(messages(format!("\n{FROM}\n").as_bytes()), [""]);
        assert_eq!(messages(format!("{FROM}\n{FROM}A: 2\n").as_bytes()), ["", "A: 2\n"]);
        assert_eq!(messages(format!("{FROM}A: 1\n\n\n{FROM}").as_bytes()), ["A: 1\n\n", ""]);
        let long = format!("{FROM}A: {}\n\n{FROM}A: 2\n\n", "x".repeat(3 << 20));
        assert_eq!(messages(long.as_bytes()).len(), 2);
    }

    #[test]
    fn what_other_programs_keep_for_themselves_is_no_message() {
        let own = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1275660208 0000000003\n\nx\n";
        assert_eq!(messages(format!("{FROM}{own}\n{FROM}A: 2\n").as_bytes()), ["A: 2\n"]);
        for mail in ["X-IMAP: 1 2\n\nx\n", "Subject: DON'T DELETE THIS MESSAGE\n\nX-IMAP: 1 2\n"] {
            assert_eq!(messages(format!("{FROM}{mail}\n{FROM}A: 2\n").as_bytes()), [mail, "A: 2\n"]);
        }
    }

    #[test]
    fn what_is_no_mbox_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for text in [&b"Subject: x\n\nno mbox\n"[..], &[0xff; 100_000]] {
            std::fs::write(&path, text).expect("written");
            let error = letters(&path, Quoting::Mboxrd, None).expect_err("no mbox");
            assert!(error.to_string().contains("no `From ` line"), "{error}");
        }
        assert!(letters(folder.path(), Quoting::Mboxrd, None).is_err(), "a folder");
    }

    #[test]
    fn a_file_that_is_cut_meanwhile_gives_no_half_message() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mbox");
        std::fs::write(&path, format!("{FROM}A: 1\n\nbody\n")).expect("written");
        let letters = letters(&path, Quoting::Mboxrd, None).expect("an mbox");
        File::options().write(true).open(&path).expect("opened").set_len(50).expect("cut");
        let mut text = letters[0].open().expect("opened");
        let failed = loop {
            match text.chunk() {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(failed);
    }

    #[test]
    fn a_list_names_messages_by_their_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, list) = (folder.path().join("mbox"), folder.path().join("list"));
        std::fs::write(&path, format!("{FROM}A: 1\n\n{FROM}A: 2\n\n")).expect("written");
        std::fs::write(&list, "one 1\nthree 3\n").expect("written");
        let mut list = UidlList::read(&list, None).expect("a list");
        let letters = letters(&path, Quoting::Mboxrd, Some(&mut list)).expect("an mbox");
        let uidl = |letter: &Letter| letter.uidl.as_ref().map(ToString::to_string);
        let uidls: Vec<_> = letters.iter().map(uidl).collect();
        assert_eq!((uidls, list.left()), (vec![Some("one".into()), None], 1));
        assert_eq!(letters[1].received_ms, 10_000);
    }
}
