use super::{attachments, multipart, names};

/// Header sections of a part, each of which some mail program opens as `evil.exe`.
const NAMES: &[&str] = &[
    // As it should be.
    "Content-Disposition: attachment; filename=evil.exe",
    "Content-Disposition: attachment; filename=\"evil.exe\"",
    "Content-Type: application/octet-stream; name=evil.exe",
    "Content-Type: text/plain; name=\"EVIL.EXE\"",
    "content-disposition:inline;FILENAME = \"evil.exe\" ; size=3",
    // RFC 2047, where it is forbidden.
    "Content-Disposition: attachment; filename=\"=?utf-8?B?ZXZpbC5leGU=?=\"",
    "Content-Disposition: attachment; filename==?utf-8?B?ZXZpbC5leGU=?=",
    "Content-Type: application/x; name==?iso-8859-1?Q?evil=2Eexe?=",
    "Content-Type: application/x; name=\"=?utf-8?Q?evil?= =?utf-8?Q?=2Eexe?=\"",
    "Content-Type: application/x; name=\"=?utf-8?Q?evil?=\r\n =?us-ascii?B?LmV4ZQ==?=\"",
    "Content-Type: application/x; name=\"=?utf-8?Q?evil?=.exe\"",
    "Content-Type: application/x; name=\"=?utf-8?b?ZXZpbC5leGU?=\"",
    "Content-Type: application/x; name=\"=?utf-8?q?evil.e xe?=\"; name=\"=?utf-8?q?evil.exe\t?=\"",
    "Content-Type: application/x; name=\"=?utf-16be?B?AGUAdgBpAGwALgBlAHgAZQ==?=\"",
    // RFC 2231.
    "Content-Disposition: attachment; filename*=utf-8''evil.exe",
    "Content-Disposition: attachment; filename*=UTF-8'en'%65%76%69%6C%2e%65%78%65",
    "Content-Disposition: attachment; filename*=utf-8''a.txt; filename=evil.exe",
    "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''evil.exe",
    "Content-Disposition: attachment; filename*0=ev; filename*1=il.; filename*2=exe",
    "Content-Disposition: attachment; filename*0=\"evil.\";\r\n filename*1=\"exe\"",
    "Content-Disposition: attachment; filename*1=.exe; filename*0=evil",
    "Content-Disposition: attachment; filename*1=evil; filename*2=.exe",
    "Content-Disposition: attachment; filename*0*=utf-8''evil%2E; filename*1*=%65xe",
    "Content-Disposition: attachment; filename*0*=utf-8''evil%2E; filename*1=exe",
    "Content-Disposition: attachment; filename*00=evil; filename*01=.exe",
    "Content-Disposition: attachment; filename*=utf-16be''%00e%00v%00i%00l%00.%00e%00x%00e",
    "Content-Disposition: attachment; filename*=evil.exe",
    "Content-Disposition: attachment; filename*0=\"=?utf-8?Q?evil\"; filename*1=\".exe?=\"",
    "Content-Disposition: attachment; filename*=utf-8''=?utf-8?Q?evil.exe?=",
    "Content-Type: application/x; name*0=evil; name*1=.exe",
    // Two names.
    "Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=evil.exe",
    "Content-Type: text/plain; name=evil.exe\r\nContent-Disposition: attachment; filename=a.txt",
    "Content-Disposition: attachment; filename=a.txt; filename=evil.exe",
    "Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=evil.exe",
    "Content-Type: application/x; name=a.txt\r\nContent-Type: application/x; name=evil.exe",
    // Malformed.
    "Content-Disposition: attachment; filename=\"evil.exe",
    "Content-Disposition: attachment; x=\"; filename=evil.exe",
    "Content-Disposition: attachment filename=evil.exe",
    "Content-Disposition: filename=evil.exe",
    "Content-Disposition: attachment;; ;filename=evil.exe;",
    "Content-Disposition: attachment; filename=evil.exe (a comment)",
    "Content-Disposition: attachment; filename=evil(a comment).exe",
    "Content-Disposition: attachment; filename=\"ev\\il.e\\xe\"",
    "Content-Disposition: attachment; filename=\"evil\".exe",
    "Content-Disposition: attachment; filename=\"evil.e\r\n xe\"; filename=\"evil.\r\n\texe\"; name=\"evil\r\n.exe\"",
    "Content-Disposition: attachment; filename=\"evil%2Eexe\"",
    "Content-Disposition : attachment; filename=evil.exe",
    // What a system drops.
    "Content-Disposition: attachment; filename=\"evil.exe.\"",
    "Content-Disposition: attachment; filename=\"evil.exe . . \"",
    "Content-Disposition: attachment; filename=\"C:\\\\x\\\\evil.exe\"",
    "Content-Disposition: attachment; filename=\"../../evil.exe\"",
    "Content-Disposition: attachment; filename=\"a.txt/evil.exe\"",
    "Content-Disposition: attachment; filename*=utf-8''evil.exe%00.txt",
    "Content-Disposition: attachment; filename=\"evil.exe::$DATA\"",
    // What nobody sees.
    "Content-Disposition: attachment; filename*=utf-8''evil.%E2%80%8Bexe",
    "Content-Disposition: attachment; filename*=utf-8''evil%C2%AD.exe%E2%80%AE",
    "Content-Disposition: attachment; filename*=utf-8''evil.exe%C2%A0",
    "Content-Disposition: attachment; filename=\"=?utf-8?Q?evil=2Eex=E2=80=8Ee?=\"",
];

