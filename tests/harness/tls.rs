use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

/// What a TLS handshake agreed on.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The version.
    pub version: ProtocolVersion,
    /// The server's certificate in DER.
    pub certificate: Vec<u8>,
}

/// A TLS client that trusts any certificate: the appliance's own is self-signed.
pub(crate) fn client<S: Read + Write>(
    mut stream: S,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<(StreamOwned<ClientConnection, S>, Handshake)> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .expect("versions that the provider has")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("mx.example.test").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let handshake = Handshake {
        version: connection.protocol_version().expect("agreed on"),
        certificate: connection.peer_certificates().expect("shown")[0].to_vec(),
    };
    Ok((StreamOwned::new(connection, stream), handshake))
}

/// A client's end of a connection under TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Puts TLS on a connection, without a look at who is at the other end.
pub fn secure(stream: TcpStream) -> io::Result<TlsStream> {
    client(stream, rustls::ALL_VERSIONS).map(|(stream, _)| stream)
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
