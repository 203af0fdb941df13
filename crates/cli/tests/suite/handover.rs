//! Servers that are replaced while they serve, sockets that systemd passes, and what the service manager is
//! told.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::served::{BINARY, Served, round_trip};

/// The number of restarts of each server.
const RESTARTS: usize = 5;
const CLIENTS: usize = 4;

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("switchboard-{}-{name}", std::process::id()))
}

/// Reads the log up to a line with `text`, and returns it.
fn log_line(served: &mut Served, text: &str) -> String {
    let mut log = String::new();
    loop {
        let from = log.len();
        assert_ne!(
            served.stderr.read_line(&mut log).unwrap(),
            0,
            "no {text:?} in {log}"
        );
        if log[from..].contains(text) {
            return log.split_off(from);
        }
        assert!(!log.contains("goes on"), "no {text:?} in {log}");
    }
}

/// Has another process take over from `pid`, and returns its number.
fn replace(served: &mut Served, pid: u32) -> u32 {
    signal(pid, Signal::USR2);
    let line = log_line(served, " has taken over");
    let words: Vec<&str> = line.split_whitespace().collect();
    words[words.iter().position(|&word| word == "process").unwrap() + 1]
        .parse()
        .unwrap()
}

/// Waits until the process that was started first has ended.
fn assert_ended(served: &mut Served) {
    // The wait would close the stdin that the next process has too.
    let stdin = served.child.stdin.take();
    assert!(served.child.wait().unwrap().success());
    served.child.stdin = stdin;
}

fn exchange<S: Read + Write>(mut stream: S) {
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

/// Connects again and again until `stop`, and returns how many connections were answered.
fn keep_connecting(addr: &str, stop: &AtomicBool) -> usize {
    let mut answered = 0;
    while !stop.load(Ordering::SeqCst) {
        match addr.starts_with('/') {
            true => exchange(UnixStream::connect(addr).unwrap()),
            false => exchange(TcpStream::connect(addr).unwrap()),
        }
        answered += 1;
    }
    answered
}

/// Stops the clients of a test that ends, or fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn restarts_lose_no_connection() {
    let socket = temporary("restarts");
    let restarts = std::env::var("RESTARTS").map_or(RESTARTS, |count| count.parse().unwrap());
    let rows: [&[&str]; 8] = [
        &["--workers", "2"],
        &["--driver", "auto", "--workers", "2"],
        &["--model", "blocking"],
        &["--model", "pool"],
        &["--model", "processes"],
        &["--workers", "2", "--workers-as", "processes"],
        &[
            "--driver",
            "auto",
            "--workers",
            "2",
            "--workers-as",
            "processes",
        ],
        &["--workers", "2", "--unix", socket.to_str().unwrap()],
    ];
    for row in rows {
        let mut served = match row.contains(&"--unix") {
            true => Served::start(&[&["echo"], row].concat(), None),
            false => Served::echo(row),
        };
        let (addr, stop) = (served.addr.clone(), AtomicBool::new(false));
        let answered = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| keep_connecting(&addr, &stop)))
                .collect();
            // A failure here must end the clients too.
            let _stop = StopOnDrop(&stop);
            let mut pid = served.child.id();
            for _ in 0..restarts {
                pid = replace(&mut served, pid);
            }
            stop.store(true, Ordering::SeqCst);
            let answered = clients.into_iter().map(|client| client.join().unwrap());
            answered.sum::<usize>()
        });
        println!("{row:?}: {restarts} restarts, {answered} connections");
        // The processes share one stderr, which ends with the last of them.
        let log = served.stop();
        assert!(!socket.exists());
        for report in log.lines().filter(|line| line.starts_with("accepted ")) {
            assert!(
                report.contains("panicked 0, failed 0, refused 0, cut 0"),
                "{report}"
            );
        }
    }
}

#[test]
fn an_open_connection_is_served_by_the_old_process_while_it_drains() {
    let mut served = Served::echo(&["--drain", "60"]);
    let mut old = served.connect();
    round_trip(&mut old);
    let pid = served.child.id();
    replace(&mut served, pid);
    round_trip(&mut old);
    round_trip(&mut served.connect());
    drop(old);
    assert_ended(&mut served);
    round_trip(&mut served.connect());
    served.stop();
}

#[test]
fn a_process_that_does_not_start_leaves_the_old_one() {
    // A copy could not be executed while another test forks, whose child has it open to be written.
    let program = Path::new(BINARY).with_file_name(format!("switchboard-{}", std::process::id()));
    std::fs::hard_link(BINARY, &program).unwrap();
    let arguments = ["echo", "--listen", "127.0.0.1:0"];
    let mut served = Served::start_command(Command::new(&program), &arguments);
    std::fs::remove_file(&program).unwrap();
    let pid = served.child.id();
    signal(pid, Signal::USR2);
    log_line(&mut served, "did not start, this one goes on: No such file");
    std::os::unix::fs::symlink("/bin/false", &program).unwrap();
    signal(pid, Signal::USR2);
    log_line(
        &mut served,
        "this one goes on: it has ended (exit status: 1)",
    );
    round_trip(&mut served.connect());
    std::fs::remove_file(program).unwrap();
    served.stop();
}

