//! Figures for a monitoring system, asked for as it asks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Setup, collect, deliver, pop3, run, smtp};

const SOON: Duration = Duration::from_secs(30);

fn appliance() -> (Appliance, SocketAddr) {
    let mut setup = Setup::of(&["bob", "carol"]);
    setup.tables.push_str("[metrics]\nlisten = [\"127.0.0.1:0\", \"unix:metrics.sock\"]\n");
    let appliance = Appliance::with(setup);
    let line = appliance.logged(&["listening", "service=metrics", "address=127"]);
    let address = line.rsplit_once("address=").expect("told").1.trim().parse().expect("an address");
    (appliance, address)
}

fn answer(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answered");
    text
}

fn ask(address: SocketAddr, request: &[u8]) -> String {
    let stream = TcpStream::connect(address).expect("listening");
    stream.set_read_timeout(Some(SOON)).expect("set");
    answer(stream, request)
}

/// Header and body; the length is that of the body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let text = ask(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let (header, body) = text.split_once("\r\n\r\n").expect("a header");
    assert!(header.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{header}");
    (header.into(), body.into())
}

fn value(page: &str, name: &str) -> Option<u64> {
    let found =
        page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect::<Vec<_>>();
    assert!(found.len() < 2, "{name} more than once");
    found.first().map(|value| value.parse().expect("a number"))
}

#[test]
fn the_figures_follow_the_mail() {
    let (appliance, address) = appliance();
    let (header, page) = get(address, "/metrics");
    assert!(header.starts_with("HTTP/1.1 200 OK\r\n"), "{header}");
    assert!(header.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{header}");
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("restante_") && number.parse::<i64>().is_ok(), "{line}");
        let family = name.split('{').next().expect("a name").trim_end_matches("_total");
        assert!(
            page.contains(&format!("\n# TYPE {family} ")) || page.starts_with(&format!("# TYPE {family} ")),
            "{line}"
        );
    }
    let event = |page: &str, word: &str| value(page, &format!("restante_events_total{{event=\"{word}\"}}"));
    assert_eq!((event(&page, "accepted"), event(&page, "refused")), (Some(0), Some(0)));
    assert_eq!(value(&page, "restante_mass_deletions_total"), Some(0));
    assert_eq!(value(&page, "restante_connections{service=\"smtp\"}"), Some(0));

    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    assert!(client.command("MAIL FROM:<a@example.org>").starts_with("250 "));
    assert!(client.command("RCPT TO:<nobody@example.test>").starts_with("550 "));
    collect(appliance.pop3, "bob", 1);
    let mut reader = pop3(appliance.pop3, "bob");
    assert!(reader.command("DELE 1").starts_with("+OK"));
    assert!(reader.command("QUIT").starts_with("+OK"));
    let (_, page) = get(address, "/metrics?of=now");
    for word in ["accepted", "refused", "delivered", "fetched", "deleted"] {
        assert_eq!(event(&page, word), Some(1), "{word} in\n{page}");
    }
    assert_eq!(value(&page, "restante_connections{service=\"smtp\"}"), Some(1));
    assert_eq!(
        (value(&page, "restante_takes_mail"), value(&page, "restante_queue_messages")),
        (Some(1), Some(0))
    );
    let last = value(&page, "restante_last_pickup_seconds{mailbox=\"bob\",view=\"\"}").expect("collected");
    assert!(last > 1_790_000_000, "{last}");
    assert!(!page.contains("mailbox=\"carol\""), "nobody collected it");
}

/// Whoever watches is not told for ever of a mailbox that was deleted for good.
#[test]
fn who_is_gone_for_good_is_in_no_figure() {
    let (appliance, address) = appliance();
    for name in ["bob", "carol"] {
        pop3(appliance.pop3, name).quit();
    }
    let known = |name: &str| {
        let page = get(address, "/metrics").1;
        page.contains(&format!("restante_last_pickup_seconds{{mailbox=\"{name}\",view=\"\"}}"))
    };
    assert!(known("bob") && known("carol"));
    for words in [&["mailbox", "remove", "carol"][..], &["reload"]] {
        let ended = run(&mut appliance.verb(words), SOON);
        assert_eq!(ended.status.code(), Some(0), "{words:?}: {ended:?}");
    }
    let patience = Instant::now() + SOON;
    while known("carol") {
        assert!(Instant::now() < patience, "carol is still known");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(known("bob"));
}

#[test]
fn whoever_asks_for_something_else_hears_so_and_mail_goes_on() {
    let (appliance, address) = appliance();
    let (header, body) = get(address, "/healthz");
    assert!(header.starts_with("HTTP/1.1 200 OK\r\n") && body.lines().count() == 1, "{header} {body}");
    assert!(get(address, "/").0.starts_with("HTTP/1.1 404 "));
    let head = ask(address, b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    // RFC 9110 §8.6: the length that GET would have.
    assert!(!head.contains("Content-Length: 0\r\n"), "{head}");
    let post = ask(address, b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"), "{post}");
    for odd in [&b"EHLO example.org\r\n\r\n"[..], b"\x16\x03\x01\x02\r\n\r\n", &[b'a'; 9000]] {
        assert!(ask(address, odd).starts_with("HTTP/1.1 400 "), "{odd:?}");
    }
    let local = UnixStream::connect(appliance.config_dir().join("metrics.sock")).expect("listening");
    assert!(answer(local, b"GET /metrics HTTP/1.0\r\n\r\n").ends_with("# EOF\n"));
    // Some that say nothing take all places, and none of anybody else's.
    let silent: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(address).expect("listening")).collect();
    assert!(ask(address, b"").starts_with("HTTP/1.1 503 "));
    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["bob@example.test"], b"Subject: kept\r\n\r\n").starts_with("250 "));
    drop(silent);
}
