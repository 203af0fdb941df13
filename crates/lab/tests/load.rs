//! The load against small servers, correct and faulty ones.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};
use switchboard_lab::{Load, Outcome, Talk, Way};

/// Serves each connection in a thread of its own, and returns the address.
fn serve(handle: impl Fn(TcpStream) + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || handle(stream));
        }
    });
    addr
}

/// Echoes bytes after `change` has edited them, until `change` returns false.
fn echo(mut stream: TcpStream, mut change: impl FnMut(&mut Vec<u8>) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        if !change(&mut bytes) || stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// Returns a TCP socket that has a port and does not listen.
fn bound() -> (OwnedFd, SocketAddr) {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = rustix::net::socket(family, kind, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    let addr = rustix::net::getsockname(&socket).unwrap();
    (socket, addr.try_into().unwrap())
}

fn load(addr: SocketAddr, message: usize) -> Load {
    Load {
        addr,
        connections: 3,
        message,
        warm_up: Duration::from_millis(20),
        duration: Duration::from_millis(200),
        push: false,
    }
}

fn run(addr: SocketAddr, message: usize) -> Outcome {
    load(addr, message).run(|| (), || ()).unwrap()
}

/// Runs loads by a way, each twice as long as the one before, until one has come so far; a busy machine may need the
/// time. Returns the last of six if none has.
fn run_until(load: Load, way: &Way, is_enough: impl Fn(&Outcome) -> bool) -> Outcome {
    let mut load = load;
    for _ in 0..5 {
        let outcome = load.run_by(way, || (), || ()).unwrap();
        if is_enough(&outcome) {
            return outcome;
        }
        load.duration *= 2;
    }
    load.run_by(way, || (), || ()).unwrap()
}

/// Runs loads in a closed loop until that many clients were served.
fn run_until_served(load: Load, clients: usize) -> Outcome {
    run_until(load, &Way::default(), |outcome| {
        outcome.served >= clients && outcome.round_trips > 0
    })
}

/// Runs loads in a closed loop until that many clients have failed.
fn run_until_failed(load: Load, clients: usize) -> Outcome {
    run_until(load, &Way::default(), |outcome| {
        outcome.errors.len() >= clients
    })
}

#[test]
fn round_trips_are_counted() {
    let addr = serve(|stream| echo(stream, |_| true));
    for message in [1, 64, 5000, 300_000] {
        let outcome = run_until_served(load(addr, message), 3);
        assert_eq!(outcome.errors, Vec::<String>::new());
        assert_eq!(outcome.served, 3, "{message} bytes");
        assert!(outcome.round_trips > 0, "{message} bytes");
        assert_eq!(outcome.latencies.len(), outcome.round_trips);
    }
}

#[test]
fn several_messages_of_a_connection_may_be_under_way() {
    let addr = serve(|stream| echo(stream, |_| true));
    for (message, depth) in [(1, 2), (64, 16), (4096, 50)] {
        let way = Way {
            depth,
            ..Way::default()
        };
        let outcome = run_until(load(addr, message), &way, |outcome| outcome.served == 3);
        assert_eq!(outcome.errors, Vec::<String>::new());
        assert_eq!(outcome.served, 3);
        assert_eq!(outcome.latencies.len(), outcome.round_trips);
    }
}

/// Such a server cannot receive more before it has sent, so the client must read while it writes.
#[test]
fn a_message_larger_than_all_buffers_comes_back() {
    let addr = serve(|stream| echo(stream, |_| true));
    let load = Load {
        connections: 1,
        duration: Duration::from_secs(2),
        ..load(addr, 32 << 20)
    };
    let outcome = run_until(load, &Way::default(), |outcome| outcome.served == 1);
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert_eq!(outcome.served, 1);
}

#[test]
fn the_start_and_the_end_of_the_measured_time_are_reported() {
    let addr = serve(|stream| echo(stream, |_| true));
    let calls = Cell::new(0);
    let began = Cell::new(None);
    let at_start = || {
        began.set(Some(Instant::now()));
        calls.set(calls.get() * 10 + 1);
    };
    let outcome = load(addr, 64)
        .run(at_start, || calls.set(calls.get() * 10 + 2))
        .unwrap();
    assert_eq!(calls.get(), 12);
    assert!(outcome.elapsed >= Duration::from_millis(200));
    assert!(began.get().unwrap().elapsed() >= outcome.elapsed);
}

#[test]
fn changed_bytes_are_an_error() {
    let flipped = serve(|stream| {
        echo(stream, |bytes| {
            *bytes.last_mut().unwrap() ^= 1;
            true
        });
    });
    // Repeats its first message, which is correct once.
    let stale = serve(|stream| {
        let mut first = None;
        echo(stream, |bytes| {
            bytes.clone_from(first.get_or_insert_with(|| bytes.clone()));
            true
        });
    });
    let more = serve(|stream| {
        echo(stream, |bytes| {
            bytes.push(0);
            true
        });
    });
    for (addr, served, text) in [
        (flipped, 0, "other"),
        (stale, 3, "other"),
        (more, 0, "more"),
    ] {
        let outcome = run_until_failed(load(addr, 64), 3);
        assert_eq!(outcome.errors.len(), 3, "{:?}", outcome.errors);
        assert!(outcome.errors[0].contains(text), "{:?}", outcome.errors);
        assert_eq!(outcome.served, served);
    }
}

/// The server swaps the messages of two clients.
#[test]
fn another_clients_bytes_are_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let swap = move |listener: &TcpListener| {
        let (mut one, _) = listener.accept()?;
        let (mut other, _) = listener.accept()?;
        let (mut a, mut b) = ([0; 64], [0; 64]);
        one.read_exact(&mut a)?;
        other.read_exact(&mut b)?;
        one.write_all(&b)?;
        other.write_all(&a)?;
        // Both clients close their connections.
        one.read_to_end(&mut Vec::new())?;
        other.read_to_end(&mut Vec::new())
    };
    thread::spawn(move || {
        loop {
            // The clients of a load that was too short are gone.
            let _ = swap(&listener);
        }
    });
    let load = Load {
        connections: 2,
        ..load(addr, 64)
    };
    let outcome = run_until_failed(load, 2);
    assert_eq!(outcome.errors.len(), 2, "{:?}", outcome.errors);
    assert_eq!(outcome.served, 0);
}

#[test]
fn a_closed_connection_does_not_affect_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve_three = |listener: &TcpListener| {
        // Closing a socket with unread bytes resets the connection.
        let (mut reset, _) = listener.accept()?;
        let is_asked = reset.read_exact(&mut [0; 1]);
        drop(reset);
        let (mut ended, _) = listener.accept()?;
        let is_asked = is_asked.and(ended.read_exact(&mut [0; 64]));
        let _ = ended.shutdown(Shutdown::Both);
        let (stream, _) = listener.accept()?;
        // The clients of a load that was too short are gone.
        is_asked.map(|()| echo(stream, |_| true))
    };
    thread::spawn(move || {
        loop {
            let _ = serve_three(&listener);
        }
    });
    let outcome = run_until(load(addr, 64), &Way::default(), |outcome| {
        outcome.errors.len() == 2 && outcome.round_trips > 0
    });
    let errors = outcome.errors.join("\n");
    assert_eq!(outcome.errors.len(), 2, "{errors}");
    assert!(errors.contains("reset"), "{errors}");
    assert!(errors.contains("closed"), "{errors}");
    assert_eq!(outcome.served, 1);
    assert!(outcome.round_trips > 0);
}

