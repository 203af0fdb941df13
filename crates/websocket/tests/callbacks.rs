//! WebSocket by callbacks, driven with bytes.

mod support;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use support::{CLOSE, FIN, RSV1, TEXT, decode, frame};
use switchboard_callbacks::Connection;
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Loop, Model};
use switchboard_websocket::{
    CloseCode, Decoder, Encoded, Handler, Message, Options, Protocol, Role, Session,
};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nhost: here\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Echoes, and notes what it is told.
#[derive(Clone, Default)]
struct Echo(Rc<RefCell<Vec<String>>>);

impl Handler for Echo {
    fn open(&mut self, _: &Session) {
        self.0.borrow_mut().push("open".into());
    }

    fn message(&mut self, session: &Session, message: Message) {
        if let Some(answer) = Encoded::message(&message) {
            session.send(&answer);
        }
    }

    fn closed(&mut self, _: &Session, error: Option<&io::Error>) {
        let ended = error.map(io::Error::kind);
        self.0.borrow_mut().push(format!("closed {ended:?}"));
    }
}

/// Sends pieces, and returns what came back until the end, and what the handler was told.
fn exchange(driver: Driver, pieces: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
    let (here, there) = Stream::pair().unwrap();
    let echo = Echo::default();
    let protocol = Protocol::new(Options::new(), echo.clone());
    let received = Model::Tasks.run_with(driver, async {
        let client = async {
            for piece in pieces {
                here.write_all(piece).await.unwrap();
                runtime::yield_now().await;
            }
            let mut received = vec![];
            loop {
                match here.recv().await {
                    Ok(chunk) if !chunk.is_empty() => received.extend_from_slice(&chunk),
                    _ => break,
                }
            }
            drop(here);
            received
        };
        runtime::join(Connection::new(there, protocol), client)
            .await
            .1
    });
    let told = echo.0.borrow().clone();
    (received.unwrap(), told)
}

#[test]
fn a_request_that_does_not_come_is_refused() {
    let options = Options::new().head_limit(Duration::from_millis(50));
    for driver in drivers() {
        let half = Model::Tasks.run_with(driver, async {
            let (here, there) = Stream::pair().unwrap();
            let server = Connection::new(there, Protocol::new(options.clone(), Echo::default()));
            let client = async {
                here.write_all(&REQUEST.as_bytes()[..40]).await.unwrap();
                let mut received = vec![];
                while let Ok(chunk) = here.recv().await
                    && !chunk.is_empty()
                {
                    received.extend_from_slice(&chunk);
                }
                String::from_utf8(received).unwrap()
            };
            runtime::join(server, client).await.1
        });
        let half = half.unwrap();
        assert!(half.starts_with("HTTP/1.1 408 "), "{driver}: {half}");
    }
}

#[test]
fn the_limit_of_a_request_is_over_once_it_has_come_on_virtual_time() {
    let limit = Duration::from_secs(10);
    let options = Options::new().head_limit(limit);
    let (here, there) = Stream::pair().unwrap();
    let whole = Model::Tasks.run_with(Driver::Sim, async {
        let server = Connection::new(there, Protocol::new(options, Echo::default()));
        let client = async {
            here.write_all(REQUEST.as_bytes()).await.unwrap();
            let head = here.recv().await.unwrap();
            assert!(head.starts_with(b"HTTP/1.1 101 "));
            runtime::sleep(limit * 2).await;
            let message = frame(FIN | TEXT, Some(*b"mask"), b"hello");
            here.write_all(&message).await.unwrap();
            let answer = here.recv().await.unwrap();
            drop(here);
            answer.to_vec()
        };
        runtime::join(server, client).await.1
    });
    assert_eq!(whole.unwrap(), b"\x81\x05hello");
}

#[test]
fn a_close_that_was_answered_leaves_no_timer() {
    /// Closes at once.
    struct Closes;
    impl Handler for Closes {
        fn open(&mut self, session: &Session) {
            session.close(None);
        }
        fn message(&mut self, _: &Session, _: Message) {}
    }
    let limit = Duration::from_secs(600);
    for driver in drivers() {
        let (here, there) = Stream::pair().unwrap();
        let protocol = Protocol::new(Options::new().close_limit(limit), Closes);
        let client = async move {
            here.write_all(REQUEST.as_bytes()).await.unwrap();
            let mut received = vec![];
            while !received.ends_with(&[FIN | CLOSE, 0]) {
                received.extend_from_slice(&here.recv().await.unwrap());
            }
            let answer = frame(FIN | CLOSE, Some(*b"mask"), b"");
            here.write_all(&answer).await.unwrap();
            assert!(here.recv().await.unwrap().is_empty());
        };
        let lp = Loop::new(driver).unwrap();
        lp.spawn(runtime::join(Connection::new(there, protocol), client))
            .detach();
        let started = Instant::now();
        Model::Tasks.run_until_empty(&lp).unwrap();
        assert!(started.elapsed() < limit, "{driver}: a timer held the loop");
    }
}

fn drivers() -> impl Iterator<Item = Driver> {
    let all = Driver::ALL
        .into_iter()
        .filter(|driver| *driver != Driver::Sim);
    all.filter(|driver| driver.open().is_ok())
}

