//! STLS and implicit TLS, over real handshakes.

use std::fs;
use std::sync::Arc;

use crate::world::{Client, World};
use net::Tls;
use pop3_serve::Access;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: &str = "mx.example.test";

fn secured_world() -> (World, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec![HOST.into()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let tls = Tls::load(&certificate, &key).expect("a pair");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (World::new(Access::default(), Some(tls)), TlsConnector::from(Arc::new(config)))
}

async fn handshake(
    connector: &TlsConnector,
    client: Client<DuplexStream>,
) -> Client<TlsStream<DuplexStream>> {
    let name = ServerName::try_from(HOST).expect("a name");
    let io = connector.connect(name, client.io).await.expect("a handshake");
    Client::new(io, client.served)
}

/// RFC 2595 §2.5.
#[tokio::test]
async fn stls_opens_the_way_to_the_mail() {
    let (world, connector) = secured_world();
    world.deliver(b"A: b\r\n\r\nc\r\n").await;
    let mut client = world.connect_from("192.0.2.7", 1 << 16);
    client.line().await;
    assert_eq!(client.say("PASS secret").await, "-ERR STLS first: no passwords in the clear");
    assert_eq!(client.say("CAPA").await, "+OK capabilities");
    let capabilities = String::from_utf8(client.body().await).expect("UTF-8");
    assert!(capabilities.contains("STLS\r\n") && !capabilities.contains("SASL"), "{capabilities}");
    assert_eq!(client.say("STLS").await, "+OK begin TLS");
    let mut client = handshake(&connector, client).await;
    assert_eq!(client.say("CAPA").await, "+OK capabilities");
    let capabilities = String::from_utf8(client.body().await).expect("UTF-8");
    assert!(!capabilities.contains("STLS") && capabilities.contains("SASL PLAIN LOGIN"), "{capabilities}");
    assert!(client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await.starts_with("+OK 1 messages"));
    assert!(client.say("RETR 1").await.starts_with("+OK"));
    assert_eq!(client.body().await, b"Delivered-To: alice\r\nA: b\r\n\r\nc\r\n");
    assert_eq!(client.say("QUIT").await, "+OK bye");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_user_from_before_the_handshake_is_forgotten() {
    let (world, connector) = secured_world();
    let mut client = world.connect();
    client.line().await;
    assert_eq!(client.say("USER alice").await, "+OK send PASS");
    assert_eq!(client.say("STLS").await, "+OK begin TLS");
    let mut client = handshake(&connector, client).await;
    assert_eq!(client.say("PASS secret").await, "-ERR USER first");
}

#[tokio::test]
async fn octets_behind_stls_are_never_obeyed() {
    let (world, _) = secured_world();
    let mut client = world.connect();
    client.line().await;
    client.send(b"STLS\r\nUSER alice\r\nPASS secret\r\nSTAT\r\n").await;
    assert_eq!(client.rest().await, "-ERR octets behind STLS\r\n");
}

#[tokio::test]
async fn implicit_tls_speaks_after_the_handshake() {
    let (world, connector) = secured_world();
    let (ours, theirs) = duplex(1 << 16);
    let served = world.serve(ours, "192.0.2.7", true);
    let client = handshake(&connector, Client::new(theirs, served)).await;
    let mut client = client.logged_in().await;
    assert_eq!(client.say("STAT").await, "+OK 0 0");
    assert_eq!(client.say("QUIT").await, "+OK bye");
    assert_eq!(client.rest().await, "");
}

/// RFC 2595 §2.5.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_ends() {
    let (world, _) = secured_world();
    let (ours, theirs) = duplex(1 << 16);
    let started = tokio::time::Instant::now();
    let client = Client::new(theirs, world.serve(ours, "192.0.2.7", true));
    assert_eq!(client.rest().await, "");
    assert_eq!(started.elapsed().as_secs(), 15);
}
