//! Clients and back ends that speak HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::listen;

/// One message that a peer has read.
#[derive(Debug)]
pub(crate) struct Message {
    /// The first line and the fields.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
}

impl Message {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        fields
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Reads a message; `None` at the end of input before one. `without_body` says that it was asked for by
    /// HEAD.
    pub(crate) fn read(reader: &mut impl BufRead, without_body: bool) -> Option<Message> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let mut message = Message {
            head,
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if without_body {
            return Some(message);
        }
        if message.field("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                if size == 0 {
                    break;
                }
                let mut piece = vec![0; size + 2];
                reader.read_exact(&mut piece).unwrap();
                message.body.extend_from_slice(&piece[..size]);
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => message.trailers.push(line.to_owned()),
                }
            }
        } else if let Some(length) = message.field("content-length") {
            message.body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut message.body).unwrap();
        }
        Some(message)
    }
}

/// A back end that answers each request as `respond` says, or closes the connection.
pub(crate) struct BackEnd {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl BackEnd {
    pub(crate) fn start(
        respond: impl Fn(Message) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> BackEnd {
        let (listener, addr) = listen();
        let connections = Arc::<AtomicUsize>::default();
        let (counted, respond) = (connections.clone(), Arc::new(respond));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                counted.fetch_add(1, Ordering::SeqCst);
                let respond = respond.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut writer = stream;
                    while let Some(message) = Message::read(&mut reader, false) {
                        match respond(message) {
                            Some(answer) if writer.write_all(&answer).is_ok() => {}
                            _ => break,
                        }
                    }
                });
            }
        });
        BackEnd { addr, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn answer(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    Some(answer)
}

/// A client's connection, which reads answers.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Client {
        Client(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, request: &[u8]) {
        self.0.get_mut().write_all(request).unwrap();
    }

    pub(crate) fn ask(&mut self, request: &str) -> Message {
        self.send(request.as_bytes());
        Message::read(&mut self.0, request.starts_with("HEAD")).expect("an answer")
    }

    pub(crate) fn end(self) {
        self.0.get_ref().shutdown(Shutdown::Both).unwrap();
    }
}

pub(crate) const GET: &str = "GET /path?query HTTP/1.1\r\nhost: here\r\n\r\n";
