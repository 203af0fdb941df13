//! The chat as lines of text, under every model, and by callbacks under every driver.

#[path = "../support/mod.rs"]
mod support;
#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;

use std::io;

use switchboard_callbacks::Connection;
use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Model};
use ways::Way;

/// Stamps cases over all ways, and over the callbacks of each driver.
macro_rules! stamp_all {
    ($($case:ident)*) => {
        stamp!(real time: $($case)*);
        stamp!(@ callbacks_select Callbacks Select $($case)*);
        stamp!(@ callbacks_poll Callbacks Poll $($case)*);
        stamp!(@ callbacks_epoll Callbacks Epoll $($case)*);
        stamp!(@ callbacks_uring Callbacks Uring $($case)*);
        stamp!(@ callbacks_portable Callbacks Portable $($case)*);
    };
}

mod ends;
mod refused;
mod talk;

/// The client's side of a connection.
struct Person {
    stream: Stream,
    heard: String,
    /// The line that said where the inbox begins.
    inbox: Option<String>,
}

impl Person {
    async fn say(&self, lines: impl AsRef<[u8]>) {
        self.stream.write_all(lines.as_ref()).await.unwrap();
    }

    /// Reads to the next line that has `part` in it, and returns that.
    async fn until(&mut self, part: &str) -> String {
        loop {
            while let Some((line, rest)) = self.heard.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.heard = rest;
                if line.contains(part) {
                    return line;
                }
            }
            assert!(self.read().await, "{part:?} did not come");
        }
    }

    /// Reads to the end, and returns all that was not taken before.
    async fn rest(&mut self) -> String {
        while self.read().await {}
        std::mem::take(&mut self.heard)
    }

    async fn read(&mut self) -> bool {
        let chunk = self.stream.recv().await.unwrap();
        // Characters may be divided among chunks, and the tests look for none.
        self.heard += &String::from_utf8_lossy(&chunk);
        !chunk.is_empty()
    }

    async fn enter(&mut self, nick: &str) -> String {
        self.say(format!("/name {nick}\n/join tea\n")).await;
        let welcome = self.until("* welcome ").await;
        self.inbox = Some(self.until("* inbox ").await);
        self.until("* members #tea ").await;
        welcome
    }
}

/// Returns the value of a field in a line.
fn field(line: &str, name: &str) -> String {
    let value = line.split(name).nth(1).unwrap();
    value.split(' ').next().unwrap().to_owned()
}

async fn serve(way: Way, service: &LineService, stream: Stream) -> io::Result<()> {
    match way.0 {
        Model::Callbacks => Connection::new(stream, service.protocol()).await,
        _ => service.serve(stream).await,
    }
}

/// Serves some people until they have done what they do, and left.
fn run<const N: usize>(way: Way, service: &LineService, act: impl AsyncFnOnce([Person; N])) {
    way.run(async {
        let pairs = [(); N].map(|()| Stream::pair().unwrap());
        let (mut people, mut served) = (Vec::new(), Vec::new());
        for (stream, there) in pairs {
            people.push(Person {
                stream,
                heard: String::new(),
                inbox: None,
            });
            served.push(serve(way, service, there));
        }
        let Ok(people) = people.try_into() else {
            unreachable!()
        };
        let (served, ()) = runtime::join(runtime::gather(served), act(people)).await;
        for served in served {
            // A client may go without reading to the end.
            let gone = |error: &io::Error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                )
            };
            assert!(served.as_ref().err().is_none_or(gone), "{served:?}");
        }
    });
}

fn service(options: HubOptions) -> LineService {
    LineService::new(Hub::new(options, InMemory), LineOptions::default())
}

/// Returns options without a limit of how often a client may speak.
fn unlimited() -> HubOptions {
    HubOptions {
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    }
}
