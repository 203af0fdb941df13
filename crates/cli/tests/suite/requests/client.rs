//! A client without WebSocket.

use std::io;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_http::{Body, ClientConnection, ExchangeLimits, RequestHead, Response};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Model};
use switchboard_tls::TlsClient;

/// A client that has the key of a connection.
pub(super) struct Keyed {
    pub(super) addr: String,
    pub(super) tls: bool,
    pub(super) key: String,
    /// The number of the last update that has come.
    pub(super) position: u64,
}

pub(super) async fn open((addr, tls): (&str, bool)) -> io::Result<ClientConnection> {
    let stream = Stream::connect(addr).await?;
    if !tls {
        return Ok(ClientConnection::new(stream));
    }
    let client = TlsClient::insecure()?.protocols(&["http/1.1"]);
    let stream = client.connect("localhost", stream).await?;
    Ok(ClientConnection::over_tls(stream))
}

pub(super) async fn ask_over(
    connection: ClientConnection,
    method: Method,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
    keep: impl FnOnce(ClientConnection) + Send + 'static,
) -> io::Result<Response<Body>> {
    let mut head = RequestHead::new(&method, target);
    for (name, value) in fields {
        head.field(name, value.as_bytes());
    }
    let body = Body::from(body.to_owned());
    head.finish(&body);
    let limits = ExchangeLimits::default();
    let answer = connection.send(&head, body, &limits, keep).await;
    answer.map_err(io::Error::other)
}

