//! The scanners themselves, where they are installed: `RESTANTE_SCANNERS=1 cargo test -p authenticity real`.

use std::time::{Duration, Instant};

use mail::Known;

use super::{About, Clamd, Endpoint, Rspamd, ScannerSettings};
use crate::testing::scanners::{self, GTUBE, Running};

fn settings(scanner: &Running) -> ScannerSettings {
    let address = scanner.address();
    ScannerSettings::new(match address.strip_prefix("unix:") {
        Some(path) => Endpoint::Unix(path.into()),
        None => Endpoint::Tcp(address.into()),
    })
}

#[tokio::test]
async fn clamd_finds_what_it_knows_and_may_die_meanwhile() {
    let Some(mut running) = scanners::clamd("") else { return };
    let scanner = Clamd::new(settings(&running));
    let clean = scanner.scan(b"Subject: x\r\n\r\nwords\r\n").await;
    assert_eq!(
        clean.known.known().and_then(Option::as_ref).map(|virus| virus.name.clone()),
        Some(None),
        "{clean:?}"
    );
    let text = format!("Subject: x\r\n\r\n{}\r\n", scanners::eicar());
    let found = scanner.scan(text.as_bytes()).await;
    let name = found.known.known().and_then(Option::as_ref).and_then(|virus| virus.name.clone());
    assert!(name.as_ref().is_some_and(|name| name.starts_with("Eicar-Test-Signature")), "{found:?}");
    // Killed while it is being sent to.
    let large = vec![b'x'; 30 << 20];
    let (scan, ()) = tokio::join!(scanner.scan(&large), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        running.kill();
    });
    assert!(matches!(scan.known, Known::Unknown(_)), "{scan:?}");
    println!("{scan:?}");
    let started = Instant::now();
    let scan = scanner.scan(b"x").await;
    assert!(
        matches!(scan.known, Known::Unknown(_)) && started.elapsed() < Duration::from_secs(1),
        "{scan:?}"
    );
}

#[tokio::test]
async fn rspamd_scores_a_message_and_may_die_meanwhile() {
    let Some(mut running) = scanners::rspamd() else { return };
    let scanner = Rspamd::new(settings(&running));
    let recipients = ["b@c.test".to_owned()];
    let about = About {
        ip: Some("192.0.2.1".parse().expect("an address")),
        helo: "a.test",
        sender: "a@a.test",
        recipients: &recipients,
        queue_id: "1.2",
        ..About::default()
    };
    let head = "From: a@a.test\r\nTo: b@c.test\r\nSubject: x\r\nMessage-ID: <a@a.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n";
    let clean = scanner.scan(format!("{head}words\r\n").as_bytes(), &about).await;
    let action =
        |scan: &super::Scan<mail::Spam>| scan.known.known().cloned().flatten().map(|spam| spam.action);
    assert!(action(&clean).is_some_and(|action| action != "reject"), "{clean:?} {}", running.log());
    println!("{clean:?}");
    let spam = scanner.scan(format!("{head}{GTUBE}\r\n").as_bytes(), &about).await;
    assert_eq!(action(&spam).as_deref(), Some("reject"), "{spam:?}");
    println!("{spam:?}");
    let large = [head.as_bytes(), &vec![b'x'; 30 << 20]].concat();
    let (scan, ()) = tokio::join!(scanner.scan(&large, &about), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        running.kill();
    });
    assert!(matches!(scan.known, Known::Unknown(_)), "{scan:?}");
    println!("{scan:?}");
    let started = Instant::now();
    let scan = scanner.scan(b"x", &about).await;
    assert!(
        matches!(scan.known, Known::Unknown(_)) && started.elapsed() < Duration::from_secs(1),
        "{scan:?}"
    );
}
