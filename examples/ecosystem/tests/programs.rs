//! Each program of this folder runs unchanged under tasks, green threads and threads.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MODELS: [&str; 3] = ["tasks", "green", "threads"];

fn run(program: &str, arguments: &[&str]) {
    for model in MODELS {
        let output = Command::new(program)
            .arg(model)
            .args(arguments)
            .output()
            .expect("it starts");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{program} {model}: {out}{err}");
        assert!(out.starts_with(model), "{program} {model}: {out}{err}");
    }
}

#[test]
fn axum() {
    run(env!("CARGO_BIN_EXE_31-axum"), &[]);
}

#[test]
fn websocket() {
    run(env!("CARGO_BIN_EXE_32-websocket"), &[]);
}

#[test]
fn rustls() {
    run(env!("CARGO_BIN_EXE_33-rustls"), &[]);
}

#[test]
fn codec() {
    run(env!("CARGO_BIN_EXE_34-codec"), &[]);
}

#[test]
fn grpc() {
    run(env!("CARGO_BIN_EXE_36-grpc"), &[]);
}

/// A Redis server on a port of its own, which ends with this value.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn redis() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("an address");
    drop(free);
    let port = addr.port().to_string();
    let server = Command::new("redis-server")
        .args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .spawn();
    let server = match server {
        Ok(server) => Redis(server),
        Err(error) => return println!("skip: redis: redis-server: {error}"),
    };
    // The server says on no descriptor that it listens.
    let started = Instant::now();
    while std::net::TcpStream::connect(addr).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "redis-server does not listen"
        );
        std::thread::yield_now();
    }
    run(env!("CARGO_BIN_EXE_35-redis"), &[&addr.to_string()]);
    drop(server);
}
