//! A certificate that runs out while nobody looks at the configuration.

use std::time::{Duration, SystemTime};

use net::Tls;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config;

const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Says once a day what is wrong with the dates of the certificate that is served, whichever that is by then.
/// Start and reload say it themselves.
pub(super) async fn remind(tls: Tls, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let outdated = tls.validity().and_then(|validity| config::outdated(validity, SystemTime::now()));
        if let Some(why) = outdated {
            warn!("the certificate that is served {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().expect("no panic"))).expect("UTF-8")
        }
    }

    impl io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(folder: &Path, until: i32) {
        let mut params = CertificateParams::new(vec!["mx.example.test".into()]).expect("a name");
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        fs::write(folder.join("crt"), params.self_signed(&key).expect("signed").pem()).expect("written");
        fs::write(folder.join("key"), key.serialize_pem()).expect("written");
    }

    #[tokio::test(start_paused = true)]
    async fn it_says_so_every_day_until_there_is_a_better_one() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
        write(folder.path(), 2001);
        let tls = Tls::load(&certificate, &key).expect("a pair");
        let stop = CancellationToken::new();
        let reminder = tokio::spawn(remind(tls.clone(), stop.clone()));
        for _ in 0..3 {
            tokio::time::sleep(EVERY + Duration::from_secs(1)).await;
            let said = log.take();
            assert_eq!(said.matches("the certificate that is served has expired on 2001-01-01").count(), 1);
        }
        write(folder.path(), 2101);
        tls.reload(&certificate, &key).expect("a pair");
        tokio::time::sleep(3 * EVERY).await;
        assert_eq!(log.take(), "");
        stop.cancel();
        reminder.await.expect("it ends");
    }
}
