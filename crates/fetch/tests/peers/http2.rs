//! Peers with TLS.

use std::io::Write as _;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use switchboard_fetch::{Client, Version};

use crate::support::{Peer, everywhere, page, request};

/// Returns a certificate for `localhost`, and a server's settings with it that offer no protocol.
pub(crate) fn certificate() -> (Vec<u8>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem().into_bytes(), Arc::new(config))
}

/// Answers one request over TLS.
pub(crate) fn tls_peer(config: Arc<ServerConfig>, body: &'static str) -> Peer {
    Peer::serving(1, move |_, stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut tls = StreamOwned::new(session, stream.try_clone().unwrap());
        let request = request(&mut tls);
        tls.write_all(&page(body)).unwrap();
        vec![request]
    })
}

#[test]
fn tls_is_spoken_under_every_model() {
    let (pem, config) = certificate();
    everywhere(|| async {
        let peer = tls_peer(config.clone(), "plain");
        let client = Client::builder().roots(pem.clone()).build();
        let url = format!("https://localhost:{}/", peer.addr.port());
        let response = client.get(&url).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.bytes(10).await.unwrap(), b"plain");
        peer.requests().await;
    });
}
