//! tests/rfc/index.txt, the code and the tests name each other: a row that says done has code that names its
//! section and a test that names it back, and no code names a section that has no row.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A section of an RFC, such as `("5321", "4.5.2")`.
type Section = (String, String);

struct Row {
    /// Where it stands, for whoever has to mend it.
    place: String,
    section: Section,
    status: Status,
    code: Vec<String>,
    tests: Vec<String>,
}

#[derive(PartialEq, Eq)]
enum Status {
    Done,
    Differs,
    NotApplicable,
}

const LEVELS: &[&str] = &["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "REQUIRED"];

fn row(place: String, line: &str) -> Result<Row, String> {
    let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [section, level, demand, status, code, tests] = columns[..] else {
        return Err(format!("{place}: not six columns"));
    };
    let sections = sections(section);
    let section = sections.into_iter().next().ok_or_else(|| format!("{place}: no section"))?;
    if !LEVELS.contains(&level.to_uppercase().as_str()) || demand.is_empty() {
        return Err(format!("{place}: no level, or no demand"));
    }
    let explained = |word: &str| {
        let reason = status.strip_prefix(word).and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(')'));
        reason.is_some_and(|reason| reason.len() > 5)
    };
    let status = match status {
        "done" => Status::Done,
        _ if explained("differs") => Status::Differs,
        _ if explained("n-a") => Status::NotApplicable,
        _ => return Err(format!("{place}: {status} is no status")),
    };
    let list = |text: &str| match text {
        "-" => Vec::new(),
        _ => text.split(", ").map(str::to_owned).collect(),
    };
    let (code, tests) = (list(code), list(tests));
    if status == Status::Done && (code.is_empty() || tests.is_empty()) {
        return Err(format!("{place}: done, by what code and shown by what test?"));
    }
    Ok(Row { place, section, status, code, tests })
}

fn rows() -> (Vec<Row>, Vec<String>) {
    let text = tree::read(&tree::root().join("tests/rfc/index.txt"));
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (rows, faults): (Vec<_>, Vec<_>) =
        lines.map(|(number, line)| row(format!("index.txt:{}", number + 1), line)).partition(Result::is_ok);
    (rows.into_iter().flatten().collect(), faults.into_iter().filter_map(Result::err).collect())
}

/// Every section that a text names: `RFC 5321 §4.5.2`, and lists such as `RFC 5321 §3.3, §4.1.1.4 and §6`.
fn sections(text: &str) -> BTreeSet<Section> {
    let mut found = BTreeSet::new();
    for piece in text.split("RFC ").skip(1) {
        let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (rfc, mut rest) = piece.split_at(digits);
        rest = rest.strip_prefix("'s").unwrap_or(rest);
        while let Some(section) =
            [" §", ", §", " and §", " or §"].iter().find_map(|mark| rest.strip_prefix(mark))
        {
            let end = section.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(section.len());
            let (number, behind) = section.split_at(end);
            let number = number.trim_end_matches('.');
            if !rfc.is_empty() && !number.is_empty() {
                found.insert((rfc.to_owned(), number.to_owned()));
            }
            rest = behind;
        }
    }
    found
}

/// The comments of Rust source as one text: a reference may go on in the next line.
fn comments(text: &str) -> String {
    let comment =
        |line: &str| line.split_once("//").map(|(_, it)| it.trim_start_matches(['/', '!']).trim().to_owned());
    text.lines().filter_map(comment).collect::<Vec<_>>().join(" ")
}

/// A test function with the comment above it.
fn function(text: &str, name: &str) -> Option<String> {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().collect();
    // A macro may make tests of cases, and then names them alone.
    let at = lines
        .iter()
        .position(|line| line.contains(&head) || line.trim_start().contains(&format!("fn {name}<")))?;
    let indent = lines[at].len() - lines[at].trim_start().len();
    let above = lines[..at].iter().rev().take_while(|line| {
        let line = line.trim_start();
        line.starts_with("//") || line.starts_with("#[")
    });
    let end = lines[at..].iter().position(|line| *line == format!("{}}}", " ".repeat(indent)))?;
    let start = at - above.count();
    Some(lines[start..=at + end].join("\n"))
}

