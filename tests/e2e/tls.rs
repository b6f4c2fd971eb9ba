//! TLS from outside: both versions on every listener, nothing that came before the handshake counts after it,
//! and certificates change while sessions go on.

use std::fs;

use restante_tests::{
    Appliance, Client, PASSWORD, Setup, Shared, below, certificate, collect, deliver, pop3, smtp,
};
use rustls::version::{TLS12, TLS13};

static APPLIANCE: Shared = Shared::new(|| Setup::of(&["alice", "bob", "carol"]));

/// A session that has said STARTTLS, before its handshake.
fn starttls(appliance: &Appliance) -> Client {
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("STARTTLS").starts_with("220 2.0.0 "));
    client
}

/// The same by POP3.
fn stls(appliance: &Appliance) -> Client {
    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    assert!(client.command("STLS").starts_with("+OK"));
    client
}

fn login(client: &mut Client, user: &str) -> String {
    assert!(client.command(&format!("USER {user}")).starts_with("+OK"));
    client.command(&format!("PASS {PASSWORD}"))
}

#[test]
fn mail_goes_in_and_out_by_both_versions() {
    let appliance = APPLIANCE.get();
    for (number, (version, cipher)) in
        (1..).zip([(&TLS12, "version=TLS1.2 cipher=TLS_ECDHE_"), (&TLS13, "version=TLS1.3 cipher=TLS_AES_")])
    {
        let mut client = starttls(&appliance).start_tls_of(&[version]);
        assert_eq!(client.tls.as_ref().expect("secured").version, version.version);
        let extensions = client.ask("EHLO client.example");
        assert!(!extensions.contains("STARTTLS"), "{extensions}");
        let answer = deliver(&mut client, &["alice@example.test"], b"Subject: secret\r\n\r\n.\r\n");
        assert!(answer.starts_with("250 2.0.0 "), "{answer}");
        let collected = collect(appliance.pop3, "alice", number);
        let (prelude, rest) = below(&collected[number - 1].octets);
        assert_eq!(rest, b"Subject: secret\r\n\r\n.\r\n");
        assert!(prelude.received.contains(" with ESMTPS "), "{}", prelude.received);
        assert!(prelude.received.contains(cipher), "{}", prelude.received);
        let mut explicit = stls(&appliance).start_tls_of(&[version]);
        let mut implicit = Client::connect(appliance.pop3s).start_tls_of(&[version]);
        assert!(implicit.line().expect("a greeting").starts_with("+OK"));
        for session in [&mut explicit, &mut implicit] {
            let login = login(session, "alice");
            assert!(login.starts_with("+OK"), "{login}");
            assert_eq!(session.retrieve(number), collected[number - 1].octets);
        }
        explicit.quit();
        implicit.quit();
    }
}

#[test]
fn a_second_starttls_and_one_with_arguments_are_refused() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("STARTTLS now").starts_with("501 "));
    assert!(client.ask("STARTTLS").starts_with("220 "));
    let mut client = client.start_tls();
    assert!(client.ask("STARTTLS").starts_with("503 "));
    assert!(client.ask("EHLO client.example").starts_with("250-"));
    assert!(client.ask("STARTTLS").starts_with("503 "));
    let mut client = stls(&appliance).start_tls();
    assert!(client.command("STLS").starts_with("-ERR"));
}

/// RFC 3207 §4.2: what was said before is forgotten.
#[test]
fn the_handshake_forgets_greeting_and_envelope() {
    let appliance = APPLIANCE.get();
    let mut client = smtp(appliance.smtp);
    assert!(client.ask("MAIL FROM:<mallory@client.example>").starts_with("250 "));
    assert!(client.ask("RCPT TO:<bob@example.test>").starts_with("250 "));
    let answer = client.ask("STARTTLS");
    assert!(answer.starts_with("220 "), "{answer}");
    let mut client = client.start_tls();
    assert!(client.ask("MAIL FROM:<a@client.example>").starts_with("503 "));
    assert!(client.ask("DATA").starts_with("503 "));
    assert!(client.ask("EHLO client.example").starts_with("250-"));
    assert!(client.ask("RCPT TO:<bob@example.test>").starts_with("503 "));
    // RFC 2595 §4: a user named in the clear is nobody behind the handshake.
    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    assert!(client.command("USER alice").starts_with("+OK"));
    assert!(client.command("STLS").starts_with("+OK"));
    let mut client = client.start_tls();
    let answer = client.command(&format!("PASS {PASSWORD}"));
    assert!(answer.starts_with("-ERR"), "{answer}");
}

