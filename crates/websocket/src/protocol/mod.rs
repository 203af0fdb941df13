//! WebSocket by callbacks.

mod request;
mod session;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use switchboard_callbacks::Transport;
use switchboard_reactor::{Handle, Loop};

use self::request::{parse, refusal, refusal_head};
use self::session::Inner;
pub use self::session::Session;
use crate::handshake::server::Handshake;
use crate::{CloseFrame, Decoder, Encoder, Message, Options, Role, Utf8Bytes, Violation};

/// The most bytes of a request's head.
const HEAD: usize = 16 * 1024;

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

    /// Called with each message and control frame. Pings and closes are answered already. While more than the
    /// [high-water mark](Transport::set_write_buffer_limits) waits to be sent to the peer, 64 KiB where none is set, it is
    /// not called: the peer's messages stay in the socket.
    fn message(&mut self, session: &Session, message: Message);

    /// Called once for each [`open`](Handler::open), when the connection has ended. `error` is `None` after a closing
    /// handshake; otherwise it is as for [`WebSocket::recv`](crate::WebSocket::recv).
    fn closed(&mut self, session: &Session, error: Option<&io::Error>) {
        let _ = (session, error);
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
    Head(Box<Head>),
    Open(Box<Open>),
    /// Input is discarded.
    Over,
}

struct Head {
    options: Options,
    bytes: Vec<u8>,
    /// Refuses a request that comes too late.
    late: Option<Handle>,
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
        let state = State::Head(Box::new(Head {
            options,
            bytes,
            late: None,
        }));
        Protocol { handler, state }
    }

    /// Takes bytes of the request's head.
    fn head(&mut self, transport: &Transport, data: &[u8]) {
        let State::Head(head) = &mut self.state else {
            return;
        };
        let Head {
            options,
            bytes,
            late,
        } = &mut **head;
        bytes.extend_from_slice(data);
        let answered = match parse(bytes) {
            Ok(None) if bytes.len() <= HEAD => return,
            Ok(None) => Err(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
            Ok(Some((request, length))) => {
                Handshake::new(&request, options).map(|handshake| (handshake, length))
            }
            Err(status) => Err(refusal(status)),
        };
        if let Some(late) = late.take() {
            late.cancel();
        }
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
            let (high, _) = transport.write_buffer_limits();
            // Above its mark, the transport says when writing resumes.
            if transport.write_buffer_size() > high {
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
                // A peer that does not take the answer does not hold the connection.
                self.session.cut_later();
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
    fn connection_made(&mut self, transport: &Transport) {
        if let State::Head(head) = &mut self.state {
            let (transport, limit) = (transport.clone(), head.options.head_limit);
            let refuse = move || {
                transport.write(&refusal_head(refusal(StatusCode::REQUEST_TIMEOUT)));
                transport.close();
            };
            head.late = Loop::current().map(|lp| lp.call_later(limit, refuse));
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        match &mut self.state {
            State::Head(_) => self.head(transport, data),
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
        let open = match std::mem::replace(&mut self.state, State::Over) {
            State::Open(open) => open,
            State::Head(head) => {
                if let Some(late) = head.late {
                    late.cancel();
                }
                return;
            }
            State::Over => return,
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
            State::Head(_) => "Protocol(handshake)",
            State::Open(_) => "Protocol(open)",
            State::Over => "Protocol(over)",
        })
    }
}
