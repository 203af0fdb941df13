//! `switchboard chat` at a server that wants to harm it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use hyper::Request;
use switchboard_websocket::{Handshake, Options};

use crate::chat_client::say;
use crate::chat_terminal::Terminal;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const WELCOME: &str = r#"{"type":"welcome","nick":"ann","session":"1"}"#;

/// A server of one client.
struct Hostile {
    addr: String,
    frames: mpsc::Sender<Vec<u8>>,
    /// The kinds of what the client sends.
    heard: mpsc::Receiver<u8>,
}

impl Hostile {
    fn start() -> Hostile {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (frames, sent) = mpsc::channel::<Vec<u8>>();
        let (hears, heard) = mpsc::channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut writer = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            writer.write_all(&shake(&mut reader)).unwrap();
            thread::spawn(move || {
                while let Some(opcode) = opcode(&mut reader) {
                    let _ = hears.send(opcode);
                }
            });
            // The client may go before it has read all.
            for frame in sent {
                let _ = writer.write_all(&frame);
            }
        });
        Hostile {
            addr,
            frames,
            heard,
        }
    }

    fn send(&self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(length @ ..126) => frame.push(length),
            _ => {
                frame.push(126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend(payload);
        self.frames.send(frame).unwrap();
    }

    fn close(&self, code: u16, reason: &str) {
        self.send(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    fn message(&self, offset: usize) {
        let json = format!(
            r#"{{"type":"message","room":"tea","offset":{offset},"from":"ben","text":"number {offset}","time":1}}"#
        );
        self.send(TEXT, json.as_bytes());
    }
}

fn shake(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut request = Request::get("/ws");
    for line in reader.by_ref().lines().skip(1) {
        let line = line.unwrap();
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        request = request.header(name, value);
    }
    let handshake = Handshake::new(&request.body(()).unwrap(), &Options::new()).unwrap();
    let accept = handshake.fields()["sec-websocket-accept"].to_str().unwrap();
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    format!("{head}sec-websocket-accept: {accept}\r\n\r\n").into_bytes()
}

/// Reads a short frame. Returns its kind.
fn opcode(reader: &mut impl Read) -> Option<u8> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).ok()?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).ok()?;
            u16::from_be_bytes(length).into()
        }
        length => usize::from(length),
    };
    reader.read_exact(&mut vec![0; 4 + length]).ok()?;
    Some(head[0] & 0xf)
}

#[test]
fn the_reason_of_an_end_is_harmless() {
    const OBEYED: &str = "\x1b]0;owned\x07\x1b[2J";
    const WRITTEN: &str = "\\u{1b}]0;owned\\u{7}\\u{1b}[2J";
    let refused = [
        (true, 4500, "the server has ended the connection: "),
        (false, 4500, "the server has ended the connection: "),
        (false, 1001, "no chat at ws://"),
    ];
    for (is_welcome, code, expected) in refused {
        let server = Hostile::start();
        if is_welcome {
            server.send(TEXT, WELCOME.as_bytes());
        }
        server.close(code, OBEYED);
        let (_, err, status) = say(&server.addr, "ann", &[], b"");
        assert!(err.contains(expected), "{err:?}");
        assert!(err.ends_with(&format!("{WRITTEN}\n")), "{err:?}");
        assert!(!err.contains('\x1b'), "{err:?}");
        assert_eq!(status, Some(1));
    }
    let server = Hostile::start();
    let json = r#"{"type":"error","code":"nick_taken","text":"\u001b]0;owned\u0007\u001b[2J"}"#;
    server.send(TEXT, json.as_bytes());
    let (_, err, status) = say(&server.addr, "ann", &[], b"");
    assert_eq!(
        (err, status),
        (format!("switchboard: {WRITTEN}\n"), Some(1))
    );
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    const FLOOD: usize = 3_000;
    let server = Hostile::start();
    let mut ann = Terminal::start_at(&server.addr, "ann", &[]);
    server.send(TEXT, WELCOME.as_bytes());
    let joined = r#"{"type":"joined","room":"tea","epoch":1,"offset":0,"count":1}"#;
    server.send(TEXT, joined.as_bytes());
    ann.until("you are alone here");
    ann.press("/topic\r");
    ann.until("* #tea has no topic");
    // The editor prints nothing while the user searches what was typed.
    ann.press("\x12");
    ann.until("(reverse-i-search)");
    (1..=FLOOD).for_each(|offset| server.message(offset));
    server.send(PING, b"");
    while server.heard.recv().expect("an answer") != PONG {}
    ann.press("\x07");
    ann.until("#tea ben: number 1\r\n");
    ann.until("#tea ben: number 1000\r\n");
    server.message(FLOOD + 1);
    ann.until(" events not shown here: the terminal did not take more");
    ann.until(&format!("#tea ben: number {}\r\n", FLOOD + 1));
    server.close(4500, "enough");
    ann.until("switchboard: the server has ended the connection: enough");
    assert_eq!(ann.child.wait().unwrap().code(), Some(1));
}