fn messages(received: &[u8]) -> Vec<Message> {
    let end = received
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8_lossy(&received[..end]);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    let (messages, violation) = decode(
        &mut Decoder::new(Role::Client, 1 << 20, None),
        [&received[end..]],
    );
    assert_eq!(violation, None);
    messages
}

#[test]
fn messages_are_echoed_however_the_bytes_come() {
    let bytes = [
        REQUEST.as_bytes(),
        &frame(FIN | TEXT, Some(*b"mask"), b"hello"),
        &frame(FIN | CLOSE, Some(*b"mask"), &[3, 232]),
    ]
    .concat();
    for driver in drivers() {
        for size in [1, 7, 1000] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let (received, told) = exchange(driver, &pieces);
            let messages = messages(&received);
            assert_eq!(
                messages[0],
                Message::Text("hello".into()),
                "{driver} {size}"
            );
            assert!(
                matches!(&messages[1], Message::Close(Some(close)) if close.code == CloseCode::Normal)
            );
            assert_eq!(told, ["open", "closed None"]);
        }
    }
}

#[test]
fn a_violation_closes_with_its_code() {
    for driver in drivers() {
        let broken = frame(FIN | RSV1 | TEXT, Some(*b"mask"), &[0; 1000]);
        let (received, told) = exchange(driver, &[REQUEST.as_bytes(), &broken]);
        let messages = messages(&received);
        assert!(
            matches!(&messages[..], [Message::Close(Some(close))] if close.code == CloseCode::Protocol)
        );
        assert_eq!(told, ["open", "closed Some(InvalidData)"], "{driver}");
    }
}

#[test]
fn requests_that_are_none_are_refused() {
    let long = format!("GET / HTTP/1.1\r\nlong: {}", "a".repeat(20_000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: here\r\n\r\n", "426"),
        ("POST / HTTP/1.1\r\nhost: here\r\n\r\n", "405"),
        ("what\r\n\r\n", "400"),
        (&long, "431"),
    ] {
        let (received, told) = exchange(Driver::best(), &[request.as_bytes()]);
        let text = String::from_utf8_lossy(&received);
        assert_eq!(text.get(9..12), Some(status), "{text}");
        assert!(told.is_empty());
    }
}

#[test]
fn answers_wait_for_a_slow_peer_in_a_bounded_buffer() {
    const COUNT: usize = 400;
    for driver in drivers() {
        let (here, there) = Stream::pair().unwrap();
        let protocol = Protocol::new(Options::new(), Echo::default());
        let connection = Connection::new(there, protocol);
        let transport = connection.transport().clone();
        let payload = vec![b'a'; 20_000];
        let received = Model::Tasks.run_with(driver, async {
            let client = async {
                here.write_all(REQUEST.as_bytes()).await.unwrap();
                let message = frame(FIN | TEXT, Some(*b"mask"), &payload);
                let send = async {
                    for _ in 0..COUNT {
                        here.write_all(&message).await.unwrap();
                    }
                    here.write_all(&frame(FIN | CLOSE, Some(*b"mask"), b""))
                        .await
                        .unwrap();
                };
                let read = async {
                    let mut received = vec![];
                    while let Ok(chunk) = here.recv().await
                        && !chunk.is_empty()
                    {
                        assert!(transport.write_buffer_size() < 256 * 1024);
                        received.extend_from_slice(&chunk);
                        runtime::yield_now().await;
                    }
                    received
                };
                runtime::join(send, read).await.1
            };
            runtime::join(connection, client).await.1
        });
        let messages = messages(&received.unwrap());
        assert_eq!(messages.len(), COUNT + 1, "{driver}");
        assert!(
            messages[..COUNT]
                .iter()
                .all(|message| message.payload() == payload)
        );
    }
}

/// Answers each message with a long one, of which a peer that does not read leaves a part in the buffer.
struct Long;

impl Handler for Long {
    fn open(&mut self, session: &Session) {
        session
            .transport()
            .set_write_buffer_limits(8 << 20, 4 << 20);
    }

    fn message(&mut self, session: &Session, message: Message) {
        if let Message::Text(_) = message {
            let answer = vec![b'a'; 1 << 20];
            session.send(&Encoded::binary(&answer));
        }
    }
}

#[test]
fn answers_below_the_marks_of_the_transport_hold_up_no_message() {
    for driver in drivers() {
        let (here, there) = Stream::pair().unwrap();
        let connection = Connection::new(there, Protocol::new(Options::new(), Long));
        let message = frame(FIN | TEXT, Some(*b"mask"), b"hello");
        let close = frame(FIN | CLOSE, Some(*b"mask"), b"");
        let sent = [REQUEST.as_bytes(), &message, &message, &close].concat();
        let received = Model::Tasks.run_with(driver, async {
            let client = async {
                here.write_all(&sent).await.unwrap();
                let mut received = vec![];
                while let Ok(chunk) = here.recv().await
                    && !chunk.is_empty()
                {
                    received.extend_from_slice(&chunk);
                }
                received
            };
            let both = runtime::join(connection, client);
            let done = runtime::timeout(Duration::from_secs(600), both).await;
            done.expect("all messages are taken").1
        });
        let messages = messages(&received.unwrap());
        assert_eq!(messages.len(), 3, "{driver}");
        assert!(
            messages[..2]
                .iter()
                .all(|answer| answer.payload().len() == 1 << 20)
        );
    }
}
