//! What a server shows to which client.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Model};
use switchboard_tls::rustls::crypto::ring;
use switchboard_tls::rustls::{ClientConfig, RootCertStore, version};
use switchboard_tls::{TlsClient, TlsServer, TlsStream};

use super::Way;

/// A certificate for `hosts` that signs itself, and its key, as PEM texts.
fn made(hosts: &[&str]) -> (String, String) {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// The limit of a handshake, which a slow machine does not reach.
const LONG: Duration = Duration::from_secs(600);

fn server(pairs: &[&(String, String)]) -> TlsServer {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(pem, key)| (pem.as_bytes(), key.as_bytes()))
        .collect();
    TlsServer::from_pems(&pairs).unwrap().handshake_limit(LONG)
}

fn trusting((pem, _): &(String, String)) -> TlsClient {
    TlsClient::with_roots_only(pem.as_bytes()).unwrap()
}

/// Makes the handshakes of both sides.
async fn meet(
    client: &TlsClient,
    host: &str,
    server: &TlsServer,
) -> std::io::Result<(TlsStream, TlsStream)> {
    let (here, there) = Stream::pair()?;
    let met = runtime::join(client.connect(host, here), server.accept(there)).await;
    Ok((met.0?, met.1?))
}

/// Sends a byte each way, and with it all that follows a handshake.
async fn talk((client, server): &mut (TlsStream, TlsStream)) {
    client.write_all(b"?").await.unwrap();
    assert_eq!(&*server.recv().await.unwrap(), b"?");
    server.write_all(b"!").await.unwrap();
    assert_eq!(&*client.recv().await.unwrap(), b"!");
}

pub(super) fn each_host_gets_its_certificate(way: Way) {
    let (first, wild, both) = (
        made(&["first.example"]),
        made(&["*.wild.example"]),
        made(&["one.example", "under.wild.example"]),
    );
    let server = server(&[&first, &wild, &both]);
    way.run(async {
        for (host, own) in [
            ("first.example", &first),
            ("FIRST.example", &first),
            ("any.wild.example", &wild),
            ("one.example", &both),
            // By itself, before the one for all hosts.
            ("under.wild.example", &both),
        ] {
            let met = meet(&trusting(own), host, &server).await.unwrap();
            assert_eq!(met.1.server_name(), Some(&*host.to_ascii_lowercase()));
        }
        for host in [
            "wild.example",
            "a.b.wild.example",
            "example.org",
            "127.0.0.1",
        ] {
            let anybody = TlsClient::insecure().unwrap();
            let (client, _server) = meet(&anybody, host, &server).await.unwrap();
            let shown = client.peer_certificates()[0].clone();
            let (client, _server) = meet(&trusting(&first), "first.example", &server)
                .await
                .unwrap();
            assert_eq!(shown, client.peer_certificates()[0], "{host}");
        }
    });
}

