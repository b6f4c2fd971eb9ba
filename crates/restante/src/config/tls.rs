//! The certificate and its key, as files.

use std::fs;
use std::path::Path;

use super::fault::Fault;
use super::machine::Places;
use super::permission::{Exposure, exposure_of};
use super::settings::Tls;
use super::source::File;

/// What is wrong with the pair: unreadable, broken, not a pair, or a key that others can read.
pub(super) fn check(tls: &Tls, places: &Places, service_groups: &[u32]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Err(wrong) = usable(tls) {
        let span = if wrong.is_key { &places.key } else { &places.certificate };
        faults.push(Fault::error(File::Restante, span.clone(), wrong.message).hint(wrong.hint));
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

fn usable(tls: &Tls) -> Result<(), Wrong> {
    // What the reader of PEM says of rubbish is about octets, not about files.
    let why =
        |reason: &str| reason.strip_prefix("I/O error: ").unwrap_or("no PEM of that kind in it").to_owned();
    let Err(error) = net::Tls::load(&tls.certificate, &tls.key) else { return Ok(()) };
    Err(match &error {
        net::TlsError::File { path, reason } if *path == tls.key => Wrong {
            is_key: true,
            message: format!("cannot use the key {}: {}", path.display(), why(reason)),
            hint: "a private key in PEM",
        },
        net::TlsError::File { path, reason } => Wrong {
            is_key: false,
            message: format!("cannot use the certificate {}: {}", path.display(), why(reason)),
            hint: "the chain in PEM, our own certificate first",
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
