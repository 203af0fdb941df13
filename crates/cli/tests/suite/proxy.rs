//! `switchboard serve proxy` in front of echo servers.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::served::{Served, round_trip, run};

fn proxy(to: &[&str], arguments: &[&str]) -> Served {
    let mut all = vec!["proxy", "--listen", "127.0.0.1:0"];
    for to in to {
        all.extend(["--to", to]);
    }
    all.extend(arguments);
    Served::start(&all, None)
}

/// An address at which nothing listens; its port is none of those that the system gives.
const NOWHERE: &str = "127.0.0.1:1";

/// Returns an address at which one may listen. Few tests use it, and no client gets one of its ports.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Returns a port at which one may listen on all addresses. It is below those that the system gives, of which the clients
/// of other tests take ten thousand.
fn free_everywhere() -> u16 {
    loop {
        let port = fastrand::u16(10_000..30_000);
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Reads the log up to a line that has `part`.
fn wait_for(served: &mut Served, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(
            served.stderr.read_line(&mut line).unwrap(),
            0,
            "no line with {part}"
        );
    }
}

#[test]
fn every_model_that_can_passes_connections_on() {
    let echo = Served::echo(&[]);
    let ways: [&[&str]; 8] = [
        &["--model", "blocking"],
        &["--model", "threads"],
        &["--model", "pool"],
        &["--model", "processes"],
        &["--model", "tasks"],
        &["--model", "tasks", "--driver", "auto", "--workers", "2"],
        &["--model", "green"],
        &["--workers", "2", "--workers-as", "processes"],
    ];
    for way in ways {
        let proxy = proxy(&[NOWHERE, &echo.addr], way);
        for _ in 0..4 {
            round_trip(&mut proxy.connect());
        }
        let log = proxy.stop();
        assert!(!log.contains("panicked at"), "{way:?}: {log}");
    }
}

#[test]
fn a_back_end_that_goes_down_is_told_of_and_clients_are_refused() {
    // Clients that connect to a port of this address never get that port themselves, so that it stays free.
    let echo = Served::start(&["echo", "--listen", "127.0.0.2:0"], None);
    let mut proxy = proxy(&[&echo.addr], &["--check-interval", "0.05"]);
    round_trip(&mut proxy.connect());
    let addr = echo.addr.clone();
    drop(echo);
    wait_for(
        &mut proxy,
        &format!("back end {addr} is down: cannot connect to {addr}"),
    );
    let error = proxy.connect().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait_for(&mut proxy, "every back end of pool default is down");
    let _echo = Served::start(&["echo", "--listen", &addr], None);
    wait_for(
        &mut proxy,
        &format!("back end {addr} is up; 1 of 1 in pool default can be used"),
    );
    round_trip(&mut proxy.connect());
    proxy.stop();
}

/// The limit is lowered while the proxy runs, as if its clients used up the descriptors.
#[test]
fn a_proxy_without_descriptors_blames_no_back_end() {
    let echo = Served::echo(&[]);
    let proxy = proxy(&[&echo.addr], &["--check-interval", "0.01"]);
    let mut connected = proxy.connect();
    round_trip(&mut connected);
    let process = Pid::from_raw(proxy.child.id().cast_signed());
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        // The number of descriptors of stdin, stdout and stderr.
        current: Some(3),
        ..before
    };
    prlimit(process, Resource::Nofile, none).unwrap();
    // Three checks in a row that fail would do.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        round_trip(&mut connected);
    }
    prlimit(process, Resource::Nofile, before).unwrap();
    round_trip(&mut proxy.connect());
    let log = proxy.stop();
    assert!(!log.contains("is down"), "{log}");
}

/// A file of a configuration, which is removed at the end.
struct Config(PathBuf);