#[test]
fn octets_behind_starttls_are_never_obeyed() {
    let appliance = APPLIANCE.get();
    let injected = "MAIL FROM:<mallory@client.example>\r\nRCPT TO:<carol@example.test>\r\nDATA\r\nx\r\n.\r\n";
    let mut client = smtp(appliance.smtp);
    client.send(format!("STARTTLS\r\n{injected}").as_bytes());
    assert!(client.reply().starts_with("220 "));
    let mut client = client.start_tls();
    // The first answer behind the handshake is to the first command behind it.
    let answer = client.ask("EHLO honest.example");
    assert!(answer.starts_with("250-mx.example.test"), "{answer}");
    assert!(client.ask("RCPT TO:<carol@example.test>").starts_with("503 "));
    assert!(client.ask("MAIL FROM:<honest@client.example>").starts_with("250 "));
    assert!(client.ask("QUIT").starts_with("221 "));

    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    client.send(format!("STLS\r\nUSER carol\r\nPASS {PASSWORD}\r\nDELE 1\r\n").as_bytes());
    let answer = client.line().expect("an answer");
    assert!(answer.starts_with("-ERR"), "{answer}");
    assert_eq!(client.line(), None);

    let mut client = smtp(appliance.smtp);
    assert!(deliver(&mut client, &["carol@example.test"], b"Subject: only\r\n\r\n").starts_with("250 "));
    let collected = collect(appliance.pop3, "carol", 1);
    assert_eq!(below(&collected[0].octets).0.return_path, "<sender@client.example>");
}

#[test]
fn what_is_no_handshake_ends_that_connection_alone() {
    let appliance = APPLIANCE.get();
    let mut client = starttls(&appliance);
    client.send(b"EHLO not.tls.example\r\n");
    while client.line().is_some() {}
    let mut client = Client::connect(appliance.pop3s);
    client.send(b"CAPA\r\n");
    while client.line().is_some() {}
    smtp(appliance.smtp);
    pop3(appliance.pop3, "alice").quit();
}

#[test]
fn no_password_in_the_clear_when_the_loopback_is_no_exception() {
    let mut setup = Setup::default();
    setup.pop3.push_str("\nplain-on-loopback = false");
    let appliance = Appliance::with(setup);
    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    let capabilities = String::from_utf8(client.multiline("CAPA")).expect("text");
    assert!(capabilities.contains("STLS\r\n"), "{capabilities}");
    assert!(!capabilities.contains("\r\nUSER") && !capabilities.contains("SASL"), "{capabilities}");
    for refused in ["USER alice", "AUTH PLAIN AGFsaWNlAHg=", "AUTH PLAIN", "AUTH LOGIN"] {
        let answer = client.command(refused);
        assert!(answer.starts_with("-ERR "), "{refused}: {answer}");
    }
    assert!(client.command("STLS").starts_with("+OK"));
    let mut client = client.start_tls();
    let capabilities = String::from_utf8(client.multiline("CAPA")).expect("text");
    assert!(capabilities.contains("\r\nUSER\r\n") && capabilities.contains("SASL PLAIN"), "{capabilities}");
    assert!(!capabilities.contains("STLS"), "{capabilities}");
    assert!(login(&mut client, "alice").starts_with("+OK"));
    client.quit();
}

