use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

use super::counts::Tally;
use super::{Crowd, Group, Pace, Says};

fn group(addr: SocketAddr, clients: usize, pace: Pace) -> Group {
    Group {
        name: "clients".to_owned(),
        addr,
        clients,
        says: Says::Echo(64),
        pace,
        fresh: false,
        early: false,
        deadline: Some(Duration::from_millis(100)),
    }
}

/// Echoes messages of 64 bytes; waits for `freeze` before the tenth.
fn echo(mut stream: TcpStream, freeze: Duration) {
    let mut message = [0; 64];
    for count in 0.. {
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        if count == 10 {
            std::thread::sleep(freeze);
        }
        if stream.write_all(&message).is_err() {
            return;
        }
    }
}

const LONG: Duration = Duration::from_secs(20);

/// The time for which a server freezes, and that between two requests of its client.
const FREEZE: Duration = Duration::from_millis(300);
const EVERY: Duration = Duration::from_millis(10);

/// Starts a server that freezes once, and a client that asks it in an open loop.
fn crowd_of_a_freezing_server() -> (Crowd, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0, FREEZE));
    let crowd = Crowd::new(vec![group(addr, 1, Pace::Every(EVERY))], false).unwrap();
    (crowd, server)
}

#[test]
fn a_server_that_freezes_is_seen_by_all_requests_that_were_due_meanwhile() {
    let (mut crowd, server) = crowd_of_a_freezing_server();
    crowd.measure(EVERY * 60, LONG, false, || ()).unwrap();
    let counts = crowd.counts(0);
    assert_eq!((counts.due, counts.answered), (60, 60), "{counts:?}");
    assert!(counts.worst_s >= 0.3, "{counts:?}");
    // A closed loop would have seen it once; here all that were due in the first 200 ms of it are late.
    assert!(counts.late >= 20, "{counts:?}");
    assert!(counts.p99_s > 0.2, "{counts:?}");
    drop(crowd);
    server.join().unwrap();
}

#[test]
fn one_answer_after_the_end_does_not_lessen_the_rate_of_what_was_offered() {
    let (mut crowd, server) = crowd_of_a_freezing_server();
    let times = crowd.measure(EVERY * 20, LONG, false, || ()).unwrap();
    let counts = crowd.counts(0);
    assert_eq!((counts.due, counts.answered), (20, 20), "{counts:?}");
    assert!((counts.rate() - 100.0).abs() < 1e-6, "{counts:?}");
    // The time for which answers were waited for is in the whole.
    assert!(times.whole >= FREEZE + EVERY * 10, "{:?}", times.whole);
    drop(crowd);
    server.join().unwrap();
}

#[test]
fn what_is_left_unanswered_makes_the_rate_that_of_the_answers() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut tally = Tally::new(&group(addr, 1, Pace::Every(LONG))).unwrap();
    let start = Instant::now();
    let (second, end) = (Duration::from_secs(1), start + Duration::from_secs(9));
    for due in 1..=4 {
        tally.answered(start, start + second * due);
    }
    tally.end(start, second);
    assert_eq!(tally.counts().rate(), 4.0);
    tally.unanswered(start, end);
    tally.end(start, second);
    assert_eq!(tally.counts().rate(), 1.0);
    // An early last answer does not shorten the time in which requests were due.
    tally.end(start, second * 8);
    assert_eq!(tally.counts().rate(), 0.5);
}

#[test]
fn requests_of_a_server_that_never_answers_are_all_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let every = Duration::from_millis(20);
    for fresh in [false, true] {
        let group = Group {
            fresh,
            ..group(addr, 3, Pace::Every(every))
        };
        let mut crowd = Crowd::new(vec![group], true).unwrap();
        crowd.measure(every * 10, every * 6, false, || ()).unwrap();
        let counts = crowd.counts(0);
        assert_eq!((counts.due, counts.unanswered, counts.late), (30, 30, 30));
        assert_eq!((counts.served, counts.answered, counts.failed), (0, 0, 0));
    }
}

#[test]
fn a_server_that_is_not_there_fails_every_request() {
    // A socket that is bound and does not listen keeps its port, where every connection is refused.
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let closed = rustix::net::socket(family, kind, None).unwrap();
    rustix::net::bind(&closed, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = rustix::net::getsockname(&closed).unwrap();
    let addr = addr.try_into().unwrap();
    let every = Duration::from_millis(20);
    let mut crowd = Crowd::new(vec![group(addr, 2, Pace::Every(every))], false).unwrap();
    crowd.measure(every * 5, every, false, || ()).unwrap();
    let counts = crowd.counts(0);
    assert!(counts.failed > 0 && counts.answered == 0, "{counts:?}");
    assert_eq!(counts.due, counts.failed + counts.unanswered);
    assert_eq!(counts.late, counts.due);
    assert!(counts.error.unwrap().contains("refused"));
}

#[test]
fn idle_clients_come_in_wait_and_are_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        // Three are served and stay; the others wait in the queue.
        let served = (0..3).map(|_| {
            let stream = listener.accept().unwrap().0;
            std::thread::spawn(move || echo(stream, Duration::ZERO))
        });
        for thread in served.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
    });
    let mut crowd = Crowd::new(vec![group(addr, 8, Pace::Idle)], false).unwrap();
    crowd.gather(0, 2, LONG).unwrap();
    assert_eq!(crowd.held(0), 2);
    crowd.gather(0, 3, LONG).unwrap();
    assert_eq!(crowd.held(0), 3);
    let start = Instant::now();
    crowd.gather(0, 8, Duration::from_millis(500)).unwrap();
    assert_eq!(crowd.held(0), 3);
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert_eq!(crowd.ask_again(0, LONG).unwrap(), 3);
    drop(crowd);
    server.join().unwrap();
}

#[test]
fn requests_that_were_due_behind_a_failure_are_sent_late() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let freeze = Duration::from_millis(300);
    let server = std::thread::spawn(move || {
        let mut first = listener.accept().unwrap().0;
        first.read_exact(&mut [0; 64]).unwrap();
        std::thread::sleep(freeze);
        drop(first);
        echo(listener.accept().unwrap().0, Duration::ZERO);
    });
    let every = Duration::from_millis(20);
    let mut crowd = Crowd::new(vec![group(addr, 1, Pace::Every(every))], false).unwrap();
    crowd.measure(every * 30, LONG, false, || ()).unwrap();
    let counts = crowd.counts(0);
    assert_eq!((counts.due, counts.failed), (30, 1), "{counts:?}");
    assert_eq!((counts.answered, counts.unanswered), (29, 0), "{counts:?}");
    // The failed one, and those that were due in the first 200 ms of the freeze.
    assert!(counts.late >= 10, "{counts:?}");
    assert!(counts.worst_s >= 0.27, "{counts:?}");
    drop(crowd);
    server.join().unwrap();
}
