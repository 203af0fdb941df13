//! From PEM texts to a certificate with its key, with errors that say what to do.

use std::io;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::invalid;

/// Reads a chain of certificates, the server's own first, and its key. Messages call the texts by the names of
/// their files.
pub(crate) fn load(
    chain: &[u8],
    key: &[u8],
    chain_name: &str,
    key_name: &str,
) -> io::Result<CertifiedKey> {
    let certificates = certificates(chain, chain_name)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| invalid(format!("{key_name}: {}", no_key(key, &error))))?;
    let provider = ring::default_provider();
    let count = certificates.len();
    let signing = provider.key_provider.load_private_key(key);
    let signing = signing.map_err(|error| {
        invalid(format!(
            "{key_name}: a key that cannot be used: {error}; use one of RSA, ECDSA (P-256, P-384) or Ed25519"
        ))
    })?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            let order = match count {
                1 => "",
                _ => "; the server's own certificate must be the first of its chain",
            };
            Err(invalid(format!(
                "{key_name}: the key is not that of the certificate in {chain_name}: give each certificate \
                 with its own key{order}"
            )))
        }
        Err(error) => Err(invalid(format!(
            "{chain_name}: the certificate cannot be read: {error}"
        ))),
    }
}

fn certificates(text: &[u8], name: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let read = read.map_err(|error| invalid(format!("{name}: broken PEM text: {error}")))?;
    if read.is_empty() {
        let what = match PrivateKeyDer::from_pem_slice(text) {
            Ok(_) => {
                "a private key and no certificate: are the two files given in the wrong order?"
            }
            Err(_) => {
                "no certificate: a PEM file has one between BEGIN CERTIFICATE and END CERTIFICATE"
            }
        };
        return Err(invalid(format!("{name}: {what}")));
    }
    Ok(read)
}

/// Says why a text has no key that can be read.
fn no_key(text: &[u8], error: &dyn std::error::Error) -> String {
    let has = |part: &str| text.windows(part.len()).any(|it| it == part.as_bytes());
    match (has("ENCRYPTED"), has("BEGIN CERTIFICATE")) {
        (true, _) => "an encrypted key: decrypt it, as by `openssl pkey -in KEY -out PLAIN`".into(),
        (_, true) => "a certificate and no private key: give the file of its key".into(),
        _ => format!("no private key: {error}"),
    }
}
