//! A table of odd servers: what `fetch` makes of the exact bytes that each sends, under every model.

mod bodies;
mod encodings;
mod heads;
mod outputs;
mod redirects;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use switchboard_runtime::{Model, Style};

use crate::served::run;

/// What a server sends, and what `fetch` should say to it.
struct Row {
    name: &'static str,
    /// A target of requests, and the bytes that it is answered with. Another target is answered with 404.
    answers: Vec<(&'static str, Vec<u8>)>,
    options: Vec<&'static str>,
    expected: Expected,
}

/// In texts, `URL` stands for that of the page and `HOST` for its host and port.
enum Expected {
    /// The line on stdout, and 0 as exit status.
    Line(String),
    /// A part of the line on stderr, and 1 as exit status.
    Error(&'static str),
    /// The whole stdout, and the exit status.
    Output(&'static str, i32),
}

/// Returns a row about the text between `<t>` and `</t>` of a page.
fn text(name: &'static str, answer: impl Into<Vec<u8>>, text: &str) -> Row {
    Row {
        name,
        answers: vec![("/", answer.into())],
        options: vec!["--extract", "(?s)<t>(.*)</t>"],
        expected: Expected::Line(format!("URL, {text}")),
    }
}

/// Returns a row about a page that fails.
fn error(name: &'static str, answer: impl Into<Vec<u8>>, part: &'static str) -> Row {
    Row {
        expected: Expected::Error(part),
        ..text(name, answer, "")
    }
}

impl Row {
    fn options(mut self, options: &[&'static str]) -> Row {
        self.options = options.to_vec();
        self
    }

    /// Adds an answer to requests for another target.
    fn and(mut self, target: &'static str, answer: impl Into<Vec<u8>>) -> Row {
        self.answers.push((target, answer.into()));
        self
    }
}

/// Returns an answer with a length, whose head has `fields`, each with its line break.
pub(crate) fn page(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let head = [b"HTTP/1.1 200 OK\r\n", fields.as_ref()].concat();
    [&head[..], length.as_bytes(), body].concat()
}

/// Answers every connection until the process ends, one request each. Of several answers to one target, each request
/// gets the next one, and the last is repeated.
pub(crate) struct Peer {
    pub(crate) host: String,
    /// The heads of the requests that have come.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    pub(crate) fn start(answers: Vec<(&'static str, Vec<u8>)>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heads, authority) = (requests.clone(), host.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that hangs up early is none of the server's business.
                let _ = serve(stream.unwrap(), &authority, &answers, &heads);
            }
        });
        Peer { host, requests }
    }
}

fn serve(
    mut stream: TcpStream,
    authority: &str,
    answers: &[(&'static str, Vec<u8>)],
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let mut head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let length = head.to_ascii_lowercase();
    let length = length
        .split_once("content-length: ")
        .map(|(_, rest)| rest.lines().next());
    let mut body = vec![0; length.flatten().map_or(0, |it| it.parse().unwrap())];
    stream.read_exact(&mut body)?;
    head += &String::from_utf8_lossy(&body);
    let begin = |head: &String| head.split(' ').nth(1) == Some(&*target);
    let mut heads = heads.lock().unwrap();
    let earlier = heads.iter().filter(|head| begin(head)).count();
    heads.push(head);
    drop(heads);
    let all: Vec<_> = answers.iter().filter(|(it, _)| *it == target).collect();
    let answer = all.get(earlier).or(all.last());
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let answer = answer.map_or(&missing[..], |it| &it.1);
    stream.write_all(&replaced(answer, authority))?;
    stream.shutdown(Shutdown::Write)?;
    // Closing earlier would reset the connection, if the client has sent more.
    while stream.read(&mut [0; 512])? > 0 {}
    Ok(())
}

/// Returns bytes in which the word HOST is the server's own.
fn replaced(answer: &[u8], authority: &str) -> Vec<u8> {
    let mut bytes = answer.to_vec();
    while let Some(at) = bytes.windows(4).position(|it| it == b"HOST") {
        bytes.splice(at..at + 4, authority.bytes());
    }
    bytes
}

/// The models that run an async function.
pub(crate) fn models() -> impl Iterator<Item = Model> {
    Model::ALL
        .into_iter()
        .filter(|model| model.runs(Style::Async).is_ok())
}

fn check(row: &Row, model: Model) {
    let peer = Peer::start(row.answers.clone());
    let url = format!("http://{}/", peer.host);
    let arguments = ["fetch", "--model", model.name(), &url];
    let output = run(&[&arguments, &row.options[..]].concat());
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let what = format!("{} under {model}: {out:?}, {err:?}", row.name);
    let filled = |text: &str| text.replace("URL", &url).replace("HOST", &peer.host);
    let code = match &row.expected {
        Expected::Line(line) => {
            assert_eq!(out, filled(line) + "\n", "{what}");
            0
        }
        Expected::Error(part) => {
            let begin = format!("error for {url} ({url}): {part}");
            let line = err.split_inclusive('\n').next().unwrap_or_default();
            assert!(line.starts_with(&begin) && out.is_empty(), "{what}");
            assert!(!line.trim_end().contains(char::is_control), "{what}");
            1
        }
        Expected::Output(text, code) => {
            assert_eq!(out, filled(text), "{what}");
            *code
        }
    };
    assert_eq!(output.status.code(), Some(code), "{what}");
    assert!(!peer.requests.lock().unwrap().is_empty(), "{what}");
}

/// Checks rows under every model.
fn check_all(rows: &[Row]) {
    for row in rows {
        for model in models() {
            check(row, model);
        }
    }
    println!("{} rows", rows.len());
}
