use super::*;

fn scan(text: &[u8], piece: usize) -> Scanned {
    let mut scan = Prescan::new(HeaderLimits::default(), "mx.example.test");
    text.chunks(piece).for_each(|part| scan.content(part));
    scan.finish()
}

/// What is left of a text after its cuts, the same for every way to split it.
fn served(text: &str) -> String {
    let whole = scan(text.as_bytes(), text.len().max(1));
    for piece in 1..=7 {
        assert_eq!(scan(text.as_bytes(), piece), whole);
    }
    let mut left = text.as_bytes().to_vec();
    for cut in whole.cuts.iter().rev() {
        let at = usize::try_from(cut.at).expect("small");
        left.drain(at..at + usize::try_from(cut.octets).expect("small"));
    }
    String::from_utf8(left).expect("text")
}

/// RFC 5321 §4.4.
#[test]
fn fields_that_only_we_may_write_are_cut_whole() {
    let text = "Return-Path: <x>\r\nSubject: a\r\nDELIVERED-TO: b\r\n c\r\n\td\r\nX-Restante-Rule: e\r\n\
                X-Original-To : f\r\nReceived: g\r\n\r\nReturn-Path: body\r\n";
    assert_eq!(served(text), "Subject: a\r\nReceived: g\r\n\r\nReturn-Path: body\r\n");
}

/// RFC 8601 §2.2, §2.5, §5.
#[test]
fn results_are_cut_only_when_they_claim_to_be_ours() {
    for ours in [
        "mx.example.test; spf=pass",
        "MX.Example.TEST 1; dkim=pass",
        "(a (b) \\) c) mx.example.test;none",
        "\r\n mx.example.test; spf=pass",
        "\"mx.example.test\"; none",
        "mx.example.test",
        "\"mx.ex\\ample.test\"; none",
        "mx.\"example\".test; none",
        "(\")mx.example.test(\"); none",
        // Another's, of a version that may mean anything.
        "other.test 2; spf=pass",
        "other.test (of) 10 ; spf=pass",
        "\"other.test\" 0; spf=pass",
    ] {
        assert_eq!(served(&format!("Authentication-Results: {ours}\r\n\r\n")), "\r\n", "{ours}");
    }
    let far = |octets: usize| format!("({}) mx.example.test; spf=pass", "x".repeat(octets));
    for octets in [400, 600, 5000] {
        assert_eq!(served(&format!("Authentication-Results: {}\r\n\r\n", far(octets))), "\r\n", "{octets}");
    }
    let long = format!("Authentication-Results: other.test; spf=pass{}\r\n\r\n", " (x)".repeat(500));
    assert_eq!(served(&long), long);
    for others in [
        "mx.example.test.evil; spf=pass",
        "other.test; x=mx.example.test",
        "(mx.example.test) b",
        "other.test 1; spf=pass",
        "other.test (2) 01; spf=pass",
        "\"other.test\" 1; spf=pass",
        "other.test; 2",
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=other.test; dkim=none",
    ] {
        let text = format!("Authentication-Results: {others}\r\n\r\n");
        assert_eq!(served(&text), text);
    }
}

/// RFC 8601 §5: a host whose name is beyond ASCII has two spellings, and both are its own.
#[test]
fn results_of_a_host_are_cut_in_either_form_of_its_name() {
    for (host, field, ours) in [
        ("mx.xn--bcher-kva.example", "mx.bücher.example; spf=pass", true),
        ("mx.xn--bcher-kva.example", "MX.BÜCHER.Example 1; spf=pass", true),
        ("mx.xn--bcher-kva.example", "\"mx.b\u{fc}cher.example\"; spf=pass", true),
        ("mx.xn--bcher-kva.example", "MX.XN--BCHER-KVA.example; spf=pass", true),
        ("mx.bücher.example", "mx.xn--bcher-kva.example; spf=pass", true),
        ("mx.xn--bcher-kva.example", "mx.bucher.example; spf=pass", false),
        ("mx.example.test", "mx.bücher.example; spf=pass", false),
    ] {
        let mut scan = Prescan::new(HeaderLimits::default(), host);
        scan.content(format!("Authentication-Results: {field}\r\n\r\n").as_bytes());
        assert_eq!(!scan.finish().cuts.is_empty(), ours, "{field}");
    }
}

#[test]
fn a_header_without_a_body_is_all_header() {
    assert_eq!(served("Subject: a\r\nDelivered-To: b\r\n"), "Subject: a\r\n");
    assert_eq!(served("Delivered-To: no line end"), "");
    assert_eq!(served(""), "");
}

#[test]
fn fields_are_hidden_up_to_the_empty_line_whatever_stands_between() {
    let text = "From x Mon 10:20\r\nSubject: a\r\nDelivered-To: b\r\n\r\nDelivered-To: c\r\n";
    assert_eq!(served(text), "From x Mon 10:20\r\nSubject: a\r\n\r\nDelivered-To: c\r\n");
    assert_eq!(served(": no name\r\nDelivered-To: b\r\n\r\n"), ": no name\r\n\r\n");
}

