//! What a chat server says: over HTTP the page, WebSocket, and the same by requests; and lines of text.

mod keyed;
mod lines;
mod page;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use switchboard_http::{Body, Request, Response};
use switchboard_runtime as runtime;
use switchboard_websocket::{Deflate, Options, accept};

use crate::{Hub, Now};

use self::keyed::{Endpoint, Table};
pub use self::lines::{LineOptions, LineProtocol, LineService};
use self::page::Page;
use self::talk::Talk;

/// How a [`ChatService`] treats its clients.
///
/// ```
/// use switchboard_chat::ServiceOptions;
///
/// let options = ServiceOptions { origins: vec!["https://example.org".into()], ..ServiceOptions::default() };
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// The origins whose pages may connect, beside the server's own.
    pub origins: Vec<String>,
    /// How long a client may take for `hello`. Default 10 s.
    pub hello: Duration,
    /// After how long without a sign of its client a connection is asked for one, how often an event stream has a
    /// comment, and how long a poll waits. Default 25 s.
    pub ping: Duration,
    /// How long the client may take to answer that. One that reads by requests is ended after both times without a
    /// request that reads. Default 8 s.
    pub pong: Duration,
}

impl Default for ServiceOptions {
    fn default() -> ServiceOptions {
        ServiceOptions {
            origins: Vec::new(),
            hello: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(8),
        }
    }
}

/// A chat server over HTTP: the page at `/`, WebSocket at `/ws`, and the same by requests. A clone is the same one.
///
/// A client that closes with code 1000, or by a request that says `leave=1`, leaves for good, and its name is free; after
/// any other end, the name is held for [`HubOptions::grace`](crate::HubOptions::grace).
///
/// ```
/// use switchboard_chat::{ChatService, Hub, HubOptions, InMemory, ServiceOptions};
/// use switchboard_http::{Body, Request};
/// use switchboard_runtime::Model;
///
/// let hub = Hub::new(HubOptions::default(), InMemory);
/// let chat = ChatService::new(hub, ServiceOptions::default());
/// let request = Request::new(Body::empty());
/// let answer = Model::Tasks.run(chat.answer(request))?;
/// assert_eq!(answer.status(), 200);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct ChatService(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    hub: Hub,
    options: Arc<ServiceOptions>,
    websocket: Options,
    keyed: Table,
    /// The most bytes of what a client sends at once.
    longest: usize,
}

/// What a command has beside its text, and what a text may grow by in JSON.
const AROUND_A_TEXT: usize = 4096;

impl ChatService {
    /// Returns the service of a hub.
    pub fn new(hub: Hub, options: ServiceOptions) -> ChatService {
        let longest = hub.options().text.saturating_mul(6) + AROUND_A_TEXT;
        let websocket = Options::new().max_message(longest).deflate(Deflate::new());
        let options = Arc::new(options);
        ChatService(Arc::new(Parts {
            hub,
            options,
            websocket,
            keyed: Table::default(),
            longest,
        }))
    }

    /// Returns the hub, for what else serves it.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Answers a request. The conversation of a WebSocket client is the connection's own flow, as
    /// [`accept`](switchboard_websocket::accept) says. Waits for the body of a request that sends, and up to
    /// [`ServiceOptions::ping`] for one that polls; dropping the future loses nothing that a client is to be told.
    pub fn answer(&self, request: Request) -> impl Future<Output = Response<Body>> + Send + use<> {
        let chat = self.clone();
        async move {
            match Endpoint::at(request.uri().path()) {
                Some(endpoint) => Box::pin(chat.by_key(endpoint, request)).await,
                None => chat.respond(&request),
            }
        }
    }

    fn respond(&self, request: &Request) -> Response<Body> {
        let path = request.uri().path();
        if path == "/ws" {
            return self.websocket(request);
        }
        match (page::file(path), request.method()) {
            (None, _) => plain(StatusCode::NOT_FOUND, "there is no such page\n"),
            (Some(page), &Method::GET | &Method::HEAD) => send(page, request.headers()),
            (Some(_), _) => {
                let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
                let allowed = HeaderValue::from_static("GET, HEAD");
                refused.headers_mut().insert(ALLOW, allowed);
                refused
            }
        }
    }

    fn websocket(&self, request: &Request) -> Response<Body> {
        if let Some(refused) = self.refuse_origin(request) {
            return refused;
        }
        let (hub, options) = (self.0.hub.clone(), self.0.options.clone());
        accept(request, &self.0.websocket, move |socket| {
            Talk::new(socket, hub.connect(Now::read()), options)
        })
    }

    fn refuse_origin(&self, request: &Request) -> Option<Response<Body>> {
        let text = "pages of this origin are not served: see --origin\n";
        (!self.serves(request)).then(|| plain(StatusCode::FORBIDDEN, text))
    }

    /// Returns whether the page that asks is the server's own or of an origin that may. Other clients than browsers tell
    /// no origin.
    fn serves(&self, request: &Request) -> bool {
        let fields = request.headers();
        let Some(origin) = fields.get(ORIGIN) else {
            return true;
        };
        let origin = origin.to_str().unwrap_or_default();
        let host = fields.get(HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 says it beside the fields.
        let host = host.or(request.uri().authority().map(Authority::as_str));
        let own = origin
            .split_once("://")
            .is_some_and(|(_, its)| Some(its) == host);
        own || self.0.options.origins.iter().any(|other| other == origin)
    }

    /// Keeps the hub's time and that of its connections until `stop` completes, and asks all clients to come back then.
    pub async fn keep_time(&self, stop: impl Future<Output = ()>) {
        let ticks = async {
            loop {
                runtime::sleep(Hub::TICK).await;
                let now = Now::read();
                self.0.keyed.look(now, &self.0.options);
                self.0.hub.tick(now);
            }
        };
        runtime::race(stop, ticks).await;
        self.0.hub.stop();
        self.0.keyed.stop();
    }
}

fn send(page: &'static Page, fields: &HeaderMap) -> Response<Body> {
    let known = fields.get_all(IF_NONE_MATCH).iter().any(|tags| {
        let tags = tags.to_str().unwrap_or_default();
        tags.split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == page.etag)
    });
    let mut response = match known {
        true => plain(StatusCode::NOT_MODIFIED, ""),
        false => Response::new(Body::from(Bytes::from_static(page.bytes))),
    };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    // A tag is base64 in quotes.
    fields.extend(
        HeaderValue::try_from(&*page.etag)
            .ok()
            .map(|tag| (ETAG, tag)),
    );
    for (name, value) in page::HEADERS {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
