use std::time::{Duration, Instant};

use mail::{Known, Spam, Virus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::{About, Clamd, Endpoint, Rspamd, Scan, ScannerSettings, WhenDown};

/// What a scanner has; tests take little more.
const TIME: Duration = Duration::from_millis(400);

fn settings(endpoint: Endpoint, when_down: WhenDown) -> ScannerSettings {
    ScannerSettings { timeout: TIME, at_once: 2, waiting: 2, when_down, ..ScannerSettings::new(endpoint) }
}

/// What a false scanner does with a connection once it has read so much.
#[derive(Debug, Clone)]
enum Does {
    /// Reads all of the question, then says this and hangs up.
    Says(Vec<u8>),
    /// The same octet by octet.
    SaysSlowly(Vec<u8>),
    /// Says this at once and reads nothing.
    SaysEarly(Vec<u8>),
    /// Reads and says nothing.
    Hangs,
    /// Does not even read.
    Sleeps,
    /// Hangs up after so many octets of the question.
    Breaks(usize),
    /// Sends what never ends.
    Floods(&'static [u8]),
}

/// Takes connections and does the same with each; how many there were at once at most comes with its address.
async fn server(does: Does) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, does.clone()));
        }
    });
    Endpoint::Tcp(address.to_string())
}

async fn serve(mut stream: TcpStream, does: Does) {
    let mut buffer = vec![0; 64 << 10];
    match does {
        Does::Says(answer) => {
            read_question(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
        Does::SaysSlowly(answer) => {
            read_question(&mut stream).await;
            for octet in answer {
                let _ = stream.write_all(&[octet]).await;
                tokio::task::yield_now().await;
            }
        }
        Does::SaysEarly(answer) => {
            let _ = stream.write_all(&answer).await;
            // A reset could overtake the answer.
            tokio::time::sleep(TIME / 4).await;
        }
        Does::Hangs => while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
        Does::Sleeps => tokio::time::sleep(TIME * 10).await,
        Does::Breaks(after) => {
            let _ = stream.read_exact(&mut buffer[..after]).await;
        }
        Does::Floods(octets) => while stream.write_all(octets).await.is_ok() {},
    }
}

/// Reads until nothing has come for a moment: both protocols' questions end before their connections do.
async fn read_question(stream: &mut TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(Ok(1..)) = tokio::time::timeout(TIME / 8, stream.read(&mut buffer)).await {}
}

async fn clamd(endpoint: Endpoint, when_down: WhenDown, message: &[u8]) -> (Scan<Virus>, Duration) {
    let started = Instant::now();
    let scan = Clamd::new(settings(endpoint, when_down)).scan(message).await;
    (scan, started.elapsed())
}

async fn rspamd(endpoint: Endpoint, when_down: WhenDown, message: &[u8]) -> (Scan<Spam>, Duration) {
    let started = Instant::now();
    let scan = Rspamd::new(settings(endpoint, when_down)).scan(message, &About::default()).await;
    (scan, started.elapsed())
}

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.0 200 OK\r\nServer: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

const SPAM: &str =
    r#"{"score": 7.25, "required_score": 15, "action": "add header", "symbols": {"X": {"score": 7}}}"#;

#[tokio::test]
async fn a_virus_scanner_that_answers_is_understood() {
    let virus = |name: Option<&str>| Known::Is(Some(Virus { name: name.map(str::to_owned) }));
    for (answer, expected) in [
        ("stream: OK\0", virus(None)),
        ("stream: Eicar-Test-Signature FOUND\0", virus(Some("Eicar-Test-Signature"))),
    ] {
        for does in
            [Does::Says(answer.into()), Does::SaysSlowly(answer.into()), Does::SaysEarly(answer.into())]
        {
            let (scan, _) = clamd(server(does.clone()).await, WhenDown::Defer, b"Subject: x\r\n\r\n").await;
            assert_eq!((&scan.known, scan.down), (&expected, None), "{does:?}");
        }
    }
}

#[tokio::test]
async fn a_spam_filter_that_answers_is_understood() {
    let expected = Spam { score: 725, action: "add header".into(), symbols: vec!["X".into()] };
    let unmeasured = format!("HTTP/1.1 200 OK\r\n\r\n{SPAM}").into_bytes();
    let does = [
        Does::Says(http(SPAM)),
        Does::SaysSlowly(http(SPAM)),
        Does::SaysEarly(http(SPAM)),
        Does::Says(unmeasured),
    ];
    for does in does {
        let (scan, _) = rspamd(server(does.clone()).await, WhenDown::Defer, b"Subject: x\r\n\r\n").await;
        assert_eq!((scan.known, scan.down), (Known::Is(Some(expected.clone())), None), "{does:?}");
    }
}

/// Whatever a scanner does, an answer comes within its time, and says what the settings say.
#[tokio::test]
async fn a_scanner_that_fails_is_down_in_time() {
    let message = vec![b'x'; 3 << 20];
    let many_fields = format!("HTTP/1.0 200 OK\r\n{}", "A: b\r\n".repeat(200));
    let cases: Vec<(Does, &str)> = vec![
        (Does::Hangs, "no answer within 0.4 s"),
        (Does::Sleeps, "no answer within 0.4 s"),
        (Does::Breaks(10), "broke off"),
        (Does::Says(Vec::new()), "hung up"),
        (Does::Says(b"stream: O".to_vec()), "hung up|no sense"),
        (Does::Says(b"HTTP/1.0 200 OK\r\nContent-Len".to_vec()), "hung up"),
        (Does::Says(b"HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\n{}".to_vec()), "hung up"),
        (Does::Says(b"\x00\xff\xfe\x00garbage\0".to_vec()), "no sense"),
        (Does::Says(b"stream: \0HTTP\0".to_vec()), "no sense"),
        (Does::Says(b"stream: OK FOUND \0".to_vec()), ""),
        (Does::Says(b"INSTREAM size limit exceeded. ERROR\0".to_vec()), "size limit exceeded.|no sense"),
        (Does::Says(b"HTTP/1.0 503 Busy\r\n\r\n\0".to_vec()), "503 Busy|no sense"),
        (Does::Says(http("{\"score\": \"x\"}\0")), "no sense"),
        (Does::Says(http(&format!("{}\0", "[".repeat(100_000)))), "no sense|too long"),
        (Does::Says(b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec()), "too long|hung up"),
        (Does::Says(many_fields.into_bytes()), "no sense|hung up"),
        (Does::Floods(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "too long|no sense"),
        (Does::Floods(b"HTTP/1.0 200 OK\r\n\r\n{                                  "), "too long|no sense"),
    ];
    for (does, reasons) in cases {
        let endpoint = server(does.clone()).await;
        let ((virus, first), (spam, second)) = tokio::join!(
            clamd(endpoint.clone(), WhenDown::Defer, &message),
            rspamd(endpoint.clone(), WhenDown::Defer, &message)
        );
        assert!(first.max(second) < TIME * 4, "{does:?}: {first:?}, {second:?}");
        for (down, unknown) in [
            (virus.down.clone(), matches!(virus.known, Known::Unknown(_))),
            (spam.down.clone(), matches!(spam.known, Known::Unknown(_))),
        ] {
            // What only one of them takes for an answer.
            if reasons.is_empty() && down.is_none() {
                continue;
            }
            let down = down.unwrap_or_else(|| panic!("{does:?} is down"));
            assert!(unknown && down.len() < 400, "{does:?}: {down}");
            let fits = reasons.split('|').any(|reason| down.contains(reason));
            assert!(fits || down.contains("broke off"), "{does:?}: {down}");
        }
        let (accepted, _) = clamd(endpoint, WhenDown::Accept, &message).await;
        let is_down = accepted.known == Known::Is(None) && accepted.down.is_some();
        assert_eq!(is_down, !reasons.is_empty(), "{does:?}");
    }
}

#[tokio::test]
async fn a_scanner_that_is_not_there_is_down_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    for endpoint in [
        Endpoint::Tcp(port.to_string()),
        Endpoint::Tcp("nothing".into()),
        Endpoint::Unix("/nowhere/at/all".into()),
    ] {
        let (scan, took) = clamd(endpoint.clone(), WhenDown::Defer, b"x").await;
        let down = scan.down.expect("down");
        assert!(down.starts_with("clamd: no connection: ") && took < TIME * 2, "{endpoint:?}: {down}");
        assert_eq!(scan.known, Known::Unknown(down));
    }
}

#[tokio::test]
async fn a_unix_socket_is_asked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clamd.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut question = vec![0; 10 + 4 + 3 + 4];
        stream.read_exact(&mut question).await.expect("a question");
        assert_eq!(question, b"zINSTREAM\0\0\0\0\x03abc\0\0\0\0");
        stream.write_all(b"stream: OK\0").await.expect("sent");
    });
    let (scan, _) = clamd(Endpoint::Unix(path), WhenDown::Defer, b"abc").await;
    assert_eq!(scan.known, Known::Is(Some(Virus { name: None })));
}

/// Two are looked at, two wait, the others are told at once.
#[tokio::test]
async fn no_more_wait_than_may() {
    let scanner = std::sync::Arc::new(Clamd::new(settings(server(Does::Hangs).await, WhenDown::Defer)));
    let started = Instant::now();
    let scans: Vec<_> = (0..50)
        .map(|_| {
            let scanner = scanner.clone();
            tokio::spawn(async move { scanner.scan(b"x").await.down.expect("down") })
        })
        .collect();
    let mut busy = 0;
    for scan in scans {
        busy += usize::from(scan.await.expect("a scan").contains("too many messages wait"));
    }
    assert_eq!(busy, 46);
    // Their time is from when they came, not from their turn.
    assert!(started.elapsed() < TIME * 4, "{:?}", started.elapsed());
    // And there is room again.
    assert!(!scanner.scan(b"x").await.down.expect("down").contains("too many"));
}