#[test]
fn mail_without_fields_breaks_no_limit() {
    let text = "just words\r\n".repeat(20_000);
    assert_eq!(scan(text.as_bytes(), 4096), Scanned::default());
}

#[test]
fn each_bound_holds_at_its_edge() {
    let fault = |text: String| scan(text.as_bytes(), 4096).fault;
    let lines = |n: usize| "A: b\r\n".repeat(n) + "\r\n";
    assert_eq!(fault(lines(1000)), None);
    assert_eq!(fault(lines(1001)), Some(HeaderFault::TooManyLines));
    let field = |n: usize| format!("A: {}\r\n\r\n", "x".repeat(n - 5));
    assert_eq!(fault(field(64 << 10)), None);
    assert_eq!(fault(field((64 << 10) + 1)), Some(HeaderFault::FieldTooLong));
    let large = field(60_000).replace("\r\n\r\n", "\r\n").repeat(3) + "\r\n";
    assert_eq!(fault(large), Some(HeaderFault::TooLarge));
    let body = "A: b\r\n\r\n".to_owned() + &"x".repeat(1 << 20);
    assert_eq!(fault(body), None);
}

/// Signatures, and those whose list is too long; the same for every way to split it.
fn signatures(text: &str) -> (u32, u32) {
    let whole = scan(text.as_bytes(), text.len().max(1));
    for piece in [1, 2, 3, 5, 7, 13] {
        assert_eq!(scan(text.as_bytes(), piece), whole);
    }
    assert_eq!(whole.fault, None);
    (whole.signatures, whole.overlong_signatures)
}

/// RFC 6376 §3.5. A reason to look at fewer of them, never to refuse a message.
#[test]
fn signatures_are_counted_and_so_are_the_names_that_each_covers() {
    let names = |n: usize| (0..n).map(|i| format!("n{i}")).collect::<Vec<_>>().join(":");
    let one = |h: &str| format!("DKIM-Signature: v=1; d=h.test; bh=a:b; {h}; b=AA\r\n");
    assert_eq!(signatures(&(one("h=from:to") + "\r\n")), (1, 0));
    assert_eq!(signatures(&(one("h=from").repeat(300) + "\r\n")), (300, 0));
    assert_eq!(signatures(&one(&format!("h={}", names(100)))), (1, 0));
    let long = names(101).replace(':', " :\r\n\t");
    for tag in ["h=", "H =", "h\r\n =\r\n ", "h=;h="] {
        let field = one(&format!("{tag}{long}"));
        assert_eq!(signatures(&(field.clone() + &one("h=from") + &field)), (3, 2), "{tag}");
    }
    assert_eq!(signatures(&format!("dkim-SIGNATURE \t: h={}\r\n", names(101))), (1, 1));
    for other in ["bh=", "x=h=", "hh=", "h;="] {
        assert_eq!(signatures(&one(&format!("{other}{}", names(500)))), (1, 0), "{other}");
    }
    for other in ["DKIM-Signatures", "XDKIM-Signature", "Subject: DKIM-Signature", "DKIM-Signature x"] {
        assert_eq!(signatures(&format!("{other}: h={}\r\n\r\n", names(101))), (0, 0), "{other}");
    }
    assert_eq!(signatures(&format!("\r\n{}", one("h=from"))), (0, 0), "in the body");
}

#[test]
fn parts_are_counted_from_the_header_section_to_the_end() {
    let parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned() + &"--b\r\n\r\n".repeat(2_000);
    assert_eq!(scan(parts.as_bytes(), 997).too_complex, None);
    let more = format!("{parts}--b\r\n");
    assert_eq!(scan(more.as_bytes(), 997).too_complex, Some(MimeExcess::Parts));
    assert_eq!(scan(more.as_bytes(), 997).fault, None, "it is kept");
}

/// What a pass costs; `cargo test --release -p authenticity speed -- --nocapture` prints it.
#[test]
fn speed_of_the_pass() {
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789AB\r\n";
    let prose = "There is nothing in these words, -- or so, that anybody counts.\r\n- no\r\n";
    for (kind, line) in [("base64", line), ("prose", prose), ("empty lines", "\r\n"), ("c", "conten\n")] {
        let body = line.repeat((8 << 20) / line.len());
        let text = format!("Subject: a\r\nContent-Type: text/plain\r\n\r\n{body}").into_bytes();
        let worked = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let started = worked();
        let found = scan(&text, 64 << 10);
        let took = std::time::Duration::try_from(worked() - started).expect("it does not run backwards");
        let per_kib = took.as_nanos() as usize / (text.len() >> 10);
        println!("{kind}: {per_kib} ns per KiB, {found:?}");
        assert!(cfg!(debug_assertions) || per_kib < 20_000, "{kind}: {per_kib} ns per KiB");
    }
}
