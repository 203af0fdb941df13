//! Connections of a server that stops, under every model and driver.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use switchboard_http::{Request, Response, serve_connection_until};
use switchboard_runtime::{self as runtime, Driver, Event, Model};

use support::{models_and_drivers, run};

mod support;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

/// A connection of a server, from the client's end.
struct Served {
    client: TcpStream,
    /// The server's socket once more, until the test looks at its end.
    socket: TcpStream,
    stop: Event,
    /// Has a message once the connection knows of the stop.
    stopped: mpsc::Receiver<()>,
    started: mpsc::Receiver<()>,
    server: JoinHandle<io::Result<()>>,
}

impl Served {
    /// Begins to serve a connection on which the client has sent `bytes`. The handler of `/stop` answers
    /// after the stop.
    fn start((model, driver): (Model, Driver), bytes: &[u8], stop: Event) -> Served {
        println!("{model} with {driver}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // An end would not show while the test has the server's socket too.
        let late = Duration::from_secs(60);
        client.set_read_timeout(Some(late)).unwrap();
        client.write_all(bytes).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let socket = stream.try_clone().unwrap();
        let (start, started) = mpsc::channel();
        let (tell, stopped) = mpsc::channel();
        let ending = stop.clone();
        let server = thread::spawn(move || {
            let stop = ending.clone();
            let handler = move |request: Request| {
                let (start, stop) = (start.clone(), stop.clone());
                async move {
                    start.send(()).unwrap();
                    if request.uri() == "/stop" {
                        stop.wait().await;
                        // The connection learns of the stop first.
                        runtime::yield_now().await;
                    }
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                }
            };
            let ends = async {
                ending.wait().await;
                tell.send(()).unwrap();
            };
            let serve = async { serve_connection_until(stream.into(), handler, ends).await };
            run(model, driver, serve)
        });
        Served {
            client,
            socket,
            stop,
            stopped,
            started,
            server,
        }
    }

    /// Reads an answer up to the end of its body.
    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            let mut byte = [0];
            self.client.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        String::from_utf8(answer).unwrap()
    }

    /// Stops the server, and returns once the connection knows of it.
    fn stop(&self) {
        self.stop.set();
        self.stopped.recv().unwrap();
    }

    /// Returns once the server has received all that the client has sent, or has ended without that.
    fn is_read(&self) {
        let is_left = || rustix::io::ioctl_fionread(&self.socket).unwrap() > 0;
        while is_left() && !self.server.is_finished() {
            thread::yield_now();
        }
    }

    /// Checks that the connection has ended without an error, and that nothing more comes.
    fn ends(mut self) {
        drop(self.socket);
        let start = Instant::now();
        // This goes on after a signal, as that of a process that ends.
        let rest = self.client.read_to_end(&mut Vec::new());
        assert_eq!(rest.unwrap(), 0);
        self.server.join().unwrap().unwrap();
        // The limit for the next request's head is 30 seconds.
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}

/// The time that a connection of a server that stops has for a request that is on its way.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Begins a connection whose client sends what it does in time.
fn in_time(begin: impl Fn() -> Served) -> Served {
    for _ in 0..10 {
        let start = Instant::now();
        let served = begin();
        // One whose client was late may have ended.
        if start.elapsed() < LAST_CHANCE {
            return served;
        }
    }
    panic!("the client or the server was late ten times");
}

#[test]
fn an_idle_connection_ends_when_the_server_stops() {
    for way in models_and_drivers() {
        // A connection that has not had a request yet, and one that has had two.
        let served = Served::start(way, b"", Event::new());
        served.stop.set();
        served.ends();
        let mut served = Served::start(way, REQUEST, Event::new());
        assert!(!served.answer().contains("connection"));
        served.client.write_all(REQUEST).unwrap();
        assert!(!served.answer().contains("connection"));
        served.stop.set();
        served.ends();
    }
}

#[test]
fn a_request_that_runs_is_answered_with_a_close_when_the_server_stops() {
    for way in models_and_drivers() {
        let request = b"GET /stop HTTP/1.1\r\nhost: here\r\n\r\n";
        let mut served = Served::start(way, request, Event::new());
        served.started.recv().unwrap();
        served.stop.set();
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn a_request_that_has_arrived_before_the_stop_is_answered() {
    for way in models_and_drivers() {
        let stop = Event::new();
        stop.set();
        let mut served = Served::start(way, REQUEST, stop);
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn a_first_request_is_answered_although_the_server_has_stopped() {
    for way in models_and_drivers() {
        let mut served = in_time(|| {
            let stop = Event::new();
            stop.set();
            let mut served = Served::start(way, b"", stop);
            // The server may have closed.
            let _ = served.client.write_all(REQUEST);
            served
        });
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn a_next_request_that_is_on_its_way_when_the_server_stops_is_answered() {
    for way in models_and_drivers() {
        let mut served = in_time(|| {
            let mut served = Served::start(way, REQUEST, Event::new());
            assert!(!served.answer().contains("connection"));
            served.stop();
            let _ = served.client.write_all(REQUEST);
            served
        });
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn a_head_that_has_come_in_part_before_the_stop_is_answered() {
    for way in models_and_drivers() {
        let stop = Event::new();
        stop.set();
        let (first, second) = REQUEST.split_at(10);
        let mut served = Served::start(way, first, stop);
        served.client.write_all(second).unwrap();
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn a_next_request_in_two_pieces_is_answered_although_the_server_stops() {
    for way in models_and_drivers() {
        let mut served = in_time(|| {
            let mut served = Served::start(way, REQUEST, Event::new());
            served.answer();
            let (first, second) = REQUEST.split_at(10);
            served.stop();
            let _ = served.client.write_all(first);
            served.is_read();
            let _ = served.client.write_all(second);
            served
        });
        assert!(served.answer().contains("connection: close"));
        served.ends();
    }
}

#[test]
fn part_of_a_second_request_does_not_keep_its_connection() {
    for way in models_and_drivers() {
        let mut served = Served::start(way, REQUEST, Event::new());
        served.answer();
        served.client.write_all(&REQUEST[..10]).unwrap();
        // Its end would be a reset otherwise.
        served.is_read();
        served.stop.set();
        served.ends();
    }
}
