use memchr::{memchr, memmem};

use super::transfer::lines;

/// Octets of a file that are decoded, to know it by.
const HEAD: usize = 1 << 10;
/// Octets of a line that begins a file.
const BEGIN: usize = 1 << 10;

/// A file that stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File<'a> {
    pub(super) name: &'a [u8],
    pub(super) head: Vec<u8>,
    pub(super) size: u64,
}

/// Files in a text, by uuencode or yEnc.
pub(super) fn find(text: &[u8], most: usize) -> Vec<File<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(place) = memmem::find(&text[at..], b"begin") {
        let before = &text[..at + place];
        at += place + 5;
        let is_uu = is_line_start(before);
        let is_yenc = before.strip_suffix(b"=y").is_some_and(is_line_start);
        if found.len() >= most || !(is_uu || is_yenc) {
            continue;
        }
        let line = &text[at..text.len().min(at + BEGIN)];
        let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
        let rest = &text[at + line.len()..];
        found.extend(if is_uu { uu(line.trim_ascii_end(), rest) } else { yenc(line.trim_ascii_end()) });
    }
    found
}

fn is_line_start(before: &[u8]) -> bool {
    before.is_empty() || before.ends_with(b"\n")
}

/// `begin 644 name`, and a line behind it that can be one of the code.
fn uu<'a>(begin: &'a [u8], behind: &[u8]) -> Option<File<'a>> {
    let rest = begin.strip_prefix(b" ").or_else(|| begin.strip_prefix(b"-base64 "))?;
    let mode = rest.iter().take_while(|octet| matches!(octet, b'0'..=b'7')).count();
    let name = rest[mode..].strip_prefix(b" ")?.trim_ascii();
    if !(3..=4).contains(&mode) || name.is_empty() {
        return None;
    }
    let code = lines(behind).skip(1).map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    let code = code.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (mut head, mut size) = (Vec::new(), 0);
    for line in code.take_while(|line| !matches!(*line, b"end" | b"`" | b" " | b"" | b"====")) {
        let Some(length) = line.first().filter(|octet| (b' '..=b'`').contains(octet)) else { break };
        size += u64::from(value(*length));
        if head.len() < HEAD {
            decode(line, &mut head);
        }
    }
    (size > 0).then_some(File { name, head, size })
}

fn value(octet: u8) -> u8 {
    octet.wrapping_sub(b' ') & 63
}

fn decode(line: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + usize::from(value(line[0]));
    for four in line[1..].chunks(4) {
        let bits =
            (0..4).fold(0_u32, |bits, at| bits << 6 | u32::from(four.get(at).map_or(0, |o| value(*o))));
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    out.truncate(end);
}

/// `=ybegin line=128 size=9 name=x`: the name goes on to the end of the line.
fn yenc(begin: &[u8]) -> Option<File<'_>> {
    let at = memmem::find(begin, b" name=")?;
    let size = begin[..at].split(|octet| *octet == b' ').find_map(|word| word.strip_prefix(b"size="));
    let size = size.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Some(File { name: &begin[at + 6..], head: Vec::new(), size: size.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let found = find(text.as_bytes(), 10);
        found.iter().map(|file| String::from_utf8_lossy(file.name).into_owned()).collect()
    }

    #[test]
    fn a_file_is_found_by_its_first_line() {
        let text = "Hello\r\nbegin 644 evil file.exe\r\n#0V%T\r\n`\r\nend\r\n";
        let found = find(text.as_bytes(), 10);
        assert_eq!(found, [File { name: b"evil file.exe", head: b"Cat".to_vec(), size: 3 }]);
        assert_eq!(names("begin 0755 a\n#0V%T\n\nbegin-base64 644 b\nQ2F0\n====\n"), ["a", "b"]);
        assert_eq!(names("=ybegin part=1 line=128 size=12 name=evil x.exe \r\n..."), ["evil x.exe"]);
    }

    #[test]
    fn words_are_no_files() {
        for text in [
            "begin 100 days ago",
            "begin 100 days ago\r\nand more",
            "begin at 644 x\r\n#0V%T",
            "we begin 644 x\r\n#0V%T",
            "begin 644 \r\n#0V%T",
            "begin 99999 x\r\n#0V%T",
            "begin 6 x\r\n#0V%T",
            "a=ybegin size=1 name=x",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn files_are_bounded() {
        assert_eq!(find("begin 644 a\n#0V%T\n".repeat(500).as_bytes(), 10).len(), 10);
    }
}
