//! The client's side of a handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use switchboard_net::Stream;

use crate::invalid;
use crate::stream::TlsStream;

/// The settings with which a client connects, for any number of connections. A clone has the same ones.
///
/// The crate's page has an example of a connection.
///
/// ```
/// use switchboard_tls::TlsClient;
///
/// let client = TlsClient::new()?;
/// # drop(client);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TlsClient(TlsConnector);

impl TlsClient {
    /// Trusts Mozilla's root certificates. Parsing them takes time, so make one client and clone it.
    ///
    /// # Errors
    /// `InvalidInput` if rustls refuses its own defaults.
    pub fn new() -> io::Result<TlsClient> {
        TlsClient::with(RootCertStore::empty())
    }

    /// Trusts Mozilla's root certificates, and those in `pem`, a text with at least one.
    ///
    /// # Errors
    /// `InvalidInput` for a text without certificates, and for one that is no root.
    pub fn with_roots(pem: &[u8]) -> io::Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            roots.add(certificate).map_err(invalid)?;
        }
        match roots.is_empty() {
            true => Err(invalid("no certificate in the PEM text")),
            false => TlsClient::with(roots),
        }
    }

    fn with(mut roots: RootCertStore) -> io::Result<TlsClient> {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsClient::from_config(Arc::new(config)))
    }

    /// Returns a client with rustls's settings, as for certificates of clients and for protocols (ALPN).
    pub fn from_config(config: Arc<ClientConfig>) -> TlsClient {
        TlsClient(TlsConnector::from(config))
    }

    /// Makes a handshake with the server `host`, a name or an IP address that its certificate must have, over
    /// a connection to it. Waits in the flow's own way, without a limit. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// `InvalidInput` for a host that is neither a name nor an address; `InvalidData` for a certificate that is
    /// not trusted or not the host's, and for a peer that does not speak TLS; `UnexpectedEof` if it hangs up;
    /// those of [`Stream::recv`] and [`Stream::write`].
    pub async fn connect(&self, host: &str, stream: Stream) -> io::Result<TlsStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let socket = stream.clone();
        let connected = self.0.connect(name, stream).await?;
        Ok(TlsStream::new(connected.into(), socket))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}