/// What is wrong with one test of a row.
fn test_fault(row: &Row, test: &str, sources: &mut BTreeMap<String, Vec<String>>) -> Option<String> {
    let named = |text: &str| sections(text).contains(&row.section);
    let (rfc, section) = &row.section;
    let missing = format!("{}: {test} does not name RFC {rfc} §{section} back", row.place);
    if test.ends_with(".dlg") {
        let path = tree::root().join(test);
        if !path.exists() {
            return Some(format!("{}: no dialog {test}", row.place));
        }
        let text = tree::read(&path);
        let header: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        return (!named(&header.join("\n"))).then_some(missing);
    }
    let Some((package, name)) = test.split_once("::") else {
        return Some(format!("{}: {test} is neither a dialog nor crate::test", row.place));
    };
    let texts = sources.entry(package.to_owned()).or_insert_with(|| {
        let folder = match package {
            "restante-tests" => tree::root().join("tests"),
            _ => tree::root().join("crates").join(package),
        };
        tree::files(&folder, "rs").iter().map(|path| tree::read(path)).collect()
    });
    let found: Vec<String> = texts.iter().filter_map(|text| function(text, name)).collect();
    match found.as_slice() {
        [] => Some(format!("{}: no test {test}", row.place)),
        some if some.iter().any(|text| named(text)) => None,
        _ => Some(missing),
    }
}

fn code_fault(row: &Row, code: &str) -> Option<String> {
    let path = tree::root().join(code);
    let (rfc, section) = &row.section;
    if !path.is_file() {
        return Some(format!("{}: no file {code}", row.place));
    }
    let named = sections(&comments(&tree::read(&path))).contains(&row.section);
    (!named).then(|| format!("{}: {code} does not name RFC {rfc} §{section}", row.place))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_row_is_whole() {
    let (rows, faults) = rows();
    report(&faults);
    assert!(rows.len() > 300, "the rows are there");
    let not_applicable = rows.iter().filter(|row| row.status == Status::NotApplicable);
    assert!(
        not_applicable.clone().all(|row| row.code.is_empty() && row.tests.is_empty()),
        "they bind nobody here"
    );
    assert!(rows.iter().any(|row| row.status == Status::Differs));
}

#[test]
fn every_row_has_code_that_names_it() {
    let (rows, _) = rows();
    let faults: Vec<String> =
        rows.iter().flat_map(|row| row.code.iter().filter_map(|code| code_fault(row, code))).collect();
    report(&faults);
}

#[test]
fn every_row_has_tests_that_name_it() {
    let mut sources = BTreeMap::new();
    let mut faults = Vec::new();
    for row in rows().0 {
        faults.extend(row.tests.iter().filter_map(|test| test_fault(&row, test, &mut sources)));
    }
    report(&faults);
}

/// Of the RFCs that have rows; others may be named at will.
#[test]
fn no_code_names_a_section_without_a_row() {
    let known: BTreeSet<Section> = rows().0.into_iter().map(|row| row.section).collect();
    let rfcs: BTreeSet<&str> = known.iter().map(|(rfc, _)| rfc.as_str()).collect();
    let mut faults = Vec::new();
    for path in tree::files(&tree::root().join("crates"), "rs") {
        let named = sections(&comments(&tree::read(&path)));
        for section in
            named.into_iter().filter(|section| rfcs.contains(section.0.as_str()) && !known.contains(section))
        {
            let path = path.strip_prefix(tree::root()).unwrap_or(Path::new("?"));
            faults.push(format!("{}: RFC {} §{} has no row", path.display(), section.0, section.1));
        }
    }
    report(&faults);
}

#[test]
fn references_are_read_as_people_write_them() {
    let pair = |rfc: &str, section: &str| (rfc.to_owned(), section.to_owned());
    assert_eq!(sections("see RFC 5321 §4.5.2."), [pair("5321", "4.5.2")].into());
    assert_eq!(
        sections("(RFC 5321 §4.1.2 and §4.1.3, §6; RFC 6531 §3.3, RFC 2034)"),
        [pair("5321", "4.1.2"), pair("5321", "4.1.3"), pair("5321", "6"), pair("6531", "3.3")].into()
    );
    assert!(sections("RFC 5321, RFC 1939 section 3, §4").is_empty());
    assert_eq!(
        sections(&comments("let a = 1; // RFC 5321\n/// §4.4 says so\nlet b;")),
        [pair("5321", "4.4")].into()
    );
}

#[test]
fn a_test_is_its_body_and_the_comment_above() {
    let text = "fn other() {\n    // RFC 1 §1\n}\n\n/// RFC 2 §2\n#[test]\nfn it() {\n    // RFC 3 §3\n}\n// RFC 4 §4\n";
    let rfcs: Vec<String> =
        sections(&function(text, "it").expect("it is there")).into_iter().map(|(rfc, _)| rfc).collect();
    assert_eq!(rfcs, ["2", "3"]);
    assert!(function(text, "nothing").is_none());
}