#[test]
fn refused_connections_are_reported() {
    // A socket that is bound and does not listen keeps its port, where every connection is refused.
    let (_closed, addr) = bound();
    let outcome = run(addr, 64);
    assert_eq!(outcome.errors.len(), 3);
    assert!(
        outcome.errors[0].contains("refused"),
        "{:?}",
        outcome.errors
    );
    assert_eq!((outcome.served, outcome.round_trips), (0, 0));
}

#[test]
fn a_server_of_one_client_at_a_time_is_no_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            echo(stream, |_| true);
        }
    });
    let outcome = run_until_served(load(addr, 64), 1);
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert_eq!(outcome.served, 1);
}

/// The server never accepts, and its listen queue is too short for all clients.
#[test]
fn a_silent_server_does_not_prolong_the_run() {
    let (queue, addr) = bound();
    rustix::net::listen(&queue, 1).unwrap();
    let load = Load {
        connections: 20,
        ..load(addr, 64)
    };
    // Nothing would end it but its own time.
    let outcome = load.run(|| (), || ()).unwrap();
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert_eq!((outcome.served, outcome.round_trips), (0, 0));
}

#[test]
fn messages_of_no_bytes_are_refused() {
    let addr: SocketAddr = "127.0.0.1:1".parse().unwrap();
    assert!(load(addr, 0).run(|| (), || ()).is_err());
    assert!(load(addr, 1).run_pipelined(0, || (), || ()).is_err());
}

const FREEZE: Duration = Duration::from_secs(1);

/// Runs a load of three seconds against a server that is frozen at its begin; returns how long it was at least, too.
fn run_frozen(way: &Way) -> (Outcome, Duration) {
    let (lock, is_over): &(Mutex<bool>, Condvar) = Box::leak(Box::default());
    let addr = serve(move |stream| {
        echo(stream, |_| {
            let is_frozen = lock.lock().unwrap();
            drop(is_over.wait_while(is_frozen, |is_frozen| *is_frozen));
            true
        });
    });
    let load = Load {
        connections: 4,
        duration: FREEZE * 3,
        ..load(addr, 64)
    };
    let thaw = || {
        thread::sleep(FREEZE);
        // Before the server goes on, however late that is.
        let end = Instant::now();
        *lock.lock().unwrap() = false;
        is_over.notify_all();
        end
    };
    let (mut thawing, mut ended) = (None, None);
    let at_start = || {
        *lock.lock().unwrap() = true;
        thawing = Some(thread::spawn(thaw));
    };
    let at_end = || ended = Some(Instant::now());
    let outcome = load.run_by(way, at_start, at_end).unwrap();
    assert_eq!(outcome.errors, Vec::<String>::new());
    // The measured time began then or before.
    let began = ended.unwrap() - outcome.elapsed;
    (outcome, thawing.unwrap().join().unwrap() - began)
}