impl Config {
    fn new(name: &str, text: &str) -> Config {
        let path = std::env::temp_dir().join(format!("proxy-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Config(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_says_what_to_run() {
    let echo = Served::echo(&[]);
    let text = format!(
        "[pool.main]\nto = [\"{}\"]\nbalance = \"least\"\nmax_in_flight = 7\n",
        echo.addr
    );
    let config = Config::new("right", &text);
    let arguments = [
        "serve",
        "proxy",
        "--config",
        config.path(),
        "--check-config",
    ];
    let output = run(&arguments);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let pool = "pool main: balance least, check tcp every 2s (fall 3, rise 2), connect 5s, at most 7 in flight";
    assert!(
        printed.starts_with("proxy: mode tcp at 127.0.0.1:7007 under tasks"),
        "{printed}"
    );
    assert!(
        printed.contains(pool) && printed.ends_with(&format!("\n  {}\n", echo.addr)),
        "{printed}"
    );
    let proxy = proxy(&[], &["--config", config.path()]);
    round_trip(&mut proxy.connect());
    proxy.stop();
}

#[test]
fn a_check_refuses_what_cannot_start() {
    let config = Config::new(
        "trust",
        "trust = ['::1']\n[pool.main]\nto = ['127.0.0.1:9']\n",
    );
    let http = ["--to", "http://127.0.0.1:9"];
    let tcp = ["--to", "127.0.0.1:9"];
    let wrong: [(&[&str], &[&str], &str); 11] = [
        (
            &http,
            &["--tls-cert", "/none", "--tls-key", "/none"],
            "/none",
        ),
        (&http, &["--redirect-http", "127.0.0.1:0"], "no TLS"),
        (&tcp, &["--access-log", "json"], "--access-log: mode tcp"),
        (&tcp, &["--self-signed"], "--self-signed: mode tcp"),
        (&tcp, &["--trust", "10.0.0.0/8"], "--trust: mode tcp"),
        (&tcp, &["--rewrite-host"], "--rewrite-host: mode tcp"),
        (&["--config", config.path()], &[], "leave `trust` out"),
        (&tcp, &["--listen", "127.0.0.1"], "--listen 127.0.0.1:"),
        (&tcp, &["--listen", "127.0.0.1:9"], "is this proxy itself"),
        (&tcp, &["--model", "callbacks"], "callbacks"),
        (&tcp, &["--proxy-protocol", "here"], "--proxy-protocol"),
    ];
    for (to, more, part) in wrong {
        let all = [&["serve", "proxy", "--check-config"], to, more].concat();
        let output = run(&all);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {error}");
        assert!(error.contains(part), "{more:?}: {error}");
    }
    let right = ["--trust", "10.0.0.0/8,::1", "--rewrite-host"];
    let all = [&["serve", "proxy", "--check-config"], &http[..], &right].concat();
    let printed = String::from_utf8(run(&all).stdout).unwrap();
    assert!(
        printed.contains("\ntrust 10.0.0.0/8\ntrust ::1/128\n"),
        "{printed}"
    );
    assert!(printed.contains("connect 5s, its own host\n"), "{printed}");
}

#[test]
fn a_file_is_read_again_on_sighup_and_a_wrong_one_is_refused() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let text = |at: usize| {
        let addr = listeners[at].local_addr().unwrap();
        format!("[pool.main]\nto = ['{addr}']\ncheck = 'off'\n")
    };
    let config = Config::new("reload", &text(0));
    let mut proxy = proxy(&[], &["--config", config.path(), "--drain", "0"]);
    let reload = |proxy: &mut Served, text: &str, part: &str| {
        std::fs::write(config.path(), text).unwrap();
        let process = rustix::process::Pid::from_child(&proxy.child);
        rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
        wait_for(proxy, part);
    };
    let reaches = |proxy: &Served, at: usize| {
        let _client = proxy.connect();
        drop(listeners[at].accept().unwrap());
    };
    reaches(&proxy, 0);
    let place = format!("{}:4:1: unknown key `bogus`", config.path());
    reload(&mut proxy, &(text(1) + "bogus = 1\n"), &place);
    reaches(&proxy, 0);
    reload(&mut proxy, &text(1), "reloaded");
    reaches(&proxy, 1);
    proxy.stop();
}

#[track_caller]
fn assert_refused(arguments: &[&str], status: i32, parts: &[&str]) {
    let output = run(&[&["serve", "proxy"], arguments].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{arguments:?} should print {part:?}, but printed: {text}"
        );
    }
}

#[test]
fn wrong_input_is_refused_with_one_line() {
    let free = free();
    assert_refused(
        &["--to", &free, "--listen", &free],
        2,
        &[&free, "is this proxy itself", "another address"],
    );
    let port = free_everywhere();
    let (here, everywhere) = (format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"));
    assert_refused(
        &["--to", &here, "--listen", &everywhere],
        2,
        &["is this proxy itself"],
    );
    assert_refused(
        &["--to", "nowhere.invalid:1"],
        1,
        &["cannot resolve nowhere.invalid", "check the name"],
    );
    assert_refused(
        &["--to", "nowhere"],
        2,
        &["`nowhere` is no back end: use HOST:PORT"],
    );
    assert_refused(
        &["--to", &free, "--to", &free],
        2,
        &["twice", "leave one out"],
    );
    assert_refused(
        &["--to", &free, "--balance", "fair"],
        2,
        &["unknown balance `fair`: use round-robin"],
    );
    assert_refused(
        &["--to", &free, "--check", "ping"],
        2,
        &["unknown check `ping`: use tcp"],
    );
    assert_refused(
        &["--to", &free, "--connect-timeout", "0"],
        2,
        &["a time of zero"],
    );
    assert_refused(&[], 2, &["--to <BACKEND>"]);
    let arguments = ["--to", &free, "--model", "processes", "--check", "tcp"];
    assert_refused(&arguments, 2, &["--check", "processes", "--check off"]);
    assert_refused(
        &["--to", &free, "--model", "callbacks"],
        2,
        &["callbacks", "tasks"],
    );
    assert_refused(
        &["--config", "/none/such.toml"],
        2,
        &["cannot read /none/such.toml"],
    );
    let config = Config::new(
        "wrong",
        "[pool.a]\nto = ['127.0.0.1:1']\nbalanse = 'least'\n",
    );
    let place = format!(
        "{}:3:1: unknown key `balanse`: did you mean `balance`?",
        config.path()
    );
    assert_refused(&["--config", config.path()], 2, &[&place]);
    assert_refused(
        &["--config", config.path(), "--to", &free],
        2,
        &["cannot be used with"],
    );
}

/// Asks for a page, and returns the whole answer.
fn get(proxy: &Served, path: &str) -> String {
    let mut stream = proxy.connect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_model_that_can_passes_requests_on() {
    let options = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "1ms"];
    let site = Served::start(&options, None);
    let url = format!("http://{}", site.addr);
    let ways: [&[&str]; 7] = [
        &["--model", "blocking"],
        &["--model", "threads"],
        &["--model", "pool"],
        &["--model", "processes"],
        &["--driver", "auto", "--workers", "2"],
        &["--model", "green"],
        &["--workers", "2", "--workers-as", "processes"],
    ];
    for way in ways {
        let logged = [way, &["--access-log", "combined"]].concat();
        let proxy = proxy(&[&url], &logged);
        for number in 0..4 {
            let answer = get(&proxy, &format!("/page/{number}"));
            let title = format!("<h1>Page {number}</h1>");
            assert!(
                answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(&title),
                "{way:?}: {answer}"
            );
        }
        let log = proxy.stop();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("\"GET /page/"))
            .collect();
        assert_eq!(lines.len(), 4, "{way:?}: {log}");
        let back_end = format!(" {url} 0.");
        assert!(
            lines
                .iter()
                .all(|line| line.contains(&back_end) && line.ends_with(" 1")),
            "{log}"
        );
    }
}

/// Reads a head, and nothing behind it.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Has a connection leave HTTP, and returns both ends.
fn upgraded(proxy: &Served, back_end: &TcpListener) -> (TcpStream, TcpStream) {
    let fields = "connection: upgrade\r\nupgrade: own\r\n\r\n";
    let mut client = proxy.connect();
    let ask = format!("GET / HTTP/1.1\r\nhost: here\r\n{fields}");
    client.write_all(ask.as_bytes()).unwrap();
    let (mut server, _) = back_end.accept().unwrap();
    read_head(&mut server);
    let switch = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}");
    server.write_all(switch.as_bytes()).unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    (client, server)
}