#[test]
fn the_figures_are_served_by_the_new_process() {
    let mut served = Served::echo(&["--metrics", "127.0.0.1:0"]);
    let line = log_line(&mut served, "figures at http://");
    let (_, addr) = line.split_once("http://").unwrap();
    let addr = addr.split('/').next().unwrap();
    let pid = served.child.id();
    replace(&mut served, pid);
    assert_ended(&mut served);
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\nhost: here\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    served.stop();
}

#[test]
fn servers_on_free_ports_are_each_taken_over() {
    let free = "127.0.0.1:0";
    let options = ["files", "/", "--self-signed", "--listen", free];
    let others = ["--redirect-http", free, "--metrics", free];
    let mut served = Served::start(&[&options[..], &others].concat(), None);
    let addr = |served: &mut Served, text: &str| {
        let line = log_line(served, text);
        let (_, addr) = line.trim().split_once("http://").unwrap();
        addr.trim_end_matches("/metrics").to_owned()
    };
    let redirects = addr(&mut served, "redirects to https at ");
    let figures = addr(&mut served, "figures at ");
    let mut pid = served.child.id();
    for restart in 0..2 {
        pid = replace(&mut served, pid);
        if restart == 0 {
            assert_ended(&mut served);
        }
        let ask = |addr: &str| {
            let mut stream = TcpStream::connect(addr).unwrap();
            let request = "GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(ask(&redirects).starts_with("HTTP/1.1 308 "));
        assert!(ask(&figures).starts_with("HTTP/1.1 200 "));
    }
    served.stop();
}

fn manager(path: &Path) -> UnixDatagram {
    let manager = UnixDatagram::bind(path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    manager
}

fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 200];
    let length = manager.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn the_service_manager_is_told() {
    let path = temporary("notify");
    let manager = manager(&path);
    for workers in [
        &["--workers", "2"][..],
        &["--workers", "2", "--workers-as", "processes"],
    ] {
        let mut command = Command::new(BINARY);
        command.env("NOTIFY_SOCKET", &path);
        let options = ["echo", "--listen", "127.0.0.1:0"];
        let mut served = Served::start_command(command, &[&options[..], workers].concat());
        assert_eq!(told(&manager), "READY=1");
        let pid = served.child.id();
        let new = replace(&mut served, pid);
        assert!(told(&manager).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(told(&manager), format!("MAINPID={new}\nREADY=1"));
        assert_ended(&mut served);
        served.stop();
        assert_eq!(told(&manager), "STOPPING=1");
        manager.set_nonblocking(true).unwrap();
        let more = manager.recv(&mut [0]).map_err(|error| error.kind());
        assert_eq!(more, Err(ErrorKind::WouldBlock), "nothing else was said");
        manager.set_nonblocking(false).unwrap();
    }
    std::fs::remove_file(path).unwrap();
}

/// Starts a server as systemd does, with `socket` as descriptor 3.
fn start_with_socket(socket: OwnedFd, arguments: &[&str]) -> std::process::Child {
    let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 </dev/null";
    Command::new("sh")
        .args(["-c", script, BINARY, "serve", "echo"])
        .args(arguments)
        .stdin(socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn sockets_of_systemd_are_served_and_stay() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    for workers in [
        &["--workers", "2"][..],
        &["--workers", "2", "--workers-as", "processes"],
    ] {
        let mut child = start_with_socket(listener.try_clone().unwrap().into(), workers);
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, format!("listening on {addr}\n"));
        exchange(TcpStream::connect(addr).unwrap());
        // The next process has them from this one.
        signal(child.id(), Signal::USR2);
        assert!(child.wait().unwrap().success());
        exchange(TcpStream::connect(addr).unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let taken = lines.find(|line| line.contains(" has taken over")).unwrap();
        let words: Vec<&str> = taken.split_whitespace().collect();
        let at = words.iter().position(|&word| word == "process").unwrap();
        signal(words[at + 1].parse().unwrap(), Signal::TERM);
        let rest: Vec<String> = lines.collect();
        assert!(
            rest.iter().any(|line| line.contains("accepted 1, ")),
            "{rest:?}"
        );
        // systemd starts the service again for a client that connects now.
        TcpStream::connect(addr).unwrap();
        listener.set_nonblocking(false).unwrap();
        drop(listener.accept().unwrap());
    }
}

#[test]
fn a_socket_that_is_none_to_listen_on_is_refused() {
    let (socket, _peer) = UnixStream::pair().unwrap();
    let child = start_with_socket(socket.into(), &[]);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("does not listen") && stderr.lines().count() == 1,
        "{stderr}"
    );
}