fn slower_than(outcome: &Outcome, least: Duration) -> u64 {
    let least = least.as_nanos() as u64;
    outcome.latencies.count_between(least, u64::MAX)
}

#[test]
fn a_freeze_shows_in_the_tail_for_each_request_that_was_due_in_it() {
    const RATE: f64 = 500.0;
    let way = Way {
        rate: Some(RATE),
        ..Way::default()
    };
    // In the quietest of three, few others are slow.
    assert!((0..3).any(|_| is_charged_to_those_in_it(&way, RATE)));
}

/// Returns whether few requests are slow that were not due in a freeze, after it was checked that all of those are.
fn is_charged_to_those_in_it(way: &Way, rate: f64) -> bool {
    const SLOW: Duration = Duration::from_millis(100);
    let (outcome, froze) = run_frozen(way);
    let most = Duration::from_nanos(outcome.latencies.max());
    let tail = Duration::from_nanos(outcome.latencies.value_at_quantile(0.999));
    assert!(
        most >= froze - SLOW / 2 && tail >= froze - SLOW,
        "{most:?} {tail:?} of {froze:?}"
    );
    let due = rate * (FREEZE * 3).as_secs_f64();
    let counted = (outcome.round_trips + outcome.unanswered) as f64;
    assert!((counted - due).abs() <= 5.0, "{counted} of {due}");
    // Those that were due up to 100 ms before its end waited for at least so long; those in a stall of the machine do, too.
    let expected = rate * (froze - SLOW).as_secs_f64();
    let found = slower_than(&outcome, SLOW) as f64;
    assert!(found >= expected * 0.97, "{found} of {expected}");
    found <= expected * 1.3
}

/// The reason for open loops.
#[test]
fn a_closed_loop_sees_a_freeze_once_for_each_connection() {
    let (outcome, froze) = run_frozen(&Way::default());
    assert_eq!(slower_than(&outcome, froze.mul_f64(0.9)), 4);
    assert_eq!((outcome.unanswered, outcome.late), (0, Duration::ZERO));
}

#[test]
fn requests_without_an_answer_count_with_what_they_have_waited() {
    let way = Way {
        rate: Some(300.0),
        ..Way::default()
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = load(silent.local_addr().unwrap(), 64)
        .run_by(&way, || (), || ())
        .unwrap();
    assert_eq!((outcome.served, outcome.round_trips), (0, 0));
    assert!(
        (55..=65).contains(&outcome.unanswered),
        "{}",
        outcome.unanswered
    );
    let most = Duration::from_nanos(outcome.latencies.max());
    assert!(most >= Duration::from_millis(150), "{most:?}");
}

/// Answers each head with the same bytes.
fn serve_pages(answer: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        // Two small writes would wait for an acknowledgement otherwise.
        stream.set_nodelay(true).unwrap();
        let mut held = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            held.extend_from_slice(&buffer[..length]);
            while let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
                held.drain(..end + 4);
                // In two pieces, so that answers come in parts.
                let (one, other) = answer.split_at(answer.len() / 2);
                if stream.write_all(one.as_bytes()).is_err()
                    || stream.write_all(other.as_bytes()).is_err()
                {
                    return;
                }
            }
        }
    })
}

#[test]
fn pages_are_asked_for_and_checked() {
    let way = Way {
        talk: Talk::Get("/hello".to_owned()),
        ..Way::default()
    };
    let good = serve_pages("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!");
    for rate in [None, Some(300.0)] {
        let way = Way {
            rate,
            ..way.clone()
        };
        let outcome = run_until(load(good, 1), &way, |outcome| {
            outcome.served == 3 && outcome.round_trips > 10
        });
        assert_eq!(outcome.errors, Vec::<String>::new());
        assert_eq!(
            (outcome.served, outcome.latencies.len()),
            (3, outcome.round_trips + outcome.unanswered)
        );
        assert!(outcome.round_trips > 10, "{}", outcome.round_trips);
    }
    for bad in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let error = load(serve_pages(bad), 1)
            .run_by(&way, || (), || ())
            .unwrap_err();
        assert!(error.to_string().contains("/hello"), "{error}");
    }
}

#[test]
fn rates_and_depths_that_cannot_be_are_refused() {
    let addr: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let refused = |way: Way| load(addr, 1).run_by(&way, || (), || ()).unwrap_err().kind();
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let way = Way {
            rate: Some(rate),
            ..Way::default()
        };
        assert_eq!(refused(way), std::io::ErrorKind::InvalidInput, "{rate}");
    }
    let way = Way {
        depth: 2,
        talk: Talk::Get("/".to_owned()),
        ..Way::default()
    };
    assert_eq!(refused(way), std::io::ErrorKind::InvalidInput);
}
