//! `switchboard serve chat` as lines of text: with `--lines`, and under `callbacks`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use switchboard_runtime::Model;

use crate::chat::{self, WAYS};
use crate::served::{Served, run};

const CALLBACKS: [&[&str]; 4] = [
    &["--model", "callbacks", "--driver", "epoll"],
    &["--model", "callbacks", "--driver", "uring"],
    &["--model", "callbacks", "--driver", "poll"],
    &["--model", "callbacks", "--workers", "2"],
];

/// A client, which has a name and is in a room.
struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(addr: &str) -> Client {
        let addr: SocketAddr = addr.parse().unwrap();
        let stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let lines = BufReader::new(stream);
        Client { lines }
    }

    fn enter(addr: &str, nick: &str) -> Client {
        let mut client = Client::connect(addr);
        client.say(&format!("/name {nick}\n/join tea\n"));
        client.until("* members #tea");
        client
    }

    fn say(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads to the next line that has `part` in it, and returns that.
    fn until(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).unwrap();
            assert!(length > 0, "the connection ended before {part:?}");
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }
}

/// Starts a server with a second address for lines, and returns that.
fn serve(arguments: &[&str]) -> (Served, String) {
    let lines = ["chat", "--listen", "127.0.0.1:0", "--lines", "127.0.0.1:0"];
    let mut served = Served::start(&[&lines, arguments].concat(), None);
    let mut line = String::new();
    while !line.starts_with("lines of text at ") {
        line.clear();
        assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
    }
    let addr = line.trim_end().rsplit(' ').next().unwrap().to_owned();
    (served, addr)
}

#[test]
fn lines_and_websocket_share_rooms_under_every_model() {
    for way in WAYS {
        let (mut server, addr) = serve(way);
        let mut ben = Client::enter(&addr, "ben");
        Model::Tasks
            .run(async {
                let mut ann = chat::Client::connect(&server, "ann").await?;
                ann.say("hello").await?;
                ann.until(r#""type":"said""#).await.map(drop)
            })
            .unwrap()
            .unwrap();
        assert_eq!(ben.until("ann"), "* here #tea ann members=2", "{way:?}");
        assert!(ben.until("#tea 1 ").ends_with(" <ann> hello"), "{way:?}");
        // The end of stdin stops both servers.
        drop(server.child.stdin.take());
        assert!(ben.until("* bye").starts_with("* bye 4000 "), "{way:?}");
        drop(ben);
        let report = server.stop();
        let own = "lines: accepted 1, panicked 0, failed 0, refused 0, cut 0";
        assert!(report.contains(own), "{way:?}: {report}");
    }
}

#[test]
fn callbacks_speak_lines() {
    for way in CALLBACKS {
        let chat = ["chat", "--listen", "127.0.0.1:0"];
        let mut server = Served::start(&[&chat[..], way].concat(), None);
        let mut ann = Client::enter(&server.addr, "ann");
        let mut ben = Client::enter(&server.addr, "ben");
        ben.say("hello\n");
        assert!(ann.until("#tea 1 ").ends_with(" <ben> hello"), "{way:?}");
        ann.say("/msg ben for you\n");
        assert!(ben.until("@ben 1 ").ends_with(" <ann> for you"), "{way:?}");
        drop(server.child.stdin.take());
        for mut client in [ann, ben] {
            assert!(client.until("* bye").starts_with("* bye 4000 "), "{way:?}");
        }
        let report = server.stop();
        assert!(report.contains("the page and WebSocket need another model"));
        assert!(
            report.contains("accepted 2, panicked 0, failed 0"),
            "{report}"
        );
    }
}

#[test]
fn callbacks_keep_messages() {
    let file = chat::File::new("callbacks");
    let serve = || {
        let options = ["--model", "callbacks", "--data", file.path()];
        Served::start(
            &[&["chat", "--listen", "127.0.0.1:0"], &options[..]].concat(),
            None,
        )
    };
    let mut server = serve();
    let mut ann = Client::enter(&server.addr, "ann");
    ann.say("kept\n");
    ann.until("#tea 1 ");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = serve();
    let mut ann = Client::connect(&server.addr);
    ann.say("/name ann\n/join tea\n");
    assert!(ann.until("#tea 1 ").ends_with(" <ann> kept"));
    drop(ann);
    server.stop();
}

#[test]
fn what_cannot_be_spoken_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let refused: [(&[&str], &str); 6] = [
        (
            &["--model", "callbacks", "--lines", "127.0.0.1:0"],
            "the address of --listen speaks lines",
        ),
        (
            &["--model", "callbacks", "--self-signed"],
            "lines go without TLS",
        ),
        (
            &["--model", "callbacks", "--origin", "https://example.org"],
            "there is no page",
        ),
        (&["--lines", "nowhere"], "--lines nowhere: "),
        (&["--lines", &taken], "--lines: "),
        (
            &["--lines", "127.0.0.1:0", "--model", "processes"],
            "each process would have rooms of its own",
        ),
    ];
    for (arguments, expected) in refused {
        let output = run(&[&["serve", "chat", "--listen", "127.0.0.1:0"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[test]
fn an_address_with_too_many_connections_is_told_so() {
    let (server, addr) = serve(&["--max-per-address", "1"]);
    let mut first = Client::enter(&addr, "ann");
    let refused = Client::connect(&addr).until("");
    assert_eq!(
        refused,
        "* error too_many: your address has as many connections as it may have"
    );
    first.say("/ping\n");
    first.until("* pong");
    drop(first);
    server.stop();
}

/// What a person or a script does at once.
#[test]
fn nc_is_a_client() {
    let help = Command::new("nc").arg("-h").output();
    if !help.is_ok_and(|it| String::from_utf8_lossy(&it.stderr).contains("-N")) {
        eprintln!("skip: nc: there is none with the option -N (Debian: netcat-openbsd)");
        return;
    }
    let (server, addr) = serve(&[]);
    let (host, port) = addr.split_once(':').unwrap();
    let mut nc = Command::new("nc")
        .args(["-N", host, port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = nc.stdin.take().unwrap();
    stdin
        .write_all(b"/name robot\n/join #tea\nthe build is done\n")
        .unwrap();
    drop(stdin);
    let output = nc.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("* hello: "), "{text}");
    let said =
        |line: &&str| line.starts_with("#tea 1 ") && line.ends_with(" <robot> the build is done");
    assert!(lines.iter().any(said), "{text}");
    assert_eq!(lines.last(), Some(&"* bye 1000 again=no: you have left"));
    server.stop();
}
