//! What the log says: a line for each message and each refusal, in a postmaster's words, and nothing in it
//! that a terminal obeys.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use smtp_receive::{ErrorLimits, Params};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{Rules, Server};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_postmaster_reads_what_became_of_each_message() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let params = Params { errors: ErrorLimits::unlimited(), message_size: 100, ..Params::default() };
    let server = Server::new(params, Rules::default(), None);
    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("DATA", "354"), ("text\r\n.", "250 2.0.0")]).await;
    client.envelope().await;
    client.expect(&[("DATA", "354"), ("bare\nnewline\r\n.", "550 5.6.11")]).await;
    client.envelope().await;
    client.expect(&[("BDAT 5\r\nabc", "250")]).await;
    client.expect(&[(&format!("BDAT 99 LAST\r\n{}", "x".repeat(97)), "552 5.3.4")]).await;
    client.expect(&[("MAIL FROM:<\"\u{202e}x\"@b.example> SMTPUTF8", "250")]).await;
    client
        .expect(&[
            ("RCPT TO:<nobody@example.test>", "550 5.1.1"),
            ("RCPT TO:<full@example.test>", "452 4.2.2"),
        ])
        .await;
    client.expect(&[("NOOP \x1b[2J", "500"), ("QUIT", "221")]).await;
    client.task.await.expect("no panic");

    let mut client = server.connect(false);
    client.open().await;
    client.expect(&[("BDAT 3\r\n1", "250"), ("RSET", "250"), ("FOO", "500")]).await;
    client.envelope().await;
    client.expect(&[("DATA", "354")]).await;
    client.send(b"half a message\r\n").await;
    drop(client.stream);
    client.task.await.expect("no panic");

    let server = Server::new(Params::lmtp(), Rules::default(), None);
    let mut client = server.connect(true);
    assert!(client.reply().await.starts_with("220 "));
    client.expect(&[("LHLO client.example", "250 ")]).await;
    client.envelope().await;
    client.expect(&[("DATA", "354"), ("text\r\n.", "250 2.0.0"), ("QUIT", "221")]).await;
    client.task.await.expect("no panic");

    let lines = log.lines();
    assert!(lines[3].contains("reason=\"550 5.1.1 no such recipient here\""), "{}", lines[3]);
    let wanted = [
        "message id=0000000000000001 from=\"<a@b.example>\" to=\"<bob@example.test>\" size=6 status=\"queued\" mailbox=\"bob\" peer=192.0.2.1",
        "message from=\"<a@b.example>\" to=\"<bob@example.test>\" size=4 status=\"refused\" peer=192.0.2.1",
        "message from=\"<a@b.example>\" to=\"<bob@example.test>\" size=5 status=\"refused\" peer=192.0.2.1",
        "recipient from=\"<\\\\u{202e}x@b.example>\" to=\"<nobody@example.test>\" status=\"refused\" peer=192.0.2.1",
        "recipient from=\"<\\\\u{202e}x@b.example>\" to=\"<full@example.test>\" status=\"deferred\" peer=192.0.2.1",
        "SMTP session peer=192.0.2.1 tls=\"-\" messages=1 refused=4 size=6",
        "message from=\"<a@b.example>\" to=\"<bob@example.test>\" size=3 status=\"cut off\" peer=192.0.2.1",
        "message from=\"<a@b.example>\" to=\"<bob@example.test>\" size=16 status=\"cut off\" peer=192.0.2.1",
        "SMTP session peer=192.0.2.1 tls=\"-\" messages=0 refused=2 size=0",
        "message id=0000000000000001 from=\"<a@b.example>\" to=\"<bob@example.test>\" size=6 status=\"queued\" mailbox=\"bob\" peer=192.0.2.1",
        "LMTP session peer=192.0.2.1 tls=\"-\" messages=1 refused=0 size=6",
    ];
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.contains(wanted), "{wanted}\n{line}");
    }
    assert_eq!(lines.len(), wanted.len(), "{lines:#?}");
    assert!(lines.iter().all(|line| line.len() < 1_000 && !line.chars().any(char::is_control)));
}