/// A rule on `*.exe` finds each of them. Some split it so that only its end is sure.
#[test]
fn a_program_is_found_under_every_encoding_of_its_name() {
    assert!(NAMES.len() > 40);
    for header in NAMES {
        for text in [
            multipart("b", &["\r\nHello", &format!("{header}\r\n\r\nMZ")]),
            multipart(
                "b",
                &["\r\nHello", &format!("{header}\r\nContent-Transfer-Encoding: base64\r\n\r\nTVo=")],
            ),
            format!("Subject: x\r\n{header}\r\n\r\nMZ"),
        ] {
            let names = names(&text);
            assert!(names.iter().any(|name| name.ends_with(".exe")), "{header}: {names:?}");
            // Unix line ends, as in files.
            assert_eq!(super::names(text.replace("\r\n", "\n")), names, "{header}");
        }
    }
}

#[test]
fn a_direction_that_is_turned_hides_no_end() {
    let name = "Content-Disposition: attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe\r\n\r\nx";
    assert_eq!(names(name), ["invoicefdp.exe"]);
}

#[test]
fn names_are_composed_and_of_any_charset() {
    for header in [
        "filename=\"=?iso-8859-1?Q?M=FCller.pdf?=\"",
        "filename*=utf-8''mu%CC%88ller.pdf",
        "filename=\"MÜLLER.PDF\"",
        "filename*=iso-8859-1''M%FCller.pdf",
    ] {
        let text = format!("Content-Disposition: attachment; {header}\r\n\r\nx");
        assert_eq!(names(&text)[0], "müller.pdf", "{header}");
    }
    let raw = b"Content-Disposition: attachment; filename=\"M\xfcller.pdf\"\r\n\r\nx";
    assert_eq!(names(raw), ["müller.pdf"]);
}

#[test]
fn a_part_with_two_names_stands_there_twice() {
    let text = "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=b.pdf\r\n\r\n%PDF-1";
    let found = attachments(text);
    assert_eq!(found.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["b.pdf", "a.pdf"]);
    assert!(found.iter().all(|a| a.detected.as_deref() == Some("application/pdf") && a.size == 6));
    let same = "Content-Type: application/pdf; name=A.pdf\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\r\nx";
    assert_eq!(names(same), ["a.pdf"]);
}

#[test]
fn names_of_one_part_are_bounded() {
    let many: String = (0..400).map(|i| format!("; filename=a{i}")).collect();
    assert!(names(format!("Content-Disposition: attachment{many}\r\n\r\nx")).len() <= 16);
}
