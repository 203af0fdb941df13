//! WebSocket by callbacks.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use switchboard_callbacks::Transport;
use switchboard_reactor::{Handle, Loop};

use crate::handshake::server::{Handshake, write_fields};
use crate::{CloseFrame, Decoder, Encoded, Encoder, Message, Options, Role, Utf8Bytes, Violation};

/// The most bytes of a request's head.
const HEAD: usize = 16 * 1024;
/// The most fields of a request.
const FIELDS: usize = 64;
/// With more bytes that wait to be sent, no message is taken.
const HIGH: usize = 64 * 1024;

/// The callbacks of one WebSocket connection. None may block: while one runs, every other connection of the loop waits.
///
/// ```
/// use switchboard_callbacks::{create_server, run, stop};
/// use switchboard_runtime::{Driver, spawn_local};
/// use switchboard_websocket::{Encoded, Handler, Message, Options, Protocol, Session, connect};
///
/// struct Echo;
/// impl Handler for Echo {
///     fn message(&mut self, session: &Session, message: Message) {
///         if let Some(answer) = Encoded::message(&message) {
///             session.send(&answer);
///         }
///     }
/// }
///
/// run(Driver::best(), || {
///     let server = create_server("127.0.0.1:0", || Protocol::new(Options::new(), Echo))?;
///     let url = format!("ws://{}/", server.local_addr());
///     spawn_local(async move {
///         let mut socket = connect(&url, &Options::new()).await.unwrap();
///         socket.send("hello").await.unwrap();
///         assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("hello".into())));
///         socket.close(None).await.unwrap();
///         stop();
///     })
///     .detach();
///     Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub trait Handler: 'static {
    /// Called first, when the handshake is made.
    fn open(&mut self, session: &Session) {
        let _ = session;
    }

    /// Called with each message and control frame. Pings and closes are answered already. While more than 64 KiB wait to
    /// be sent to the peer, it is not called: the peer's messages stay in the socket.
    fn message(&mut self, session: &Session, message: Message);

    /// Called once for each [`open`](Handler::open), when the connection has ended. `error` is `None` after a closing
    /// handshake; otherwise it is as for [`WebSocket::recv`](crate::WebSocket::recv).
    fn closed(&mut self, session: &Session, error: Option<&io::Error>) {
        let _ = (session, error);
    }
}

/// One connection, as its [`Handler`] sees it, and whoever sends to it. A clone is the same connection. No method blocks,
/// and none calls the handler.
#[derive(Clone)]
pub struct Session(Rc<Inner>);

struct Inner {
    transport: Transport,
    encoder: RefCell<Encoder>,
    protocol: Option<Arc<str>>,
    has_closed: Cell<bool>,
    close_limit: Duration,
    /// Cuts the connection if the peer does not answer a close.
    cut: Cell<Option<Handle>>,
}

impl Session {
    /// Sends a message. After a close it is discarded. What the peer does not take is kept: who sends much looks at
    /// [`write_buffer_size`](Transport::write_buffer_size) of the [transport](Session::transport).
    pub fn send(&self, message: &Encoded) {
        if !self.0.has_closed.get() {
            let frame = self.0.encoder.borrow_mut().encode(message);
            self.0.transport.write(&frame);
        }
    }

    /// Sends a ping, whose payload is cut after 125 bytes.
    pub fn ping(&self, payload: &[u8]) {
        if !self.0.has_closed.get() {
            let frame = self.0.encoder.borrow().ping(payload);
            self.0.transport.write(&frame);
        }
    }

    /// Sends a close. Messages are received until the peer answers it; if it does not in time, the connection is cut.
    pub fn close(&self, reason: Option<&CloseFrame>) {
        if !self.0.has_closed.replace(true) {
            let frame = self.0.encoder.borrow().close(reason);
            self.0.transport.write(&frame);
            self.cut_later();
        }
    }

    /// Cuts the connection once the limit of a close has passed.
    fn cut_later(&self) {
        let (transport, limit) = (self.0.transport.clone(), self.0.close_limit);
        let cut = Loop::current().map(|lp| lp.call_later(limit, move || transport.abort()));
        self.0.cut.set(cut);
    }

    /// Returns the subprotocol that both sides have agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol.as_deref()
    }

    /// Returns the transport, for its addresses and the state of its buffer.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.0.transport)
    }
}

/// The server's side of a WebSocket connection as a [`Protocol`](switchboard_callbacks::Protocol): it makes the handshake
/// and calls a [`Handler`].
pub struct Protocol<H> {
    handler: H,
    state: State,
}

enum State {
    /// The handshake has not been made.
    Head {
        options: Options,
        bytes: Vec<u8>,
    },
    Open(Box<Open>),
    /// Input is discarded.
    Over,
}

struct Open {
    session: Session,
    decoder: Decoder,
    /// What was received and waits until the peer reads.
    rest: Vec<u8>,
    violation: Option<Violation>,
    /// The peer has closed.
    is_closed: bool,
}

impl<H: Handler> Protocol<H> {
    /// Returns the protocol of one connection.
    pub fn new(options: Options, handler: H) -> Protocol<H> {
        let bytes = Vec::new();
        let state = State::Head { options, bytes };
        Protocol { handler, state }
    }

