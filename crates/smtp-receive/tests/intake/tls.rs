//! STARTTLS over loopback TCP, with a real handshake.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use net::{Bound, ListenAddress, Networks, Tls, accept};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use smtp_receive::Params;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use crate::server::{Rules, Server};

struct Listening {
    server: Server,
    address: std::net::SocketAddr,
    connector: TlsConnector,
    tasks: TaskTracker,
}

async fn listen() -> Listening {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.test".into()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let tls = Tls::load(&certificate, &key).expect("a pair");
    let server = Server::new(Params::default(), Rules::default(), Some(tls));

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate).expect("PEM")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();

    let bound = Bound::bind(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).expect("bound");
    let ListenAddress::Tcp(address) = bound.address().expect("an address") else { panic!("tcp") };
    let tasks = TaskTracker::new();
    let accepting = accept(
        bound,
        server.gate.clone(),
        Networks::default(),
        server.smtp(),
        server.stop.clone(),
        tasks.clone(),
    );
    tasks.spawn(accepting);
    Listening { server, address, connector: TlsConnector::from(Arc::new(config)), tasks }
}

/// Sends, then reads until the last line of `replies` replies has come.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    octets: &[u8],
    replies: usize,
) -> Vec<String> {
    stream.write_all(octets).await.expect("sent");
    let mut got = String::new();
    let ends = |got: &str| got.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).count();
    while !got.ends_with("\r\n") || ends(&got) < replies {
        let mut more = [0; 4096];
        let read = timeout(Duration::from_secs(10), stream.read(&mut more)).await.expect("in time");
        match read.expect("readable") {
            0 => break,
            octets => got.push_str(std::str::from_utf8(&more[..octets]).expect("ASCII")),
        }
    }
    got.lines().map(str::to_owned).collect()
}

/// RFC 3207 §4.1.
#[tokio::test]
async fn mail_comes_by_tls_and_what_was_injected_before_it_does_not() {
    let listening = listen().await;
    let mut plain = TcpStream::connect(listening.address).await.expect("connected");
    talk(&mut plain, b"", 1).await;
    let hello = talk(&mut plain, b"EHLO client.example\r\n", 1).await;
    assert!(hello.contains(&"250-STARTTLS".to_owned()));
    talk(&mut plain, b"MAIL FROM:<plain@b.example>\r\nRCPT TO:<alice@example.test>\r\n", 2).await;
    let injected =
        b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<smuggled@b.example>\r\nRCPT TO:<bob@example.test>\r\n";
    assert_eq!(talk(&mut plain, injected, 1).await, ["220 2.0.0 go ahead"]);

    let name = ServerName::try_from("mx.example.test").expect("a name");
    let mut secure = listening.connector.connect(name, plain).await.expect("a handshake");
    let forgotten = talk(&mut secure, b"RCPT TO:<bob@example.test>\r\nDATA\r\n", 2).await;
    assert_eq!(forgotten, ["503 5.5.1 greet first", "503 5.5.1 greet first"]);
    let hello = talk(&mut secure, b"EHLO client.example\r\n", 1).await;
    assert!(hello.iter().all(|line| !line.contains("STARTTLS")));
    let again = talk(&mut secure, b"STARTTLS\r\n", 1).await;
    assert_eq!(again, ["503 5.5.1 TLS is on already"]);
    let envelope = b"MAIL FROM:<tls@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n";
    talk(&mut secure, envelope, 3).await;
    let taken = talk(&mut secure, b"Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n", 2).await;
    assert!(taken[0].starts_with("250 2.0.0 queued as "));

    let stored = listening.server.stored().await;
    assert_eq!(
        stored[0],
        "M: from=<tls@b.example> to=<bob@example.test>=bob esmtp helo=client.example octets=20 tls"
    );
    listening.server.stop.cancel();
    listening.tasks.close();
    timeout(Duration::from_secs(5), listening.tasks.wait()).await.expect("all sessions end");
}

/// The last word arrives even when the peer has sent more than was read.
#[tokio::test]
async fn the_last_word_is_heard_over_a_flood() {
    let listening = listen().await;
    let mut plain = TcpStream::connect(listening.address).await.expect("connected");
    let flood = vec![b'x'; 300_000];
    let said = talk(&mut plain, &[b"EHLO c\r\n".to_vec(), flood].concat(), 4).await;
    assert_eq!(said.last().map(String::as_str), Some("421 4.7.0 mx.example.test too many errors"));
    listening.server.stop.cancel();
    listening.tasks.close();
    timeout(Duration::from_secs(5), listening.tasks.wait()).await.expect("all sessions end");
}
