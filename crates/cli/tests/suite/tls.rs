//! Services with TLS.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use switchboard_net::Stream;
use switchboard_runtime::Model;
use switchboard_tls::{TlsClient, TlsStream};

use crate::ending::{read_until, signal};
use crate::served::{Served, run};

const SITE: [&str; 5] = ["slow-site", "--latency", "1ms", "--listen", "127.0.0.1:0"];

fn site(arguments: &[&str]) -> Served {
    Served::start(&[&SITE, arguments].concat(), None)
}

/// Does `ask` over a connection with TLS, for whose certificate nobody vouches.
fn with_tls<T>(served: &Served, protocol: &str, ask: impl AsyncFn(TlsStream) -> T) -> T {
    let asked = Model::Blocking.run(async {
        let stream = Stream::connect(&*served.addr).await.unwrap();
        let client = TlsClient::insecure().unwrap().protocols(&[protocol]);
        ask(client.connect("localhost", stream).await.unwrap()).await
    });
    asked.unwrap()
}

async fn get(mut stream: TlsStream) -> String {
    let request = b"GET /page/7 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    loop {
        let chunk = stream.recv().await.unwrap();
        if chunk.is_empty() {
            return text;
        }
        text += std::str::from_utf8(&chunk).unwrap();
    }
}

#[test]
fn every_model_serves_with_tls() {
    for model in Model::ALL {
        if model == Model::Callbacks {
            println!("skip: {model}: never: it runs no async functions");
            continue;
        }
        let served = site(&["--self-signed", "--model", &model.to_string()]);
        let text = with_tls(&served, "http/1.1", get);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{model}: {text}");
        assert!(text.contains("temperature: "), "{model}: {text}");
        let agreed = with_tls(&served, "h2", async |stream| stream.alpn() == Some(b"h2"));
        assert!(agreed, "{model}");
    }
}

#[test]
fn clients_without_tls_are_told() {
    let mut served = site(&["--self-signed", "--redirect-http", "127.0.0.1:0"]);
    let mut line = String::new();
    served.stderr.read_line(&mut line).unwrap();
    let redirect = line
        .trim()
        .rsplit_once("http://")
        .expect(&line)
        .1
        .to_owned();
    let port = served.addr.rsplit_once(':').unwrap().1;
    let ask = |addr: &str| {
        let mut stream = TcpStream::connect(addr).unwrap();
        let request =
            b"GET /page/1?q HTTP/1.1\r\nhost: example.org:80\r\nconnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = ask(&redirect);
    assert!(text.starts_with("HTTP/1.1 308 "), "{text}");
    let location = format!("location: https://example.org:{port}/page/1?q\r\n");
    assert!(text.contains(&location), "{text}");
    let text = ask(&served.addr);
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert!(text.ends_with("use https.\n"), "{text}");
    let log = served.stop();
    assert!(log.contains("speaks plain text"), "{log}");
}

/// Certificates in a folder that is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("switchboard-cli-tls-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// Writes a certificate for `host` and its key. Returns their paths.
    fn certificate(&self, host: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let write = |path: &Path, text: &str| {
            fs::write(path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        (
            write(&self.0.join(format!("{host}.pem")), &made.cert.pem()),
            write(
                &self.0.join(format!("{host}.key")),
                &made.signing_key.serialize_pem(),
            ),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn each_host_has_its_certificate() {
    let folder = Folder::new("hosts");
    let (one, two) = (
        folder.certificate("one.test"),
        folder.certificate("two.test"),
    );
    let pairs = [&one, &two].map(|(chain, key)| ["--tls-cert", chain, "--tls-key", key]);
    let served = site(&pairs.concat());
    for (host, (chain, _)) in [("one.test", &one), ("two.test", &two), ("three.test", &one)] {
        let client = TlsClient::with_roots_only(&fs::read(chain).unwrap()).unwrap();
        let connected = Model::Blocking.run(async {
            let stream = Stream::connect(&*served.addr).await.unwrap();
            client.connect(host, stream).await.is_ok()
        });
        assert_eq!(connected.unwrap(), host != "three.test", "{host}");
    }
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let (folder, next) = (Folder::new("reload"), Folder::new("next"));
    let (chain, key) = folder.certificate("one.test");
    let (next_chain, next_key) = next.certificate("one.test");
    let mut served = site(&["--tls-cert", &chain, "--tls-key", &key]);
    let reload = |served: &mut Served| {
        signal(served, Signal::HUP);
        read_until(served, "reloaded", &["reload"])
    };
    let trusted = |served: &Served, pem: &[u8]| {
        let client = TlsClient::with_roots_only(pem).unwrap();
        let connected = Model::Blocking.run(async {
            let stream = Stream::connect(&*served.addr).await.unwrap();
            client.connect("one.test", stream).await.is_ok()
        });
        connected.unwrap()
    };
    let old = fs::read(&chain).unwrap();
    // It serves, and so it catches signals.
    assert!(trusted(&served, &old));
    fs::copy(&next_chain, &chain).unwrap();
    let line = reload(&mut served);
    assert!(line.contains("is not that of the certificate in"), "{line}");
    fs::copy(&next_key, &key).unwrap();
    let new = fs::read(&chain).unwrap();
    let line = reload(&mut served);
    assert!(!line.contains("not reloaded"), "{line}");
    assert!(trusted(&served, &new) && !trusted(&served, &old));
}

#[test]
fn wrong_options_say_what_to_do() {
    let folder = Folder::new("wrong");
    let ((one, key), (two, _)) = (
        folder.certificate("one.test"),
        folder.certificate("two.test"),
    );
    for (arguments, text) in [
        (
            &["--tls-cert", &two, "--tls-key", &key][..],
            "is not that of the certificate in",
        ),
        (
            &["--tls-cert", &one, "--tls-cert", &two, "--tls-key", &key],
            "--tls-cert is given 2 times and --tls-key 1 time: give each certificate its key",
        ),
        (&["--tls-cert", &one], "--tls-key <FILE>"),
        (
            &["--tls-cert", "/none.pem", "--tls-key", &key],
            "/none.pem: No such file",
        ),
        (
            &["--redirect-http", "127.0.0.1:0"],
            "there is no TLS to redirect to",
        ),
        (
            &[
                "--self-signed",
                "--redirect-http",
                "127.0.0.1:0",
                "--model",
                "processes",
            ],
            "use another model than processes",
        ),
    ] {
        let output = run(&[&["serve"], &SITE[..], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[test]
fn h2load_gets_all_answers() {
    let tool = Command::new("h2load").arg("--version").output();
    if let Err(error) = tool {
        return println!("skip: HTTP/2 under load: h2load: {error}");
    }
    for (scheme, arguments) in [("https", &["--self-signed"][..]), ("http", &[])] {
        for model in ["threads", "tasks", "green"] {
            let served = site(&[arguments, &["--model", model]].concat());
            let url = format!("{scheme}://{}/page/3", served.addr);
            let output = Command::new("h2load")
                .args(["-n", "1000", "-c", "4", "-m", "20", "-p", "h2c", &url])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let all = "1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout";
            assert!(text.contains(all), "{scheme} {model}: {text}");
        }
    }
}
