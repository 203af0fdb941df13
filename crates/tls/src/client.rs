//! The client's side of a handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use switchboard_net::Stream;

use crate::any::AnyCertificate;
use crate::first::First;
use crate::stream::{BUFFERED, TlsStream};
use crate::{invalid, protocol_list};

/// The settings with which a client connects, for any number of connections. A clone has the same ones.
///
/// The crate's page has an example of a connection.
///
/// ```
/// use switchboard_tls::TlsClient;
///
/// let client = TlsClient::new()?.protocols(&["http/1.1"]);
/// # drop(client);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts Mozilla's root certificates. Parsing them takes time, so make one client and clone it.
    ///
    /// # Errors
    /// `InvalidInput` if rustls refuses its own defaults.
    pub fn new() -> io::Result<TlsClient> {
        TlsClient::trusting(mozilla())
    }

    /// Trusts Mozilla's root certificates, and those in `pem`, a text with at least one.
    ///
    /// # Errors
    /// `InvalidInput` for a text without certificates, and for one that is no root.
    pub fn with_roots(pem: &[u8]) -> io::Result<TlsClient> {
        let mut roots = mozilla();
        add(&mut roots, pem)?;
        TlsClient::trusting(roots)
    }

    /// Trusts the root certificates in `pem` alone, a text with at least one: for servers of one's own. A
    /// server's certificate that it has signed itself is its own root.
    ///
    /// # Errors
    /// Those of [`with_roots`](TlsClient::with_roots).
    pub fn with_roots_only(pem: &[u8]) -> io::Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        add(&mut roots, pem)?;
        TlsClient::trusting(roots)
    }

    /// Trusts whatever certificate a server shows: whoever sits between the two can read and change all that
    /// they say. For trying out, and for networks where nobody can.
    ///
    /// # Errors
    /// `InvalidInput` if rustls refuses its own defaults.
    pub fn insecure() -> io::Result<TlsClient> {
        let mut config = config(RootCertStore::empty())?;
        let any = AnyCertificate(provider());
        config.dangerous().set_certificate_verifier(Arc::new(any));
        Ok(TlsClient(Arc::new(config)))
    }

    fn trusting(roots: RootCertStore) -> io::Result<TlsClient> {
        Ok(TlsClient(Arc::new(config(roots)?)))
    }

    /// Returns a client with rustls's settings, as for certificates of clients.
    pub fn from_config(config: Arc<ClientConfig>) -> TlsClient {
        TlsClient(config)
    }

    /// Sets the protocols that are offered to servers (ALPN), the preferred one first.
    pub fn protocols(mut self, protocols: &[&str]) -> TlsClient {
        Arc::make_mut(&mut self.0).alpn_protocols = protocol_list(protocols);
        self
    }

    /// Makes a handshake with the server `host`, a name or an IP address that its certificate must have, over
    /// a connection to it; the connection itself may be to any address. Waits in the flow's own way, without a
    /// limit. Dropping the future closes the connection.
    ///
    /// # Errors
    /// `InvalidInput` for a host that is neither a name nor an address; `InvalidData` for a certificate that is
    /// not trusted or not the host's, and for a peer that does not speak TLS (around a
    /// [`PlainText`](crate::PlainText) if it speaks text); `UnexpectedEof` if it hangs up; those of
    /// [`Stream::recv`] and [`Stream::write`].
    pub async fn connect(&self, host: &str, stream: Stream) -> io::Result<TlsStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let socket = stream.clone();
        let connector = TlsConnector::from(self.0.clone());
        let handshake = connector.connect_with(name, First::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFERED));
        });
        Ok(TlsStream::new(handshake.await?.into(), socket))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn config(roots: RootCertStore) -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(invalid)?.with_root_certificates(roots);
    Ok(builder.with_no_client_auth())
}

fn mozilla() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> io::Result<()> {
    let mut none = true;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(invalid)?;
        none = false;
    }
    match none {
        true => Err(invalid("no certificate in the PEM text")),
        false => Ok(()),
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}
