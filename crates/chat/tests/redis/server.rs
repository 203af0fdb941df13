//! A Redis server of the test's own, in this crate and in the command's.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
    child: Child,
}

/// What the server keeps over a restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Keeps {
    Nothing,
    /// All that it has acknowledged.
    All,
}

/// Returns whether the program is missing, and says so.
fn is_missing() -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    let missing = version.is_err();
    if missing {
        println!("skip: what needs a Redis server: redis-server is not installed");
    }
    missing
}

impl Server {
    /// Starts a server; `None` if the program is missing, which is said.
    pub(crate) fn start(keeps: Keeps) -> Option<Server> {
        let all = ["--appendonly", "yes", "--appendfsync", "always"];
        let server = match keeps {
            Keeps::Nothing => Server::with(|_, _| Vec::new())?,
            Keeps::All => Server::with(|_, _| all.map(str::to_owned).to_vec())?,
        };
        until("Redis answers", || server.ask(&["PING"]) == "PONG");
        Some(server)
    }

    /// Starts a server that speaks TLS, and returns its certificate too.
    pub(crate) fn with_tls() -> Option<(Server, String)> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let server = Server::with(|port, folder| {
            std::fs::write(folder.join("cert"), &certificate).unwrap();
            std::fs::write(folder.join("key"), &key).unwrap();
            let tls = format!(
                "--port 0 --tls-port {port} --tls-cert-file cert --tls-key-file key --tls-auth-clients no"
            );
            tls.split(' ').map(str::to_owned).collect()
        })?;
        Some((server, certificate))
    }

    fn with(options: impl Fn(u16, &Path) -> Vec<String>) -> Option<Server> {
        if is_missing() {
            return None;
        }
        loop {
            let mut server = Server::try_with(&options);
            if server.listens() {
                return Some(server);
            }
        }
    }

    fn try_with(options: impl Fn(u16, &Path) -> Vec<String>) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = std::env::temp_dir().join(format!("switchboard-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut all = vec!["--save".to_owned(), String::new()];
        all.extend(options(port, &folder));
        Server {
            port,
            child: spawn(port, &folder, &all),
            folder,
            options: all,
        }
    }

    /// Waits until the server listens. It has ended instead if another program has taken its port meanwhile, maybe the
    /// Redis of another test.
    fn listens(&mut self) -> bool {
        let mut has_ended = false;
        until("Redis listens", || {
            let log = std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
            has_ended = self.child.try_wait().unwrap().is_some();
            let is_taken = log.contains("Address already in use");
            assert!(!has_ended || is_taken, "Redis has ended: {log}");
            has_ended || log.contains("Ready to accept connections")
        });
        !has_ended
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// Asks the server, and returns its answer.
    pub(crate) fn ask(&self, command: &[&str]) -> Value {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--json"])
            .args(command)
            .output()
            .expect("redis-cli");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Returns the texts of a room that the server keeps, by their offsets.
    pub(crate) fn history(&self, room: &str) -> BTreeMap<u64, String> {
        let rows = self.ask(&["XRANGE", &format!("chat:{{{room}}}:log"), "-", "+"]);
        let rows = rows.as_array().cloned().unwrap_or_default();
        let read = |row: &Value| {
            let (offset, _) = row[0].as_str()?.split_once('-')?;
            let entry: Value = serde_json::from_str(row[1][5].as_str()?).ok()?;
            Some((offset.parse().ok()?, entry["text"].as_str()?.to_owned()))
        };
        rows.iter()
            .map(|row| read(row).expect("an entry"))
            .collect()
    }

    /// Ends the server at once, also one that is stopped.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        until("the port is free", || {
            self.child = spawn(self.port, &self.folder, &self.options);
            self.listens()
        });
    }

    /// Stops the server where it is, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The name of the server's log file.
const LOG: &str = "log";

fn spawn(port: u16, folder: &Path, options: &[String]) -> Child {
    // The log of the server before says that it listens.
    let _ = std::fs::remove_file(folder.join(LOG));
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .arg("--logfile")
        .arg(folder.join(LOG))
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server")
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
