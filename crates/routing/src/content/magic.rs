use memchr::memmem;

use super::zip;

/// What a file is, as a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Known(&'static str),
    /// As an archive itself says.
    Said(String),
}

impl Kind {
    /// Whether more octets may tell more.
    pub(super) fn needs_more(&self) -> bool {
        match self {
            Self::Known(kind) => [zip::KIND, zip::OOXML, OLE].contains(kind) || zip::may_be_more(kind),
            Self::Said(_) => false,
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Known(kind) => kind.to_owned(),
            Kind::Said(kind) => kind,
        }
    }
}

const OLE: &str = "application/x-ole-storage";
const EXECUTABLE: &str = "application/x-executable";
const MACH: &str = "application/x-mach-binary";

/// What a file begins with, at an offset.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\x7fELF", EXECUTABLE),
    (0, b"\xfe\xed\xfa\xce", MACH),
    (0, b"\xfe\xed\xfa\xcf", MACH),
    (0, b"\xce\xfa\xed\xfe", MACH),
    (0, b"\xcf\xfa\xed\xfe", MACH),
    (0, b"{\\rt", "application/rtf"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (7, b"**ACE**", "application/x-ace"),
    (2, b"-lh5-", "application/x-lzh-compressed"),
    (0, b"\x60\xea", "application/x-arj"),
    (257, b"ustar", "application/x-tar"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (0, b"ITSF", "application/vnd.ms-htmlhelp"),
    (0, b"\x4c\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (0, b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"),
    (0, b"conectix", "application/x-vhd"),
    (0, b"vhdxfile", "application/x-vhdx"),
    (0, b"#@~^", "application/x-encoded-script"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0x8001, b"CD001", "application/x-iso9660-image"),
    (0x8801, b"CD001", "application/x-iso9660-image"),
    (0x9001, b"CD001", "application/x-iso9660-image"),
    (0, b"#!", "text/x-script"),
];

/// What a page of HTML begins with, or a picture that can hold scripts.
const MARKUP: &[(&str, &str)] = &[
    ("<!doctype html", "text/html"),
    ("<html", "text/html"),
    ("<head", "text/html"),
    ("<body", "text/html"),
    ("<script", "text/html"),
    ("<iframe", "text/html"),
    ("<svg", "image/svg+xml"),
];

/// What the first octets of a file say that it is; nothing of what has no mark, such as plain text.
pub(super) fn of(head: &[u8]) -> Option<Kind> {
    let signature =
        SIGNATURES.iter().find(|(at, octets, _)| head.get(*at..).is_some_and(|h| h.starts_with(octets)));
    if let Some((_, _, kind)) = signature {
        return Some(Kind::Known(kind));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zip::of(head));
    }
    // As most mail programs call it too: one pattern finds what is said and what is so.
    let kind = if head.starts_with(b"MZ") && head.iter().take(64).any(|octet| *octet == 0) {
        "application/x-msdownload"
    } else if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        if is_installer(head) { "application/x-msi" } else { OLE }
    } else if head.starts_with(b"\xca\xfe\xba\xbe") {
        // A Mach-O of several machines says how many; the other says its version.
        if head.get(4..8).is_some_and(|number| number < [0, 0, 0, 40].as_slice()) {
            MACH
        } else {
            "application/java-vm"
        }
    } else if memmem::find(&head[..head.len().min(1024)], b"%PDF-").is_some() {
        "application/pdf"
    } else {
        return markup(head);
    };
    Some(Kind::Known(kind))
}

fn markup(head: &[u8]) -> Option<Kind> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins =
        |mark: &str| text.get(..mark.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(mark.as_bytes()));
    MARKUP.iter().find(|(mark, _)| begins(mark)).map(|(_, kind)| Kind::Known(kind))
}

/// Whether a compound file is an installer's: its root entry has that class (MS-CFB §2.6.1).
fn is_installer(head: &[u8]) -> bool {
    const CLASS: &[u8] = b"\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";
    let number =
        |at: usize| head.get(at..at + 4).and_then(|octets| Some(u32::from_le_bytes(octets.try_into().ok()?)));
    let shift = head.get(30).copied().unwrap_or_default();
    let (Some(first), 9 | 12) = (number(48), shift) else { return false };
    let root = (u64::from(first) + 1) << shift;
    let class = usize::try_from(root).ok().and_then(|root| head.get(root + 80..root + 96));
    class == Some(CLASS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(head: &[u8]) -> Option<String> {
        of(head).map(Into::into)
    }

    fn at(offset: usize, octets: &[u8]) -> Vec<u8> {
        [vec![b' '; offset], octets.to_vec()].concat()
    }

    #[test]
    fn files_are_known_by_their_first_octets() {
        for (offset, octets, kind) in SIGNATURES {
            assert_eq!(super::of(&at(*offset, octets)), Some(Kind::Known(kind)));
        }
        let exe = [b"MZ\x90\0\x03\0\0\0".as_slice(), &[0; 64]].concat();
        assert_eq!(kind(&exe).as_deref(), Some("application/x-msdownload"));
        assert_eq!(kind(b"\xca\xfe\xba\xbe\0\0\0\x02").as_deref(), Some("application/x-mach-binary"));
        assert_eq!(kind(b"\xca\xfe\xba\xbe\0\0\0\x41").as_deref(), Some("application/java-vm"));
        assert_eq!(kind(b"junk\n%PDF-1.7").as_deref(), Some("application/pdf"));
        assert_eq!(kind(b"\xef\xbb\xbf \n<!DOCTYPE HTML>").as_deref(), Some("text/html"));
        assert_eq!(kind(b"<svg xmlns=").as_deref(), Some("image/svg+xml"));
        for none in [
            b"".as_slice(),
            b"MZ is short for many things that are no program, by the way, in words",
            b"text",
            b"<p>",
        ] {
            assert_eq!(kind(none), None);
        }
    }

    #[test]
    fn an_installer_is_a_compound_file_of_its_class() {
        let mut file = vec![0; 4096];
        file[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
        file[30] = 9;
        file[48] = 3;
        assert_eq!(kind(&file).as_deref(), Some(OLE));
        file[4 * 512 + 80..4 * 512 + 96].copy_from_slice(b"\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46");
        assert_eq!(kind(&file).as_deref(), Some("application/x-msi"));
        file[48..52].copy_from_slice(&[0xff; 4]);
        assert_eq!(kind(&file).as_deref(), Some(OLE));
    }
}