#[test]
fn without_a_certificate_nothing_is_offered() {
    let pop3 = "listen = [\"127.0.0.1:0\"]\nlisten-tls = []".into();
    let appliance = Appliance::with(Setup { tls: String::new(), pop3, ..Setup::default() });
    let mut client = smtp(appliance.smtp);
    assert!(!client.ask("EHLO client.example").contains("STARTTLS"));
    let answer = client.ask("STARTTLS");
    assert!(answer.starts_with("502 "), "{answer}");
    let mut client = Client::connect(appliance.pop3);
    assert!(client.line().expect("a greeting").starts_with("+OK"));
    assert!(!String::from_utf8(client.multiline("CAPA")).expect("text").contains("STLS"));
    assert!(client.command("STLS").starts_with("-ERR"));
    assert!(login(&mut client, "alice").starts_with("+OK"), "the loopback may");
}

#[test]
fn a_certificate_is_changed_by_sighup_and_a_broken_one_is_not_taken() {
    let appliance = Appliance::start();
    let shown = |client: &Client| client.tls.as_ref().expect("secured").certificate.clone();
    let mut old = Client::connect_tls(appliance.pop3s);
    let first = shown(&old);
    assert!(old.line().expect("a greeting").starts_with("+OK"));
    let second = certificate(appliance.config_dir());
    assert_ne!(first, second);
    appliance.hangup();
    eventually(|| shown(&Client::connect_tls(appliance.pop3s)) == second, "the new certificate is not shown");
    assert_eq!(shown(&starttls(&appliance).start_tls()), second);
    assert_eq!(shown(&stls(&appliance).start_tls()), second);
    // The session of before goes on.
    assert!(login(&mut old, "alice").starts_with("+OK"));
    old.quit();

    fs::write(appliance.config_dir().join("tls.crt"), "no certificate").expect("written");
    appliance.hangup();
    appliance.logged(&["ERROR", "tls.crt"]);
    assert_eq!(shown(&Client::connect_tls(appliance.pop3s)), second);
    // Nor one whose key is another's.
    let key = fs::read(appliance.config_dir().join("tls.key")).expect("a key");
    certificate(appliance.config_dir());
    fs::write(appliance.config_dir().join("tls.key"), key).expect("written");
    appliance.hangup();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(shown(&Client::connect_tls(appliance.pop3s)), second);
    // And when it is put right, it is taken.
    let third = certificate(appliance.config_dir());
    appliance.hangup();
    eventually(
        || shown(&Client::connect_tls(appliance.pop3s)) == third,
        "the third certificate is not shown",
    );
}

/// The listener for TLS must not begin to speak in the clear, nor a session be left without STARTTLS that had it.
#[test]
fn a_reload_without_tls_keeps_the_certificate_until_a_restart() {
    let mut appliance = Appliance::start();
    let shown = |client: &Client| client.tls.as_ref().expect("secured").certificate.clone();
    let before = shown(&Client::connect_tls(appliance.pop3s));
    appliance.configure(|setup| setup.tls = String::new());
    // What it points at may go too.
    fs::remove_file(appliance.config_dir().join("tls.crt")).expect("removed");
    appliance.hangup();
    appliance.logged(&["at a restart only", "tls as a whole"]);
    appliance.logged(&["the configuration is in force"]);
    let mut secured = Client::connect_tls(appliance.pop3s);
    assert_eq!(shown(&secured), before);
    assert!(secured.line().expect("a greeting").starts_with("+OK"));
    assert!(login(&mut secured, "alice").starts_with("+OK"));
    assert_eq!(shown(&starttls(&appliance).start_tls()), before);
    assert_eq!(shown(&stls(&appliance).start_tls()), before);
    appliance.restart();
    let mut client = smtp(appliance.smtp);
    assert!(!client.ask("EHLO client.example").contains("STARTTLS"));
    assert!(Client::try_connect(appliance.pop3s).is_err(), "nothing listens there without a certificate");
}

fn eventually(met: impl Fn() -> bool, otherwise: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !met() {
        assert!(std::time::Instant::now() < until, "{otherwise}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
