//! TLS for the client, by rustls.

use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use switchboard_net::Stream;

use crate::error::{Error, Phase};

/// Creates a connector that trusts Mozilla's root certificates and those in `extra`, a PEM text.
pub(crate) fn connector(extra: Option<&[u8]>) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(extra.unwrap_or_default()) {
        let certificate = certificate.map_err(|error| Error::new(Phase::Tls, error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| Error::new(Phase::Tls, error))?;
        added += 1;
    }
    if extra.is_some() && added == 0 {
        return Err(Error::new(Phase::Tls, "no certificate in the PEM text"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Phase::Tls, error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

pub(crate) async fn connect(
    connector: &TlsConnector,
    host: &str,
    stream: Stream,
) -> Result<TlsStream<Stream>, Error> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| Error::new(Phase::Tls, error))?;
    let connected = connector.connect(name, stream).await;
    connected.map_err(|error| Error::new(Phase::Tls, error))
}
