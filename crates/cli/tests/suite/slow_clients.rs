//! Clients that connect and send nothing, or half a request, hold no thread of a pool.

use std::io::{BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::served::{Served, round_trip};

const REQUEST: &[u8] = b"GET /page/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// One worker, worker threads, worker processes; each with a pool of few threads.
const LAYOUTS: [&[&str]; 3] = [
    &["--workers", "1"],
    &["--workers", "2"],
    &["--workers", "2", "--workers-as", "processes"],
];

fn pool(service: &str, arguments: &[&str]) -> Served {
    let mut all = vec![service, "--listen", "127.0.0.1:0", "--model", "pool"];
    all.extend(["--pool", "4"]);
    all.extend(arguments);
    Served::start(&all, None)
}

fn site(arguments: &[&str]) -> Served {
    pool("slow-site", &[arguments, &["--latency", "5ms"]].concat())
}

fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn half_a_head_holds_no_thread_of_a_pool() {
    for layout in LAYOUTS {
        let served = site(layout);
        let half = |at: usize| {
            let mut stream = served.connect();
            // Some send nothing at all.
            stream.write_all(&REQUEST[..at % 40]).unwrap();
            stream
        };
        let mut halves: Vec<TcpStream> = (0..500).map(half).collect();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let mut stream = served.connect();
                    stream.write_all(REQUEST).unwrap();
                    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
                });
            }
        });
        let took = start.elapsed();
        println!("{layout:?}: 20 clients beside 500 slow ones: {took:?}");
        assert!(took < Duration::from_secs(10), "{layout:?}: {took:?}");
        // A slow client is served once it has sent its request, be it byte by byte.
        for (at, stream) in halves.iter_mut().enumerate().take(80) {
            for byte in &REQUEST[at % 40..] {
                stream.write_all(std::slice::from_ref(byte)).unwrap();
            }
        }
        for stream in halves.iter_mut().take(80) {
            assert!(answer(stream).starts_with("HTTP/1.1 200"), "{layout:?}");
        }
        // One that ends instead is let go.
        for stream in halves.iter_mut().skip(80) {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        for stream in halves.iter_mut().skip(80) {
            let _ = stream.read_to_end(&mut Vec::new());
        }
        drop(halves);
        let stderr = served.stop();
        assert!(stderr.contains("refused 0, cut 0"), "{layout:?}: {stderr}");
    }
}

#[test]
fn silent_clients_hold_no_thread_of_a_pool() {
    for layout in LAYOUTS {
        let served = pool("echo", layout);
        let mut silent: Vec<TcpStream> = (0..200).map(|_| served.connect()).collect();
        round_trip(&mut served.connect());
        // Each in its turn, because a connection keeps its thread.
        for mut stream in silent.drain(..) {
            round_trip(&mut stream);
        }
        served.stop();
    }
}

#[test]
fn a_stop_ends_connections_without_a_thread_as_others() {
    for layout in LAYOUTS {
        let served = site(&[layout, &["--drain", "60"]].concat());
        let mut clients: Vec<TcpStream> = (0..20).map(|_| served.connect()).collect();
        // So many reach each worker, which has accepted those that came before them by then.
        for _ in 0..40 {
            let mut later = served.connect();
            later.write_all(REQUEST).unwrap();
            assert!(answer(&mut later).starts_with("HTTP/1.1 200"));
        }
        let start = Instant::now();
        let stderr = served.stop();
        assert!(start.elapsed() < Duration::from_secs(30), "{layout:?}");
        assert!(stderr.contains("accepted 60"), "{layout:?}: {stderr}");
        assert!(stderr.contains("refused 0, cut 0"), "{layout:?}: {stderr}");
        for client in &mut clients {
            assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        }
    }
}

#[test]
fn connections_without_a_thread_drain_and_are_cut_as_others() {
    for layout in LAYOUTS {
        let served = pool("echo", &[layout, &["--drain", "1"]].concat());
        let mut clients: Vec<TcpStream> = (0..20).map(|_| served.connect()).collect();
        // So many reach each worker, which has accepted those that came before them by then.
        for _ in 0..40 {
            let mut later = served.connect();
            round_trip(&mut later);
            later.shutdown(Shutdown::Write).unwrap();
            assert_eq!(later.read(&mut [0]).unwrap(), 0);
        }
        let start = Instant::now();
        let stderr = served.stop();
        assert!(start.elapsed() < Duration::from_secs(8), "{layout:?}");
        assert!(stderr.contains("accepted 60"), "{layout:?}: {stderr}");
        assert!(stderr.contains("cut 20"), "{layout:?}: {stderr}");
        for client in &mut clients {
            assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        }
    }
}

#[test]
fn a_busy_pool_says_so() {
    let mut served = pool("echo", &[]);
    let mut clients: Vec<TcpStream> = (0..5).map(|_| served.connect()).collect();
    clients.iter_mut().take(4).for_each(round_trip);
    clients[4].write_all(b"hello").unwrap();
    let mut line = String::new();
    while !line.contains("the pool's 4 threads are busy") {
        line.clear();
        assert_ne!(served.stderr.read_line(&mut line).unwrap(), 0);
    }
    drop(clients.remove(0));
    clients[3].read_exact(&mut [0; 5]).unwrap();
}

#[test]
fn models_that_serve_few_at_a_time_say_so() {
    for (model, part) in [
        ("blocking", "one connection is served at a time"),
        ("pool", "the pool serves 1 connection at a time"),
    ] {
        let served = Served::echo(&["--model", model, "--pool", "1"]);
        let stderr = served.stop();
        assert!(stderr.contains(part), "{stderr}");
        let quiet = Served::echo(&["--model", model, "--quiet"]).stop();
        assert_eq!(quiet, "");
    }
}
