//! A Redis server of the test's own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(super) struct Redis {
    port: u16,
    folder: PathBuf,
    child: Child,
}

/// Returns whether the program is missing, and says so.
pub(super) fn is_missing() -> bool {
    let missing = Command::new("redis-server")
        .arg("--version")
        .output()
        .is_err();
    if missing {
        println!("skip: nodes over Redis: redis-server is not installed");
    }
    missing
}

impl Redis {
    /// Starts a server that keeps nothing over a restart.
    pub(super) fn start() -> Redis {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = std::env::temp_dir().join(format!("switchboard-cli-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let child = spawn(port, &folder);
        let redis = Redis {
            port,
            folder,
            child,
        };
        redis.wait();
        redis
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.ask(&["PING"]) != "PONG" {
            assert!(Instant::now() < end, "no answer of Redis within a minute");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks the server, and returns its answer.
    pub(super) fn ask(&self, command: &[&str]) -> Value {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--json"])
            .args(command)
            .output()
            .expect("redis-cli");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Stops the server where it is (`-STOP`), or lets it go on (`-CONT`).
    pub(super) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Ends the server at once, also one that is stopped, and starts it again, empty.
    pub(super) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(self.port, &self.folder);
        self.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, folder: &PathBuf) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server")
}
