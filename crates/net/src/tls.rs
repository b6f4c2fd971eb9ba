use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{Io, Validity};

/// Why a certificate and key cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or holds no PEM of that kind.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key does not belong to the certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// rustls cannot use them.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// What a handshake agreed on, in the words of a Received field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// Such as `TLS1.3`.
    pub version: &'static str,
    /// The suite's IANA name.
    pub cipher: String,
}

impl TlsInfo {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS1.3",
            // The provider speaks nothing older than 1.2.
            Some(_) | None => "TLS1.2",
        };
        let cipher = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        // rustls writes TLS13_AES_… where IANA writes TLS_AES_….
        let cipher = cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1);
        Self { version, cipher }
    }
}

/// A certificate and key that can be exchanged while connections come in. A handle: clones share one.
#[derive(Clone)]
pub struct Tls {
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads a PEM chain and a PEM key. TLS 1.2 and 1.3, rustls' default suites, no client certificates.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(read(certificate, key)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self { current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads them again; on an error the old ones go on serving.
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let fresh = Arc::new(read(certificate, key)?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// When the certificate that is served now is good; nothing if that cannot be read.
    pub fn validity(&self) -> Option<Validity> {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        current.cert.first().and_then(|own| Validity::of(own))
    }

    pub(crate) async fn accept(&self, io: Box<dyn Io>) -> io::Result<TlsStream<Box<dyn Io>>> {
        self.acceptor.accept(io).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let fault = |path: &Path, error: rustls_pki_types::pem::Error| TlsError::File {
        path: path.into(),
        reason: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(certificate, error))?;
    if chain.is_empty() {
        return Err(TlsError::File { path: certificate.into(), reason: "no certificate in it".into() });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, error))?;
    let signing = ring::sign::any_supported_type(&secret)?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch),
        Err(error) => Err(TlsError::File { path: certificate.into(), reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(name: &str) -> (PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("net-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["mx.example.test".into()]).expect("a certificate");
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&certificate, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        (certificate, key)
    }

    #[test]
    fn a_pair_loads_and_a_mixed_pair_does_not() {
        let (one, two) = (written("one"), written("two"));
        let tls = Tls::load(&one.0, &one.1).expect("a pair");
        assert!(matches!(Tls::load(&one.0, &two.1), Err(TlsError::Mismatch)));
        assert!(matches!(tls.reload(&two.0, &one.1), Err(TlsError::Mismatch)));
        tls.reload(&two.0, &two.1).expect("another pair");
    }

    #[test]
    fn the_fault_names_the_file() {
        let (certificate, key) = written("three");
        let error = Tls::load(&key, &key).expect_err("a key is no certificate");
        assert!(error.to_string().contains("tls.key"), "{error}");
        let error = Tls::load(&certificate, Path::new("/nowhere/tls.key")).expect_err("no such file");
        assert!(error.to_string().contains("/nowhere/tls.key"), "{error}");
    }
}