fn passes(client: &TcpStream, server: &TcpStream) {
    for (mut from, mut to) in [(client, server), (server, client)] {
        from.write_all(b"hello").unwrap();
        let mut there = [0; 5];
        to.read_exact(&mut there).unwrap();
        assert_eq!(&there, b"hello");
    }
}

#[test]
fn an_upgraded_connection_survives_a_reload_and_has_the_time_of_the_drain() {
    let back_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = back_end.local_addr().unwrap();
    let text = format!("mode = 'http'\n[pool.main]\nto = ['{addr}']\ncheck = 'off'\n");
    let config = Config::new("upgrade", &text);
    for (drain, is_cut) in [("60", false), ("0", true)] {
        let options = ["--config", config.path(), "--drain", drain];
        let mut proxy = proxy(&[], &options);
        let (client, mut server) = upgraded(&proxy, &back_end);
        passes(&client, &server);
        let process = rustix::process::Pid::from_child(&proxy.child);
        rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
        wait_for(&mut proxy, "reloaded");
        passes(&client, &server);
        drop(proxy.child.stdin.take());
        if is_cut {
            // It ends without anybody's doing.
            assert!(matches!(server.read(&mut [0]), Ok(0) | Err(_)));
        } else {
            // The listener is closed once the drain has begun.
            while TcpStream::connect(&proxy.addr).is_ok() {
                std::thread::yield_now();
            }
            passes(&client, &server);
        }
        drop((client, server));
        let log = proxy.stop();
        let cut = format!("cut {}", u8::from(is_cut));
        assert!(log.contains(&cut), "{log}");
    }
}

#[test]
fn a_client_that_reads_nothing_yet_does_not_hold_others() {
    let back_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy(
        &[&back_end.local_addr().unwrap().to_string()],
        &["--check", "off", "--drain", "0"],
    );
    let _first: TcpStream = proxy.connect();
    let (_held, _) = back_end.accept().unwrap();
    let mut second = proxy.connect();
    let (mut at_back_end, _) = back_end.accept().unwrap();
    at_back_end.write_all(b"welcome").unwrap();
    let mut greeting = [0; 7];
    second.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"welcome");
    proxy.stop();
}
