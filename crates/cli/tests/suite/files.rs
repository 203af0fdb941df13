//! `serve files` under every model, driver and kind of workers, as clients see it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use switchboard_runtime::Style;

use crate::ending::{read_until, signal};
use crate::matrix::rows;
use crate::served::Served;

const LONG: usize = 3_000_000;

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("serve-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("small.txt"), "small").unwrap();
        fs::write(path.join("long.bin"), long()).unwrap();
        Folder(path)
    }

    fn serve(&self, arguments: &[&str]) -> Served {
        let dir = self.0.to_str().unwrap();
        let listen = ["files", dir, "--listen", "127.0.0.1:0"];
        Served::start(&[&listen, arguments].concat(), None)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn long() -> Vec<u8> {
    (0..LONG).map(|at| (at % 251) as u8).collect()
}

/// A client's connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(addr: &str) -> Client {
        Client(BufReader::new(TcpStream::connect(addr).unwrap()))
    }

    fn send(&mut self, method: &str, path: &str, fields: &[&str]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n");
        for field in fields {
            head += &format!("{field}\r\n");
        }
        head += "\r\n";
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
    }

    /// Returns the head of an answer in lower case, and its length.
    fn head(&mut self) -> (String, usize) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_ascii_lowercase();
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        (head, length)
    }

    fn ask(&mut self, method: &str, path: &str, fields: &[&str]) -> (String, Vec<u8>) {
        self.send(method, path, fields);
        let (head, length) = self.head();
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn files_come_whole_and_in_parts_under_every_model() {
    let folder = Folder::new("matrix");
    let long = long();
    for row in rows(Style::Async) {
        let served = folder.serve(&[&row[..], &["--access-log", "combined"]].concat());
        let mut client = Client::connect(&served.addr);
        let (head, body) = client.ask("GET", "/small.txt", &["user-agent: a\"b"]);
        assert!(head.starts_with("http/1.1 200"), "{row:?}: {head}");
        assert_eq!(body, b"small", "{row:?}");
        let tag = field(&head, "etag").unwrap();
        let fresh = format!("if-none-match: {tag}");
        let (head, _) = client.ask("GET", "/small.txt", &[&fresh]);
        assert!(head.starts_with("http/1.1 304"), "{row:?}: {head}");
        let (head, body) = client.ask("GET", "/long.bin", &[]);
        assert!(body == long, "{row:?}: {head}");
        let (head, body) = client.ask("GET", "/long.bin", &["range: bytes=1000000-2499999"]);
        assert!(head.starts_with("http/1.1 206"), "{row:?}: {head}");
        assert!(body == long[1_000_000..2_500_000], "{row:?}: {head}");
        let (head, body) = client.ask("GET", "/long.bin", &["range: bytes=0-99999,200000-299999"]);
        assert!(head.starts_with("http/1.1 206"), "{row:?}: {head}");
        let found = body
            .windows(100_000)
            .any(|part| *part == long[200_000..300_000]);
        assert!(found, "{row:?}: {head}");
        let parts = body.len();
        let (head, body) = client.ask("HEAD", "/long.bin", &[]);
        assert_eq!(field(&head, "content-length"), Some("3000000"), "{row:?}");
        assert!(body.is_empty());
        let (head, body) = client.ask("GET", "/", &["accept: application/json"]);
        assert!(head.starts_with("http/1.1 200"), "{row:?}: {head}");
        let list: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(list["entries"][0]["name"], "long.bin", "{row:?}");
        drop(client);
        let log = served.stop();
        for end in [
            "\"GET /small.txt HTTP/1.1\" 200 5 \"-\" \"a\\x22b\"".to_owned(),
            "\"GET /small.txt HTTP/1.1\" 304 0 \"-\" \"-\"".to_owned(),
            "\"GET /long.bin HTTP/1.1\" 200 3000000 \"-\" \"-\"".to_owned(),
            "\"GET /long.bin HTTP/1.1\" 206 1500000 \"-\" \"-\"".to_owned(),
            format!("\"GET /long.bin HTTP/1.1\" 206 {parts} \"-\" \"-\""),
            "\"HEAD /long.bin HTTP/1.1\" 200 0 \"-\" \"-\"".to_owned(),
        ] {
            let mut lines = log.lines();
            let found =
                lines.any(|line| line.starts_with("127.0.0.1 - - [") && line.ends_with(&end));
            assert!(found, "{row:?}: {end}: {log}");
        }
        assert_eq!(log.matches(" HTTP/1.1\" ").count(), 7, "{row:?}: {log}");
    }
}

#[test]
fn a_download_goes_on_after_its_server_was_killed() {
    let folder = Folder::new("resumed");
    let mut served = folder.serve(&[]);
    let mut client = Client::connect(&served.addr);
    client.send("GET", "/long.bin", &[]);
    let (head, _) = client.head();
    let tag = field(&head, "etag").unwrap().to_owned();
    let mut got = vec![0; 100_000];
    client.0.read_exact(&mut got).unwrap();
    served.child.kill().unwrap();
    // What was under way comes, or a reset.
    let _ = client.0.read_to_end(&mut got);
    let served = folder.serve(&[]);
    let mut client = Client::connect(&served.addr);
    if got.len() < LONG {
        let range = format!("range: bytes={}-", got.len());
        let (head, rest) = client.ask("GET", "/long.bin", &[&range, &format!("if-range: {tag}")]);
        assert!(head.starts_with("http/1.1 206"), "{head}");
        got.extend(rest);
    }
    assert!(got == long());
    let (head, _) = client.ask("GET", "/long.bin", &["range: bytes=3000000-"]);
    assert_eq!(field(&head, "content-range"), Some("bytes */3000000"));
}

#[test]
fn a_file_that_becomes_shorter_is_cut_and_never_padded() {
    let folder = Folder::new("shorter");
    let path = folder.0.join("shrinking.bin");
    for row in rows(Style::Async) {
        // Larger than what sockets hold, so that a part is unsent when the file is cut.
        let length = 64 << 20;
        let file = File::create(&path).unwrap();
        file.set_len(length).unwrap();
        let served = folder.serve(&[&row[..], &["--access-log", "json"]].concat());
        let mut client = Client::connect(&served.addr);
        client.send("GET", "/shrinking.bin", &[]);
        assert_eq!(client.head().1 as u64, length, "{row:?}");
        file.set_len(1000).unwrap();
        let mut got = Vec::new();
        let _ = client.0.read_to_end(&mut got);
        assert!((got.len() as u64) < length, "{row:?}");
        drop(client);
        let log = served.stop();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.next().unwrap_or_else(|| panic!("{row:?}: {log}"));
        assert_eq!(
            (&line["status"], &line["end"]),
            (&200.into(), &"cut".into()),
            "{row:?}: {log}"
        );
        assert!(line["bytes"].as_u64().unwrap() < length, "{row:?}: {log}");
        assert_eq!(
            (&line["path"], &line["method"]),
            (&"/shrinking.bin".into(), &"GET".into())
        );
    }
}

#[test]
fn figures_count_requests_and_health_is_told() {
    let folder = Folder::new("figures");
    let mut served = folder.serve(&["--metrics", "127.0.0.1:0"]);
    let line = read_until(&mut served, "figures at http://", &[]);
    let (_, addr) = line.trim().split_once("http://").unwrap();
    let addr = addr.strip_suffix("/metrics").unwrap();
    let mut client = Client::connect(&served.addr);
    for path in ["/small.txt", "/small.txt", "/none"] {
        client.ask("GET", path, &[]);
    }
    let mut figures = Client::connect(addr);
    let (head, body) = figures.ask("GET", "/health", &[]);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, b"ok\n");
    let (_, body) = figures.ask("GET", "/metrics", &[]);
    let body = String::from_utf8(body).unwrap();
    for line in [
        "switchboard_http_requests_total{status=\"2xx\"} 2",
        "switchboard_http_requests_total{status=\"4xx\"} 1",
        "switchboard_http_requests_total{status=\"unanswered\"} 0",
    ] {
        assert!(body.lines().any(|found| found == line), "{line}: {body}");
    }
}

