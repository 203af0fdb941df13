//! The server's side of a handshake.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use rustls::ServerConfig;
use rustls::crypto::ring;
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::certificates::Shown;
use crate::first::First;
use crate::load::load;
use crate::stream::{BUFFERED, TlsStream};
use crate::{invalid, protocol_list};

/// The settings with which a server answers, for any number of connections.
///
/// A server may have several certificates. A client is shown the first one that has the name it asks for
/// (SNI), by itself or for all hosts of its domain (`*.example.org`); else the first of all. TLS 1.2 and 1.3
/// are spoken, and clients that come again resume their session by a ticket. A clone shares the certificates.
///
/// The crate's page has an example of a connection.
///
/// ```
/// use std::time::Duration;
/// use switchboard_tls::TlsServer;
///
/// let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
/// let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?
///     .protocols(&["h2", "http/1.1"])
///     .handshake_limit(Duration::from_secs(5));
/// assert!(server.warnings().is_empty());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    /// None where the settings are rustls's.
    shown: Option<Arc<Shown>>,
    limit: Duration,
}

impl TlsServer {
    /// Shows clients the certificates in `chain`, a PEM text that begins with the server's own, whose key is
    /// in `key`, a PEM text.
    ///
    /// # Errors
    /// `InvalidInput` for texts without a certificate or a key, and for a key that is not the certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> io::Result<TlsServer> {
        TlsServer::from_pems(&[(chain, key)])
    }

    /// Shows clients one of several certificates, each of a chain and a key as in
    /// [`from_pem`](TlsServer::from_pem).
    ///
    /// # Errors
    /// Those of [`from_pem`](TlsServer::from_pem); the text numbers the pairs. `InvalidInput` for no pair.
    pub fn from_pems(pairs: &[(&[u8], &[u8])]) -> io::Result<TlsServer> {
        let load = |(n, (chain, key)): (usize, &(&[u8], &[u8]))| {
            let name = format!("certificate {}", n + 1);
            let loaded = load(chain, key, &name, &format!("key {}", n + 1))?;
            Ok((name, loaded))
        };
        let loaded: io::Result<_> = pairs.iter().enumerate().map(load).collect();
        TlsServer::showing(Shown::new(loaded?)?)
    }

    /// Shows clients one of several certificates, each of a file with its chain and a file with its key, in
    /// PEM. Blocks the thread while it reads.
    ///
    /// # Errors
    /// Those of reading a file, and those of [`from_pem`](TlsServer::from_pem); the text has the file's name,
    /// and says what to do.
    ///
    /// ```
    /// use switchboard_tls::TlsServer;
    ///
    /// let error = TlsServer::from_files(&[("missing.pem", "missing.key")]).unwrap_err();
    /// assert!(error.to_string().starts_with("missing.pem: "));
    /// ```
    pub fn from_files(pairs: &[(impl AsRef<Path>, impl AsRef<Path>)]) -> io::Result<TlsServer> {
        let owned = |path: &dyn AsRef<Path>| -> PathBuf { path.as_ref().to_owned() };
        let files = pairs.iter().map(|(chain, key)| (owned(chain), owned(key)));
        TlsServer::showing(Shown::from_files(files.collect())?)
    }

    fn showing(shown: Shown) -> io::Result<TlsServer> {
        let shown = Arc::new(shown);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.ticketer = ring::Ticketer::new().map_err(invalid)?;
        Ok(TlsServer {
            shown: Some(shown),
            ..TlsServer::from_config(Arc::new(config))
        })
    }

    /// Returns a server with rustls's settings, as for certificates of clients.
    pub fn from_config(config: Arc<ServerConfig>) -> TlsServer {
        TlsServer {
            config,
            shown: None,
            limit: Duration::from_secs(10),
        }
    }

    /// Sets the protocols that may be agreed on (ALPN), the preferred one first, as `["h2", "http/1.1"]`. A
    /// client that knows none of them is refused; one that does not ask is served.
    pub fn protocols(mut self, protocols: &[&str]) -> TlsServer {
        Arc::make_mut(&mut self.config).alpn_protocols = protocol_list(protocols);
        self
    }

    /// Sets the time in which a client must complete its handshake; 10 seconds.
    pub fn handshake_limit(mut self, limit: Duration) -> TlsServer {
        self.limit = limit;
        self
    }

    /// Reads the files of [`from_files`](TlsServer::from_files) again, for this server and its clones.
    /// Handshakes that begin later show the new certificates; connections that are open go on. After an error,
    /// the server shows what it has shown before. Blocks the thread while it reads.
    ///
    /// # Errors
    /// Those of [`from_files`](TlsServer::from_files); `Unsupported` for a server that is not made of files.
    ///
    /// ```
    /// use std::fs;
    /// use switchboard_tls::TlsServer;
    ///
    /// # let folder = std::env::temp_dir().join(format!("switchboard-tls-{}", std::process::id()));
    /// # fs::create_dir_all(&folder)?;
    /// let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    /// let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    /// fs::write(&chain, made.cert.pem())?;
    /// fs::write(&key, made.signing_key.serialize_pem())?;
    /// let server = TlsServer::from_files(&[(&chain, &key)])?;
    /// // A key of another certificate is refused, and the server goes on.
    /// let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    /// fs::write(&key, other.signing_key.serialize_pem())?;
    /// assert!(server.reload().is_err());
    /// fs::write(&chain, other.cert.pem())?;
    /// server.reload()?;
    /// # fs::remove_dir_all(&folder)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reload(&self) -> io::Result<()> {
        match &self.shown {
            Some(shown) => shown.reload(),
            None => Err(unsupported()),
        }
    }

    /// Shows the certificates of `other` from now on, as [`reload`](TlsServer::reload) does with those of
    /// files.
    ///
    /// # Errors
    /// `Unsupported` if one of the two was made [of rustls's settings](TlsServer::from_config).
    pub fn replace(&self, other: &TlsServer) -> io::Result<()> {
        match (&self.shown, &other.shown) {
            (Some(shown), Some(other)) => {
                shown.replace(other);
                Ok(())
            }
            _ => Err(unsupported()),
        }
    }

    /// Returns what the operator should know of the certificates: one that has expired, one that is not valid
    /// yet, one that no client is shown. Each text names the file.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.shown.as_ref().map(|shown| shown.warnings());
        warnings.unwrap_or_default()
    }

    /// Makes a handshake with the client of an accepted connection, within the
    /// [limit](TlsServer::handshake_limit). Waits in the flow's own way. Dropping the future closes the
    /// connection.
    ///
    /// # Errors
    /// `InvalidData` for a client that does not speak TLS, or does not trust the certificate; such an error is
    /// around a [`PlainText`](crate::PlainText) if the client spoke plain HTTP, and nothing was sent to it.
    /// `UnexpectedEof` if it hangs up; `TimedOut` after the limit; those of [`Stream::recv`] and
    /// [`Stream::write`].
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsStream> {
        let socket = stream.clone();
        let acceptor = TlsAcceptor::from(self.config.clone());
        let handshake = acceptor.accept_with(First::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFERED));
        });
        match runtime::timeout(self.limit, handshake).await {
            Ok(accepted) => Ok(TlsStream::new(accepted?.into(), socket)),
            Err(_) => {
                let text = format!(
                    "the client did not complete the TLS handshake in {:?}",
                    self.limit
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }
}

fn unsupported() -> io::Error {
    let text = "the certificates of a server with rustls's settings are rustls's to replace";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("names", &self.shown)
            .finish_non_exhaustive()
    }
}
