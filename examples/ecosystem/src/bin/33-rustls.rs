//! TLS by rustls, with a certificate made for the occasion.
//!
//!     cargo run --bin 33-rustls -- green

use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use switchboard::Stream;
use switchboard_ecosystem::{Failure, serve_for};

fn main() -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let echo = move |stream: Stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await?;
            let (mut from, mut to) = stream.split();
            futures_util::io::copy(&mut from, &mut to).await?;
            to.close().await
        }
    };
    serve_for(echo, async |addr| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = Stream::connect(&addr).await?;
        let name = ServerName::try_from("localhost")?;
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(b"a secret").await?;
        stream.flush().await?;
        let mut back = [0; 8];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"a secret");
        stream.close().await?;
        Ok(())
    })
}