pub(super) async fn ask(
    to: (&str, bool),
    method: Method,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> io::Result<Response<Body>> {
    let fields = &[&[("host", to.0)], fields].concat();
    ask_over(open(to).await?, method, target, fields, body, drop).await
}

impl Keyed {
    pub(super) async fn connect(addr: &str, tls: bool) -> io::Result<Keyed> {
        let answer = ask((addr, tls), Method::POST, "/connect", &[], "").await?;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = serde_json::from_slice(&answer.into_body().bytes(1000).await?)?;
        Ok(Keyed {
            addr: addr.to_owned(),
            tls,
            key: answer["key"].as_str().unwrap().to_owned(),
            position: 0,
        })
    }

    /// Connects, says a name and enters a room.
    pub(super) async fn enter(addr: &str, tls: bool, nick: &str) -> io::Result<Keyed> {
        let keyed = Keyed::connect(addr, tls).await?;
        let session = format!("session of {nick:>10}");
        let hello = json!({"type": "hello", "nick": nick, "session": session});
        let join = json!({"type": "join", "room": "tea"});
        keyed.send(&format!("{hello}\n{join}\n")).await?;
        Ok(keyed)
    }

    pub(super) fn target(&self, path: &str) -> String {
        format!("/{path}?key={}&position={}", self.key, self.position)
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> io::Result<StatusCode> {
        let to = (&*self.addr, self.tls);
        let answer = ask(to, Method::POST, &self.target(path), &[], body).await?;
        Ok(answer.status())
    }

    pub(super) async fn send(&self, lines: &str) -> io::Result<()> {
        assert_eq!(self.post("send", lines).await?, StatusCode::NO_CONTENT);
        Ok(())
    }

    pub(super) async fn say(&self, text: &str) -> io::Result<()> {
        let say = json!({"type": "say", "room": "tea", "text": text, "id": text});
        self.send(&say.to_string()).await
    }

    pub(super) async fn get(&self, path: &str) -> io::Result<Body> {
        let to = (&*self.addr, self.tls);
        let answer = ask(to, Method::GET, &self.target(path), &[], "").await?;
        assert_eq!(answer.status(), StatusCode::OK);
        let control = &answer.headers()["cache-control"];
        assert_eq!(control, "no-store, no-transform");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Ok(answer.into_body())
    }

    pub(super) async fn events(&self) -> io::Result<Events> {
        let body = self.get("events").await?;
        Ok(Events::new(body, usize::MAX))
    }

    /// Asks for updates, and returns the whole answer.
    pub(super) async fn ask_for_updates(&self) -> io::Result<Value> {
        let text = self.get("poll").await?.bytes(16 * 1024 * 1024).await?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(super) async fn poll(&mut self) -> io::Result<Value> {
        let answer = self.ask_for_updates().await?;
        self.position = answer["position"].as_u64().unwrap();
        Ok(answer)
    }

    /// Polls until there is an update that `fits`, and returns it.
    pub(super) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> io::Result<Value> {
        loop {
            let answer = self.poll().await?;
            let updates = answer["updates"].as_array().unwrap();
            if let Some(found) = updates.iter().find(|update| fits(update)) {
                return Ok(found.clone());
            }
            assert_eq!(answer["close"], Value::Null);
        }
    }
}

/// An event stream that is cut when so many bytes were read.
pub(super) struct Events {
    pub(super) body: Body,
    pub(super) bytes: usize,
    pub(super) text: Vec<u8>,
}

/// One event, or a field of the stream itself.
#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) id: Option<u64>,
    pub(super) name: String,
    pub(super) data: Value,
    pub(super) comments: usize,
}

impl Events {
    pub(super) fn new(body: Body, bytes: usize) -> Events {
        let text = Vec::new();
        Events { body, bytes, text }
    }

    /// Waits for the next event; `None` at the end of the stream, or where it is cut.
    pub(super) async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(length) = self.text.windows(2).position(|two| two == b"\n\n") {
                let rest = self.text.split_off(length + 2);
                let text = std::mem::replace(&mut self.text, rest);
                return Ok(Some(Event::of(std::str::from_utf8(&text).unwrap())));
            }
            if self.bytes == 0 {
                return Ok(None);
            }
            let Some(chunk) = self.body.chunk().await else {
                assert!(self.text.is_empty(), "the server has cut an event");
                return Ok(None);
            };
            let chunk = chunk?;
            let read = chunk.len().min(self.bytes);
            self.bytes -= read;
            self.text.extend_from_slice(&chunk[..read]);
        }
    }

    /// Waits for an event that `fits`, and returns its data.
    pub(super) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> io::Result<Value> {
        loop {
            let event = self.next().await?.expect("the stream has ended");
            if fits(&event.data) {
                return Ok(event.data);
            }
            assert_eq!(event.name, "", "{event:?}");
        }
    }

    /// Waits for the end of the connection, and returns its code.
    pub(super) async fn close(&mut self) -> io::Result<u64> {
        loop {
            let event = self.next().await?.expect("the stream has ended");
            if event.name == "close" {
                assert!(self.next().await?.is_none());
                return Ok(event.data["code"].as_u64().unwrap());
            }
        }
    }
}

impl Event {
    pub(super) fn of(text: &str) -> Event {
        let mut event = Event::default();
        for line in text.lines() {
            match line.split_once(':').unwrap_or((line, "")) {
                ("id", id) => event.id = Some(id.trim().parse().unwrap()),
                ("event", name) => event.name = name.trim().to_owned(),
                ("data", data) => event.data = serde_json::from_str(data).unwrap(),
                ("retry", time) => assert!(time.trim().parse::<u32>().is_ok()),
                ("", "") => event.comments += usize::from(line == ":"),
                _ => panic!("{text}"),
            }
        }
        event
    }
}

pub(super) fn says(text: &str) -> impl Fn(&Value) -> bool {
    move |update| update["type"] == "message" && update["text"] == text
}

pub(super) fn run<T>(what: &str, future: impl Future<Output = io::Result<T>>) -> T {
    let ended = Model::Tasks.run(runtime::timeout(Duration::from_secs(120), future));
    match ended.unwrap() {
        Ok(ended) => ended.unwrap_or_else(|error| panic!("{what}: {error}")),
        Err(late) => panic!("{what}: {late}"),
    }
}
