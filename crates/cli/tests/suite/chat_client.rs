//! `switchboard chat` by pipes, against `switchboard serve chat`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};

use crate::served::{BINARY, Served};

pub(crate) fn serve(arguments: &[&str]) -> Served {
    serve_at("127.0.0.1:0", arguments)
}

/// Starts a server at an address. Clients that connect to a port of 127.0.0.2 never get that port themselves, so that the
/// server finds it free when it is started again.
fn serve_at(addr: &str, arguments: &[&str]) -> Served {
    Served::start(&[&["chat", "--listen", addr], arguments].concat(), None)
}

/// A folder that is removed with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let name = format!("switchboard-cli-chat-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        written(&path)
    }
}

fn written(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A client that runs.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
}

pub(crate) fn command(url: &str, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["chat", url, "--name", name, "--room", "tea"]);
    command.args(arguments).env_remove("SWITCHBOARD_CHAT_TOKEN");
    command
}

impl Client {
    pub(crate) fn start(server: &Served, name: &str) -> Client {
        let url = format!("http://{}/", server.addr);
        let mut child = command(&url, name, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Client {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{text}").unwrap();
    }

    /// Returns the next message without its time.
    pub(crate) fn heard(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        let text = line.trim_end();
        text.split_once(' ').unwrap_or((text, "")).1.to_owned()
    }

    /// Waits for a remark that holds `part`.
    fn until(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the client ended before {part:?}");
        }
    }

    /// Ends the input. Returns what is left of the output, and how the client has ended.
    fn end(mut self) -> (String, String, Option<i32>) {
        drop(self.stdin.take());
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout
            .as_mut()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        self.stderr.read_to_string(&mut err).unwrap();
        (out, err, self.child.wait().unwrap().code())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a client that says `lines`. Returns its output, its remarks and its status.
pub(crate) fn say(
    url: &str,
    name: &str,
    arguments: &[&str],
    lines: &[u8],
) -> (String, String, Option<i32>) {
    let mut child = command(url, name, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that is refused does not read.
    let _ = child.stdin.take().unwrap().write_all(lines);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

#[test]
fn two_clients_talk_by_pipes() {
    let server = serve(&[]);
    let [mut ann, mut ben] = ["ann", "ben"].map(|name| Client::start(&server, name));
    for (speaker, text) in [
        (true, "hello"),
        (false, "hello, ann"),
        (true, "/no command"),
    ] {
        let (client, name) = if speaker {
            (&mut ann, "ann")
        } else {
            (&mut ben, "ben")
        };
        client.say(text);
        let expected = format!("#tea {name}: {text}");
        assert_eq!([ann.heard(), ben.heard()], [&*expected; 2]);
    }
    for client in [ann, ben] {
        assert_eq!(client.end(), (String::new(), String::new(), Some(0)));
    }
    server.stop();
}

#[test]
fn all_lines_are_acknowledged_before_the_end() {
    let server = serve(&[]);
    let url = format!("ws://{}", server.addr);
    // More than the server permits at once, so the client takes its time.
    let lines: String = (0..75).map(|number| format!("line {number}\n")).collect();
    let (out, err, status) = say(&url, "ann", &[], format!("{lines}\nthe last").as_bytes());
    assert_eq!((err.as_str(), status), ("", Some(0)));
    let heard = out.lines().map(|line| line.split_once(": ").unwrap().1);
    assert_eq!(
        heard.collect::<Vec<_>>().join("\n"),
        format!("{lines}the last")
    );
    // Nothing is to be said, and what was said is shown all the same; the name is free at once.
    let (again, _, status) = say(&url, "ann", &[], b"");
    assert_eq!((again, status), (out, Some(0)));
    server.stop();
}

#[test]
fn what_is_no_message_is_refused_and_the_rest_is_said() {
    let server = serve(&["--text", "100"]);
    let url = format!("ws://{}/ws", server.addr);
    let long = "x".repeat(101);
    let lines = [b"first\n", long.as_bytes(), b"\n\xff\nlast\n"].concat();
    let (out, err, status) = say(&url, "ann", &[], &lines);
    let heard: Vec<_> = out
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        (&*heard, status),
        (&["first", "last"][..], Some(1)),
        "{err}"
    );
    assert!(err.contains("a text has at most 100 bytes"), "{err}");
    assert!(err.contains("a line is not UTF-8"), "{err}");
    server.stop();
}

/// The server is killed, others speak to the next one first, and the client says again what nobody has heard.
#[test]
fn a_client_comes_back_to_a_server_that_was_killed() {
    let folder = Folder::new("killed");
    let data = written(&folder.0.join("chat.redb"));
    let mut server = serve_at("127.0.0.2:0", &["--data", &data]);
    let addr = server.addr.clone();
    let mut ann = Client::start(&server, "ann");
    ann.say("before");
    assert_eq!(ann.heard(), "#tea ann: before");
    for round in 0..3 {
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        ann.until("connection lost");
        let waits = format!("meanwhile {round}");
        ann.say(&waits);
        server = serve_at(&addr, &["--data", &data]);
        let others: Vec<_> = (0..20).map(|number| format!("{round}-{number}")).collect();
        let (_, err, status) = say(&addr, "ben", &[], others.join("\n").as_bytes());
        assert_eq!((err.as_str(), status), ("", Some(0)));
        ann.until("connected again");
        let mut expected: Vec<_> = others
            .iter()
            .map(|text| format!("#tea ben: {text}"))
            .collect();
        expected.push(format!("#tea ann: {waits}"));
        let mut heard: Vec<_> = expected.iter().map(|_| ann.heard()).collect();
        // Only the place of its own message among the others depends on when it has come back.
        let own = heard.iter().position(|text| *text == expected[20]);
        let own = heard.remove(own.unwrap_or_else(|| panic!("{heard:?}")));
        heard.push(own);
        assert_eq!(heard, expected);
    }
    let (out, err, status) = ann.end();
    assert_eq!((out.as_str(), err.as_str(), status), ("", "", Some(0)));
    server.stop();
}

#[test]
fn lost_history_is_told() {
    let mut server = serve_at("127.0.0.2:0", &[]);
    let addr = server.addr.clone();
    let mut ann = Client::start(&server, "ann");
    ann.say("before");
    assert_eq!(ann.heard(), "#tea ann: before");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    ann.until("connection lost");
    server = serve_at(&addr, &[]);
    ann.until("connected again");
    let missing = "#tea: messages may be missing here: the server has lost what was said before";
    assert_eq!(ann.heard(), missing);
    ann.say("after");
    assert_eq!(ann.heard(), "#tea ann: after");
    server.stop();
}

#[test]
fn nothing_that_a_terminal_obeys_is_passed_on() {
    let server = serve(&[]);
    let mut ann = Client::start(&server, "ann");
    let (_, _, status) = say(
        &server.addr,
        "ben",
        &[],
        b"\x1b[2J\x1b]0;owned\x07\xc2\x9b31m\n",
    );
    assert_eq!(status, Some(0));
    let expected = r"#tea ben: \u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m";
    assert_eq!(ann.heard(), expected);
    server.stop();
}

#[test]
fn the_end_of_the_reader_ends_the_client() {
    let server = serve(&[]);
    let mut ann = Client::start(&server, "ann");
    ann.say("hello");
    ann.heard();
    drop(ann.stdout.take());
    ann.say("is anybody there?");
    assert_eq!(ann.child.wait().unwrap().code(), Some(0));
    server.stop();
}
