//! The certificate and its key, as files.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

use super::fault::Fault;
use super::machine::Places;
use super::permission::{Exposure, exposure_of};
use super::reading::expect_file;
use super::settings::Tls;
use super::source::File;

/// What is wrong with the pair: unreadable, broken, not a pair, or a key that others can read.
pub(super) fn check(tls: &Tls, places: &Places, service_groups: &[u32]) -> Vec<Fault> {
    let mut faults = Vec::new();
    match usable(tls) {
        Ok(found) => {
            let why = found.validity().and_then(|validity| outdated(validity, SystemTime::now()));
            faults.extend(why.map(|why| {
                let message = format!("the certificate {} {why}", tls.certificate.display());
                Fault::error(File::Restante, places.certificate.clone(), message)
                    .hint("it is served all the same; put a new pair there and reload")
                    .warning()
            }));
        }
        Err(wrong) => {
            let span = if wrong.is_key { &places.key } else { &places.certificate };
            faults.push(Fault::error(File::Restante, span.clone(), wrong.message).hint(wrong.hint));
        }
    }
    if let Some(exposed) = fs::metadata(&tls.key).ok().and_then(|found| exposure_of(&found, service_groups)) {
        let message = format!("the key {} can be read by {}", tls.key.display(), readers(exposed));
        faults.push(Fault::error(File::Restante, places.key.clone(), message).hint(cure(&tls.key)));
    }
    faults
}

/// Why a pair cannot be served with.
#[derive(Debug)]
struct Wrong {
    /// Whether it is about the key rather than the certificate.
    is_key: bool,
    message: String,
    hint: &'static str,
}

/// Why certificate and key cannot be used, in one line that names the file.
pub fn unusable(tls: &Tls) -> Option<String> {
    usable(tls).err().map(|wrong| wrong.message)
}

/// From when on an end that comes near is told.
const AHEAD: Duration = Duration::from_secs(21 * 24 * 60 * 60);

/// What is wrong with a certificate's dates, in words that follow its name. Mail servers take it nevertheless;
/// programs that collect mail do not.
pub fn outdated(validity: net::Validity, now: SystemTime) -> Option<String> {
    let day = |time: SystemTime| format_rfc3339_seconds(time).to_string()[..10].to_owned();
    let net::Validity { from, until } = validity;
    if now < from {
        return Some(format!("is not good before {}: is this machine's clock right?", day(from)));
    }
    match until.duration_since(now) {
        Err(_) => Some(format!("has expired on {}", day(until))),
        Ok(left) if left <= AHEAD => {
            let days = left.as_secs() / (24 * 60 * 60);
            Some(format!("expires on {}, in {}", day(until), counted(days)))
        }
        Ok(_) => None,
    }
}

fn counted(days: u64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

const CHAIN: &str = "the chain in PEM, our own certificate first";
const KEY: &str = "a private key in PEM";

/// A pipe or a device would be read for as long as it gives something.
fn files(tls: &Tls) -> Result<(), Wrong> {
    let words = [(&tls.certificate, false, "certificate", CHAIN), (&tls.key, true, "key", KEY)];
    for (path, is_key, what, hint) in words {
        // Of what is not there its reader tells.
        let Ok(found) = fs::metadata(path) else { continue };
        expect_file(found.file_type()).map_err(|error| {
            let message = format!("cannot use the {what} {}: {error}", path.display());
            Wrong { is_key, message, hint }
        })?;
    }
    Ok(())
}

fn usable(tls: &Tls) -> Result<net::Tls, Wrong> {
    files(tls)?;
    // What the reader of PEM says of rubbish is about octets, not about files.
    let why =
        |reason: &str| reason.strip_prefix("I/O error: ").unwrap_or("no PEM of that kind in it").to_owned();
    let error = match net::Tls::load(&tls.certificate, &tls.key) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    Err(match &error {
        net::TlsError::File { path, reason } if *path == tls.key => Wrong {
            is_key: true,
            message: format!("cannot use the key {}: {}", path.display(), why(reason)),
            hint: KEY,
        },
        net::TlsError::File { path, reason } => Wrong {
            is_key: false,
            message: format!("cannot use the certificate {}: {}", path.display(), why(reason)),
            hint: CHAIN,
        },
        net::TlsError::Mismatch => Wrong {
            is_key: true,
            message: error.to_string(),
            hint: "both come from the same order; `key` is the one the certificate was asked for with",
        },
        net::TlsError::Rustls(_) => Wrong {
            is_key: false,
            message: format!("cannot use certificate and key: {error}"),
            hint: "an RSA, ECDSA or Ed25519 pair",
        },
    })
}

/// In words.
pub(super) fn readers(exposed: Exposure) -> String {
    match exposed {
        Exposure::Others => "everybody on this machine".to_owned(),
        Exposure::Group(id) => format!("the group {id}, which is not the service's"),
    }
}

/// What to type.
pub(super) fn cure(path: &Path) -> String {
    format!("chmod u=rw,g=r,o= {0} and chgrp restante {0}, or chmod 600 {0}", path.display())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn dates_are_told_three_weeks_ahead() {
        let from = UNIX_EPOCH + 10_000 * DAY;
        let validity = net::Validity { from, until: from + 90 * DAY };
        let told = |at: SystemTime| outdated(validity, at);
        assert_eq!(
            told(from - DAY).as_deref(),
            Some("is not good before 1997-05-19: is this machine's clock right?")
        );
        assert_eq!(told(from), None);
        assert_eq!(told(from + 68 * DAY), None);
        assert_eq!(told(from + 69 * DAY).as_deref(), Some("expires on 1997-08-17, in 21 days"));
        assert_eq!(told(from + 88 * DAY + DAY / 2).as_deref(), Some("expires on 1997-08-17, in 1 day"));
        assert_eq!(told(from + 90 * DAY).as_deref(), Some("expires on 1997-08-17, in less than a day"));
        assert_eq!(told(from + 91 * DAY).as_deref(), Some("has expired on 1997-08-17"));
    }
}
