//! Access logs, and counters of requests.
//!
//! A line is written when the answer's last byte was given to the connection, or when the connection ended
//! before that. So it says how many bytes of the body were sent, and whether they were all. The line of a connection
//! that has left HTTP, as to WebSocket through a proxy, is written at its end.

mod line;
mod switch;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use switchboard_http::{Body, Request, Response};
use switchboard_net::Addr;

use self::line::Heard;
pub(crate) use self::switch::Switch;

/// Who asked, by name and password: an extension of an answer.
#[derive(Clone)]
pub(crate) struct User(pub(crate) Arc<str>);

/// How an access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The combined format of Apache and nginx. Quotes, backslashes, and bytes that are not printable ASCII are
    /// written as `\xHH`, so that a client cannot forge a line. The user is one that
    /// [`Files`](crate::files::Files) have admitted. The line of a request that a proxy has passed on ends with
    /// the back end, the seconds that the request waited for it and that it took, and the number of tries. One of
    /// status 101 has the bytes that were sent to the client after it, and ends with those that came from it.
    Combined,
    /// A JSON object: `time`, `peer`, `user`, `method`, `path`, `protocol`, `status`, `bytes`, `seconds`, `end`
    /// (`whole`, `cut` or `unanswered`), `referer`, `user_agent`; and of one that a proxy has passed on
    /// `back_end`, `waited` and `took` (seconds), `tries`. One of status 101 has in `bytes` what was sent to the
    /// client after it, in `received` what came from it, and `end` says whether both sides have ended.
    Json,
}

/// Watches the requests of a server. A clone adds to the same log and the same counters.
///
/// ```
/// use std::sync::mpsc;
/// use switchboard_apps::access::{Access, Format};
/// use switchboard_http::{Body, Request, Response};
/// use switchboard_runtime::Model;
///
/// let (written, lines) = mpsc::channel();
/// let access = Access::new().log(Format::Combined, move |line| drop(written.send(line.to_owned())));
/// let request = Request::new(Body::empty());
/// let answer = |_request| async { Response::new(Body::from("hello")) };
/// Model::Tasks.run(async {
///     let response = access.watch(None, request, answer).await;
///     response.into_body().bytes(1024).await
/// })??;
/// let line = lines.recv().unwrap();
/// assert!(line.ends_with("] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\""), "{line}");
/// assert_eq!(access.counts().successful, 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Access(Arc<Inner>);

type Sink = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Inner {
    log: Option<(Format, Sink)>,
    counters: Arc<Counters>,
}

/// Requests by the class of their status, and the bytes of bodies.
#[derive(Default)]
struct Counters {
    /// By the first digit of the status; the last one for requests without an answer.
    classes: [AtomicU64; 6],
    bytes: AtomicU64,
}

/// What has been answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests with a status from 100 to 199.
    pub informational: u64,
    /// Requests with a status from 200 to 299.
    pub successful: u64,
    /// Requests with a status from 300 to 399.
    pub redirected: u64,
    /// Requests with a status from 400 to 499.
    pub client_errors: u64,
    /// Requests with a status of 500 or more.
    pub server_errors: u64,
    /// Requests whose clients hung up before they were answered.
    pub unanswered: u64,
    /// Bytes that were sent: of bodies, and of connections that have left HTTP.
    pub body_bytes: u64,
}

impl Default for Access {
    fn default() -> Access {
        Access::new()
    }
}

impl Access {
    /// Returns a watch that counts, and logs nothing.
    pub fn new() -> Access {
        Access(Arc::default())
    }

    /// Returns a watch with the same counters that gives a line for each request to `sink`, without its end of
    /// line.
    pub fn log(self, format: Format, sink: impl Fn(&str) + Send + Sync + 'static) -> Access {
        Access(Arc::new(Inner {
            log: Some((format, Arc::new(sink))),
            counters: self.0.counters.clone(),
        }))
    }

