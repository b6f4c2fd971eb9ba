//! What a ZIP archive is, by the names in it: nothing is ever unpacked.

use memchr::memmem;

use super::magic::Kind;

pub(super) const KIND: &str = "application/zip";
/// An office document of which it is not known yet of which kind.
pub(super) const OOXML: &str = "application/x-ooxml";

const JAR: &str = "application/java-archive";
/// Entries that are looked at.
const ENTRIES: usize = 1_000;

const OFFICE: &[(&[u8], &str, &str)] = &[
    (
        b"word/",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.ms-word.document.macroenabled.12",
    ),
    (
        b"xl/",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
    ),
    (
        b"ppt/",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    ),
];

/// Whether names further on may make it another kind: macros stand behind the text.
pub(super) fn may_be_more(kind: &str) -> bool {
    kind == JAR || OFFICE.iter().any(|(_, document, _)| *document == kind)
}

/// An entry, by its local header.
struct Entry<'a> {
    name: &'a [u8],
    /// Its data, as far as it is there, if it is not compressed.
    stored: Option<&'a [u8]>,
    next: Option<usize>,
}

impl<'a> Entry<'a> {
    fn read(head: &'a [u8], at: usize) -> Option<Self> {
        let fixed = head.get(at..at + 30).filter(|fixed| fixed.starts_with(b"PK\x03\x04"))?;
        let short = |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
        let size = u32::from_le_bytes([fixed[18], fixed[19], fixed[20], fixed[21]]);
        let name = at + 30;
        let data = name + short(26) + short(28);
        let streamed = short(6) & 8 != 0 || size == u32::MAX;
        let next = if streamed {
            // Its size stands behind it: the next header is what looks like one.
            head.get(data..).and_then(|rest| memmem::find(rest, b"PK\x03\x04")).map(|found| data + found)
        } else {
            usize::try_from(size).ok().and_then(|size| data.checked_add(size))
        };
        let end = next.unwrap_or(head.len()).min(head.len());
        let stored = head.get(data..end).filter(|_| short(8) == 0);
        Some(Self { name: head.get(name..name + short(26))?, stored, next })
    }
}

pub(super) fn of(head: &[u8]) -> Kind {
    let (mut office, mut directory, mut macros, mut java) = (false, None, false, false);
    let mut at = Some(0);
    for place in 0..ENTRIES {
        let Some(entry) = at.and_then(|at| Entry::read(head, at)) else { break };
        // OpenDocument and EPUB say it themselves, in their first entry.
        if place == 0
            && entry.name == b"mimetype"
            && let Some(said) = said(&entry)
        {
            return Kind::Said(said);
        }
        match entry.name {
            b"AndroidManifest.xml" => return Kind::Known("application/vnd.android.package-archive"),
            b"[Content_Types].xml" => office = true,
            name if name.ends_with(b"/vbaProject.bin") => macros = true,
            name => {
                java |= name.starts_with(b"META-INF/") || name.ends_with(b".class");
                directory = directory.or(OFFICE.iter().find(|(directory, ..)| name.starts_with(directory)));
            }
        }
        at = entry.next;
    }
    Kind::Known(match directory {
        Some((_, _, with_macros)) if macros => with_macros,
        // Some writers put the list of types last.
        Some((_, document, _)) if office || !java => document,
        Some(_) | None if office => OOXML,
        Some(_) | None if java => JAR,
        Some(_) | None => KIND,
    })
}

fn said(entry: &Entry<'_>) -> Option<String> {
    let text = std::str::from_utf8(entry.stored?).ok()?.trim();
    let media =
        text.len() < 100 && text.starts_with("application/") && text.chars().all(|c| c.is_ascii_graphic());
    media.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, data: &[u8], streamed: bool) -> Vec<u8> {
        let mut out = b"PK\x03\x04\x14\0".to_vec();
        out.extend_from_slice(&[if streamed { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let size = if streamed { 0 } else { u32::try_from(data.len()).expect("small") };
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&u16::try_from(name.len()).expect("small").to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(data);
        out
    }

    fn kind(names: &[&str], streamed: bool) -> String {
        let entries: Vec<Vec<u8>> = names.iter().map(|name| entry(name, b"data", streamed)).collect();
        of(&entries.concat()).into()
    }

    #[test]
    fn an_archive_is_known_by_the_names_in_it() {
        for streamed in [false, true] {
            let types = "[Content_Types].xml";
            assert_eq!(kind(&["a.txt", "b.exe"], streamed), KIND);
            assert_eq!(kind(&[types, "_rels/.rels", "word/document.xml"], streamed), OFFICE[0].1);
            assert_eq!(kind(&["xl/workbook.xml", types], streamed), OFFICE[1].1);
            assert_eq!(kind(&[types, "ppt/a.xml", "ppt/vbaProject.bin"], streamed), OFFICE[2].2);
            assert_eq!(kind(&["META-INF/MANIFEST.MF", "a/B.class"], streamed), JAR);
            assert_eq!(
                kind(&["META-INF/MANIFEST.MF", "AndroidManifest.xml"], streamed),
                "application/vnd.android.package-archive"
            );
            assert_eq!(kind(&[types, "x"], streamed), OOXML);
        }
        let text =
            [entry("mimetype", b"application/vnd.oasis.opendocument.text", false), entry("x", b"", false)]
                .concat();
        assert_eq!(String::from(of(&text)), "application/vnd.oasis.opendocument.text");
    }

    /// What lies in a file inside is not what the archive is.
    #[test]
    fn an_archive_in_an_archive_does_not_speak_for_it() {
        let inner = entry("word/document.xml", b"", false);
        assert_eq!(String::from(of(&entry("a.docx", &inner, false))), KIND);
    }

    #[test]
    fn a_cut_or_lying_archive_is_read_as_far_as_it_goes() {
        let whole = [entry("[Content_Types].xml", b"x", false), entry("word/a", b"", false)].concat();
        for end in 4..whole.len() {
            let _ = of(&whole[..end]);
        }
        let mut lying = entry("a", b"", false);
        lying[18..22].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
        assert_eq!(String::from(of(&lying)), KIND);
        let many = entry("", b"", false).repeat(100_000);
        assert_eq!(String::from(of(&many)), KIND);
    }
}
