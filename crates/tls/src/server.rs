//! The server's side of a handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::TlsAcceptor;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use switchboard_net::Stream;

use crate::invalid;
use crate::stream::TlsStream;

/// The settings with which a server answers, for any number of connections. A clone has the same ones.
///
/// The crate's page has an example of a connection.
///
/// ```
/// use switchboard_tls::TlsServer;
///
/// let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
/// let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?;
/// # drop(server);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl TlsServer {
    /// Shows clients the certificates in `chain`, a PEM text that begins with the server's own, whose key is
    /// in `key`, a PEM text.
    ///
    /// # Errors
    /// `InvalidInput` for texts without a certificate or a key, and for a key that is not the certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<TlsServer> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| invalid(error.to_string()))?;
        if chain.is_empty() {
            return Err(invalid("no certificate in the PEM text"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| invalid(format!("no private key in the PEM text: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(invalid)?;
        Ok(TlsServer::from_config(Arc::new(config)))
    }

    /// Returns a server with rustls's settings, as for certificates of clients and for protocols (ALPN).
    pub fn from_config(config: Arc<ServerConfig>) -> TlsServer {
        TlsServer(TlsAcceptor::from(config))
    }

    /// Makes a handshake with the client of an accepted connection. Waits in the flow's own way, without a
    /// limit, so that most servers put a [`timeout`](switchboard_runtime::timeout) around it. Dropping the
    /// future closes the connection.
    ///
    /// # Errors
    /// `InvalidData` for a client that does not speak TLS, or does not trust the certificate; `UnexpectedEof` if
    /// it hangs up; those of [`Stream::recv`] and [`Stream::write`].
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsStream> {
        let socket = stream.clone();
        let accepted = self.0.accept(stream).await?;
        Ok(TlsStream::new(accepted.into(), socket))
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}