    /// Takes bytes of the request's head.
    fn head(&mut self, transport: &Transport, data: &[u8]) {
        let State::Head { options, bytes } = &mut self.state else {
            return;
        };
        bytes.extend_from_slice(data);
        let answered = match parse(bytes) {
            Ok(None) if bytes.len() <= HEAD => return,
            Ok(None) => Err(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
            Ok(Some((request, length))) => {
                Handshake::new(&request, options).map(|handshake| (handshake, length))
            }
            Err(status) => Err(refusal(status)),
        };
        let (handshake, length) = match answered {
            Ok(answered) => answered,
            Err(refusal) => {
                transport.write(&refusal_head(refusal));
                transport.close();
                self.state = State::Over;
                return;
            }
        };
        transport.write(&handshake.head());
        let agreed = handshake.agreed();
        let encoder = Encoder::new(Role::Server, options.compress_from, agreed);
        let session = Session(Rc::new(Inner {
            transport: transport.clone(),
            encoder: RefCell::new(encoder),
            protocol: handshake.protocol().map(Arc::from),
            has_closed: Cell::new(false),
            close_limit: options.close_limit,
            cut: Cell::new(None),
        }));
        let open = Open {
            session: session.clone(),
            decoder: Decoder::new(Role::Server, options.max_message, agreed),
            rest: Vec::new(),
            violation: None,
            is_closed: false,
        };
        let early = bytes.split_off(length);
        self.state = State::Open(Box::new(open));
        self.handler.open(&session);
        self.feed(&early);
    }

    /// Decodes messages until the peer takes no more answers.
    fn feed(&mut self, mut data: &[u8]) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let transport = open.session.transport().clone();
        while !data.is_empty() {
            if transport.write_buffer_size() > HIGH {
                transport.pause_reading();
                open.rest = data.to_vec();
                return;
            }
            match open.decoder.decode(&mut data) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    open.react(&message);
                    self.handler.message(&open.session, message);
                }
                Err(violation) => return open.fail(violation),
            }
        }
    }

    /// Goes on with what was kept.
    fn resume(&mut self, transport: &Transport) {
        if let State::Open(open) = &mut self.state
            && !open.rest.is_empty()
        {
            let rest = std::mem::take(&mut open.rest);
            transport.resume_reading();
            self.feed(&rest);
        }
    }
}

impl Open {
    fn react(&mut self, message: &Message) {
        let Session(inner) = &self.session;
        match message {
            Message::Ping(payload) if !inner.has_closed.get() => {
                inner.transport.write(&inner.encoder.borrow().pong(payload));
            }
            Message::Close(reason) => {
                self.is_closed = true;
                if !inner.has_closed.replace(true) {
                    let frame = inner.encoder.borrow().close(reason.as_ref());
                    inner.transport.write(&frame);
                }
                inner.transport.close();
            }
            _ => {}
        }
    }

    /// Closes because of a violation. The input that follows is discarded: a reset could overtake the close.
    fn fail(&mut self, violation: Violation) {
        self.violation = Some(violation);
        let reason = CloseFrame {
            code: violation.code(),
            reason: Utf8Bytes::from(violation.to_string()),
        };
        match self.session.0.has_closed.get() {
            true => self.session.0.transport.abort(),
            false => self.session.close(Some(&reason)),
        }
        self.session.0.transport.write_eof();
    }
}

impl<H: Handler> switchboard_callbacks::Protocol for Protocol<H> {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        match &mut self.state {
            State::Head { .. } => self.head(transport, data),
            // It was received before the pause.
            State::Open(open) if !open.rest.is_empty() => open.rest.extend_from_slice(data),
            State::Open(_) => self.feed(data),
            State::Over => {}
        }
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.resume(transport);
    }

    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        let State::Open(open) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        open.session.0.has_closed.set(true);
        if let Some(cut) = open.session.0.cut.take() {
            cut.cancel();
        }
        let cause = match (open.violation, open.is_closed) {
            (Some(violation), _) => Some(violation.into()),
            (None, false) if error.is_none() => Some(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection has ended without a close",
            )),
            _ => None,
        };
        self.handler.closed(&open.session, cause.as_ref().or(error));
    }
}

impl<H> fmt::Debug for Protocol<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Head { .. } => "Protocol(handshake)",
            State::Open(_) => "Protocol(open)",
            State::Over => "Protocol(over)",
        })
    }
}

/// Parses a head; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, StatusCode> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let status = parsed.parse(bytes).map_err(|error| match error {
        httparse::Error::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    })?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let bad = |_| StatusCode::BAD_REQUEST;
    let mut request = Request::new(());
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    *request.method_mut() = method.map_err(|_| StatusCode::BAD_REQUEST)?;
    *request.version_mut() = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(bad)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| StatusCode::BAD_REQUEST)?;
        request.headers_mut().append(name, value);
    }
    Ok(Some((request, length)))
}

fn refusal(status: StatusCode) -> Response<&'static str> {
    let mut response = Response::new("");
    *response.status_mut() = status;
    response
}

fn refusal_head(refusal: Response<&'static str>) -> Vec<u8> {
    let (status, text) = (refusal.status(), refusal.body());
    let length = text.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    let mut head = head.into_bytes();
    write_fields(&mut head, refusal.headers());
    head.extend_from_slice(text.as_bytes());
    head
}