    /// Returns what has been answered so far.
    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [
            informational,
            successful,
            redirected,
            client_errors,
            server_errors,
            unanswered,
        ] = self.0.counters.classes.each_ref().map(load);
        Counts {
            informational,
            successful,
            redirected,
            client_errors,
            server_errors,
            unanswered,
            body_bytes: load(&self.0.counters.bytes),
        }
    }

    /// Returns the answer of `answer` to a request of `peer`. A future that is dropped before is logged as a
    /// client that hung up, with status 499.
    pub async fn watch<F>(
        &self,
        peer: Option<&Addr>,
        request: Request,
        answer: impl FnOnce(Request) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let mut record = Record {
            line: self.0.log.as_ref().map(|(format, sink)| Line {
                format: *format,
                sink: sink.clone(),
                heard: Heard::of(peer, &request),
            }),
            counters: self.0.counters.clone(),
            is_head: request.method() == Method::HEAD,
            status: None,
            sent: (0, false),
            received: None,
        };
        let mut response = answer(request).await;
        if let Some(line) = &mut record.line {
            line.heard.passed = response.extensions_mut().remove();
            line.heard.user = response.extensions_mut().remove();
        }
        record.status = Some(response.status().as_u16());
        if let Some(switch) = response.extensions_mut().remove::<Switch>() {
            switch.keep(record);
            return response;
        }
        response.map(|body| {
            body.on_end(move |bytes, whole| {
                record.sent = (bytes, whole || record.is_head);
                drop(record);
            })
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.0.log.as_ref().map(|(format, _)| format);
        f.debug_struct("Access")
            .field("log", &format)
            .field("counts", &self.counts())
            .finish()
    }
}

/// A request that is counted and logged when it is dropped.
struct Record {
    line: Option<Line>,
    counters: Arc<Counters>,
    is_head: bool,
    status: Option<u16>,
    /// The bytes, and whether they are all.
    sent: (u64, bool),
    /// The bytes from a client that has left HTTP.
    received: Option<u64>,
}

struct Line {
    format: Format,
    sink: Sink,
    heard: Heard,
}

impl Drop for Record {
    fn drop(&mut self) {
        let class = match self.status {
            Some(status) => usize::from(status / 100).clamp(1, 5) - 1,
            None => 5,
        };
        self.counters.classes[class].fetch_add(1, Ordering::Relaxed);
        self.counters
            .bytes
            .fetch_add(self.sent.0, Ordering::Relaxed);
        if let Some(line) = &self.line {
            let text = match line.format {
                Format::Combined => line.heard.combined(self.status, self.sent, self.received),
                Format::Json => line.heard.json(self.status, self.sent, self.received),
            };
            (line.sink)(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use http::Version;
    use switchboard_runtime::Model;

    use super::*;

    fn lines(format: Format) -> (Access, mpsc::Receiver<String>) {
        let (written, lines) = mpsc::channel();
        let access = Access::new().log(format, move |line| drop(written.send(line.to_owned())));
        (access, lines)
    }

    fn request() -> Request {
        let request = http::Request::get("/a?b=c").header("user-agent", "x\"y\\ \u{e9}\tz");
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let (access, lines) = lines(Format::Combined);
        let response = access.watch(None, request(), |_| async { Response::new(Body::empty()) });
        drop(Model::Tasks.run(response).unwrap());
        let line = lines.recv().unwrap();
        assert!(line.starts_with("- - - ["), "{line}");
        let end = "\"GET /a?b=c HTTP/1.1\" 200 0 \"-\" \"x\\x22y\\x5C \\xC3\\xA9\\x09z\"";
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn targets_and_users_are_logged_as_the_client_wrote_them() {
        let (access, lines) = lines(Format::Combined);
        let uri = "https://a.example/b?c";
        for (uri, version, user, part) in [
            (uri, Version::HTTP_2, None, "- - - ["),
            (uri, Version::HTTP_2, None, "] \"GET /b?c HTTP/2.0\" 200"),
            (
                uri,
                Version::HTTP_11,
                None,
                "] \"GET https://a.example/b?c HTTP/1.1\"",
            ),
            ("*", Version::HTTP_2, None, "] \"GET * HTTP/2.0\""),
            ("/b", Version::HTTP_2, Some("anna"), "- - anna ["),
            (
                "/b",
                Version::HTTP_11,
                Some("an na\n\""),
                "- - an\\x20na\\x0A\\x22 [",
            ),
            ("/b", Version::HTTP_11, Some(""), "- - - ["),
        ] {
            let request = http::Request::get(uri).version(version);
            let request = request.body(Body::empty()).unwrap();
            let answer = |_| async {
                let mut response = Response::new(Body::empty());
                if let Some(user) = user {
                    response.extensions_mut().insert(User(user.into()));
                }
                response
            };
            drop(
                Model::Tasks
                    .run(access.watch(None, request, answer))
                    .unwrap(),
            );
            let line = lines.recv().unwrap();
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn a_line_says_how_the_answer_ended() {
        let (access, lines) = lines(Format::Json);
        let read = |taken: usize, length: usize| {
            let access = access.clone();
            let pieces = move |_| async move {
                let piece = |at| {
                    Ok::<_, std::io::Error>(hyper::body::Frame::data(bytes::Bytes::from(vec![at])))
                };
                let pieces: Vec<_> = (0..length as u8).map(piece).collect();
                let body = http_body_util::StreamBody::new(futures_lite::stream::iter(pieces));
                Response::new(Body::new(body))
            };
            Model::Tasks.run(async move {
                let mut body = access.watch(None, request(), pieces).await.into_body();
                for _ in 0..taken {
                    body.chunk().await.unwrap().unwrap();
                }
                if taken == length {
                    assert!(body.chunk().await.is_none());
                }
            })
        };
        read(3, 3).unwrap();
        read(2, 3).unwrap();
        // The connection ends while the answer is being made.
        let polled = Model::Tasks.run(switchboard_runtime::race(
            async {
                drop(
                    access
                        .watch(None, request(), |_| std::future::pending())
                        .await,
                )
            },
            async {},
        ));
        polled.unwrap();
        for (status, bytes, end) in [(200, 3, "whole"), (200, 2, "cut"), (499, 0, "unanswered")] {
            let line: serde_json::Value = serde_json::from_str(&lines.recv().unwrap()).unwrap();
            assert_eq!(line["status"], status, "{line}");
            assert_eq!(line["bytes"], bytes, "{line}");
            assert_eq!(line["end"], end, "{line}");
            assert_eq!(line["path"], "/a?b=c", "{line}");
        }
        let counts = access.counts();
        assert_eq!(
            (counts.successful, counts.unanswered, counts.body_bytes),
            (2, 1, 5)
        );
    }
}