pub(super) fn a_protocol_is_agreed_on(way: Way) {
    let own = made(&["localhost"]);
    let server = server(&[&own]).protocols(&["h2", "http/1.1"]);
    way.run(async {
        for (offered, agreed) in [
            (&["h2"][..], Some(&b"h2"[..])),
            (&["http/1.1", "h2"], Some(b"h2")),
            (&["http/1.0", "http/1.1"], Some(b"http/1.1")),
            (&[], None),
        ] {
            let client = trusting(&own).protocols(offered);
            let (client, server) = meet(&client, "localhost", &server).await.unwrap();
            assert_eq!((client.alpn(), server.alpn()), (agreed, agreed));
        }
        let client = trusting(&own).protocols(&["smtp"]);
        let error = meet(&client, "localhost", &server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

pub(super) fn both_versions_are_spoken(way: Way) {
    let own = made(&["localhost"]);
    let server = server(&[&own]);
    way.run(async {
        for version in [&version::TLS12, &version::TLS13] {
            let mut roots = RootCertStore::empty();
            let anybody = TlsClient::insecure().unwrap();
            let (shown, _server) = meet(&anybody, "localhost", &server).await.unwrap();
            roots.add(shown.peer_certificates()[0].clone()).unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let client = TlsClient::from_config(Arc::new(config));
            for resumed in [false, true] {
                let mut met = meet(&client, "localhost", &server).await.unwrap();
                talk(&mut met).await;
                assert_eq!(met.1.is_resumed(), resumed, "{version:?}");
            }
        }
    });
}

pub(super) fn sessions_are_resumed(way: Way) {
    let (own, new) = (made(&["localhost"]), made(&["localhost"]));
    let server = server(&[&own]);
    let client = trusting(&own);
    way.run(async {
        for resumed in [false, true, true] {
            let mut met = meet(&client, "localhost", &server).await.unwrap();
            talk(&mut met).await;
            assert_eq!((met.0.is_resumed(), met.1.is_resumed()), (resumed, resumed));
        }
        // Tickets outlive certificates.
        server.replace(&self::server(&[&new])).unwrap();
        let met = meet(&client, "localhost", &server).await.unwrap();
        assert!(met.1.is_resumed());
        assert!(meet(&trusting(&own), "localhost", &server).await.is_err());
    });
}

/// The files of a certificate and its key, in a folder that is removed with this value.
struct Files(PathBuf);

impl Files {
    fn new() -> Files {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-tls-{}-{n}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Files(folder)
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        (self.0.join("chain.pem"), self.0.join("key.pem"))
    }

    fn write(&self, chain: &str, key: &str) {
        let (chain_path, key_path) = self.paths();
        fs::write(chain_path, chain).unwrap();
        fs::write(key_path, key).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn certificates_are_replaced_while_connections_are_open(way: Way) {
    let (old, new) = (made(&["localhost"]), made(&["localhost"]));
    let files = Files::new();
    files.write(&old.0, &old.1);
    let server = TlsServer::from_files(&[files.paths()]).unwrap();
    let server = server.handshake_limit(LONG);
    let clone = server.clone().protocols(&["h2"]);
    way.run(async {
        let mut open = meet(&trusting(&old), "localhost", &server).await.unwrap();
        // A wrong pair is refused.
        files.write(&new.0, &old.1);
        assert_eq!(server.reload().unwrap_err().kind(), ErrorKind::InvalidInput);
        files.write(&new.0, "");
        assert_eq!(server.reload().unwrap_err().kind(), ErrorKind::InvalidInput);
        fs::remove_file(files.paths().1).unwrap();
        assert_eq!(server.reload().unwrap_err().kind(), ErrorKind::NotFound);
        meet(&trusting(&old), "localhost", &clone).await.unwrap();
        files.write(&new.0, &new.1);
        server.reload().unwrap();
        meet(&trusting(&new), "localhost", &server).await.unwrap();
        meet(&trusting(&new), "localhost", &clone).await.unwrap();
        assert!(meet(&trusting(&old), "localhost", &server).await.is_err());
        talk(&mut open).await;
    });
}

pub(super) fn a_client_trusts_what_it_is_told_to(way: Way) {
    let (own, other) = (made(&["localhost", "127.0.0.1"]), made(&["localhost"]));
    let server = server(&[&own]);
    way.run(async {
        let trusting = trusting(&own);
        meet(&trusting, "127.0.0.1", &server).await.unwrap();
        let both = [own.0.as_bytes(), other.0.as_bytes()].concat();
        let both = TlsClient::with_roots_only(&both).unwrap();
        meet(&both, "localhost", &server).await.unwrap();
        let anybody = TlsClient::insecure().unwrap();
        meet(&anybody, "example.org", &server).await.unwrap();
        for (client, host) in [
            (self::trusting(&other), "localhost"),
            (trusting, "example.org"),
        ] {
            let error = meet(&client, host, &server).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    });
}

/// Under `sim`, whose time leaps over the limit, so that the test takes none.
#[test]
fn a_handshake_has_a_limit() {
    let (pem, key) = made(&["localhost"]);
    let default = TlsServer::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
    let short = default.clone().handshake_limit(Duration::from_secs(2));
    Way(Model::Tasks, Driver::Sim).run(async {
        for (server, seconds) in [(default, 10), (short, 2)] {
            let (_silent, there) = Stream::pair().unwrap();
            let start = runtime::now();
            let error = server.accept(there).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert_eq!(runtime::now() - start, Duration::from_secs(seconds));
        }
    });
}

#[test]
fn errors_name_the_file_and_say_what_to_do() {
    let (own, other) = (made(&["localhost"]), made(&["localhost"]));
    let chain = format!("{}{}", other.0, own.0);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate, key, file, text) in [
        (
            &*own.0,
            &*other.1,
            "key.pem",
            "is not that of the certificate",
        ),
        (
            &*chain,
            &*own.1,
            "key.pem",
            "must be the first of its chain",
        ),
        (&*own.1, &*own.0, "chain.pem", "in the wrong order?"),
        ("", &*own.1, "chain.pem", "no certificate"),
        (
            &*own.0,
            &*own.0,
            "key.pem",
            "a certificate and no private key",
        ),
        (&*own.0, "", "key.pem", "no private key"),
        (&*own.0, encrypted, "key.pem", "decrypt it"),
    ] {
        let files = Files::new();
        files.write(certificate, key);
        let error = TlsServer::from_files(&[files.paths()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let path = files.0.join(file).display().to_string();
        assert!(error.to_string().starts_with(&path), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let none: &[(&str, &str)] = &[];
    let error = TlsServer::from_files(none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_operator_is_warned() {
    let key = KeyPair::generate().unwrap();
    let pair = |hosts: &[&str], years: std::ops::Range<i32>| {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let server = server(&[
        &pair(&["one.example"], 1990..4000),
        &pair(&["two.example"], 1990..2001),
        &pair(&["three.example"], 3000..4000),
        &pair(&["127.0.0.1"], 1990..4000),
    ]);
    let warnings = server.warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, text) in warnings.iter().zip([
        "certificate 2: the certificate expired ",
        "certificate 3: the certificate is not valid yet",
        "certificate 4: the certificate names no host",
    ]) {
        assert!(warning.starts_with(text), "{warning}");
    }
}