#[test]
fn a_password_is_asked_for() {
    let folder = Folder::new("password");
    let users = folder.0.join("users");
    // The password is `secret`.
    let line = "anna:$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG\n";
    fs::write(&users, line).unwrap();
    for row in rows(Style::Async) {
        let served = folder.serve(&[&row[..], &["--auth-file", users.to_str().unwrap()]].concat());
        let mut client = Client::connect(&served.addr);
        let (head, _) = client.ask("GET", "/small.txt", &[]);
        assert!(head.starts_with("http/1.1 401"), "{row:?}: {head}");
        assert!(
            field(&head, "www-authenticate").is_some(),
            "{row:?}: {head}"
        );
        let right = "authorization: Basic YW5uYTpzZWNyZXQ=";
        for _ in 0..2 {
            let (head, body) = client.ask("GET", "/small.txt", &[right]);
            assert!(head.starts_with("http/1.1 200"), "{row:?}: {head}");
            assert_eq!(body, b"small");
        }
    }
}

#[test]
fn users_are_read_again_on_sighup() {
    let folder = Folder::new("users");
    let users = folder.0.join("users");
    // The passwords are `secret`.
    let hash = "$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG";
    fs::write(&users, format!("anna:{hash}\n")).unwrap();
    let mut served = folder.serve(&["--auth-file", users.to_str().unwrap()]);
    let addr = served.addr.clone();
    let is_let_in = |credentials: &str| {
        let field = format!("authorization: Basic {credentials}");
        let (head, _) = Client::connect(&addr).ask("GET", "/small.txt", &[&field]);
        head.starts_with("http/1.1 200")
    };
    let (anna, bert) = ("YW5uYTpzZWNyZXQ=", "YmVydDpzZWNyZXQ=");
    assert!(is_let_in(anna) && !is_let_in(bert));
    for (text, told) in [
        (
            format!("bert:{hash}\nanna:secret\n"),
            ["users: line 2: ", "htpasswd -B"],
        ),
        (String::new(), ["users: no users", "htpasswd -B"]),
    ] {
        fs::write(&users, text).unwrap();
        signal(&served, Signal::HUP);
        let line = read_until(&mut served, "not reloaded", &["reload"]);
        assert!(told.iter().all(|part| line.contains(part)), "{line}");
        assert!(is_let_in(anna) && !is_let_in(bert));
    }
    fs::write(&users, format!("bert:{hash}\n")).unwrap();
    signal(&served, Signal::HUP);
    let line = read_until(&mut served, "reloaded", &["reload"]);
    assert!(!line.contains("not reloaded"), "{line}");
    assert!(!is_let_in(anna) && is_let_in(bert));
}

#[test]
fn text_has_the_charset_that_is_asked_for() {
    let folder = Folder::new("charset");
    for (options, kind) in [
        (&[][..], "text/plain; charset=utf-8"),
        (
            &["--charset", "iso-8859-1"],
            "text/plain; charset=iso-8859-1",
        ),
        (&["--charset", "none"], "text/plain"),
    ] {
        let served = folder.serve(options);
        let (head, _) = Client::connect(&served.addr).ask("GET", "/small.txt", &[]);
        assert_eq!(field(&head, "content-type"), Some(kind), "{head}");
    }
}
