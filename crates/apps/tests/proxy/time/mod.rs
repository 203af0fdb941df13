//! What takes time, on virtual time: all peers are flows of one simulated loop.

mod checks;
mod connections;
mod places;
mod requests;
mod upgrades;

use std::path::{Path, PathBuf};

use switchboard_apps::proxy::{Check, Mode, Settings, To};
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{Driver, Model};

fn simulated<T>(future: impl Future<Output = T>) -> T {
    Model::Tasks.run_with(Driver::Sim, future).unwrap()
}

/// A path for the socket of a back end, in a directory of its own that is removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> SocketPath {
        let directory = std::env::temp_dir().join(format!("proxy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        SocketPath(directory.join("socket"))
    }

    fn to(&self) -> To {
        format!("unix:{}", self.0.display()).parse().unwrap()
    }

    fn listen(&self) -> Listener {
        let _ = std::fs::remove_file(&self.0);
        Listener::bind_unix(&self.0).unwrap()
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("/none")));
    }
}

fn settings(path: &SocketPath, check: Check) -> Settings {
    let mut settings = Settings::default();
    settings.pools[0].to = vec![path.to()];
    settings.pools[0].check = check;
    settings
}

/// Returns those of a proxy of HTTP without checks.
fn http_settings(path: &SocketPath) -> Settings {
    Settings {
        mode: Mode::Http,
        ..settings(path, Check::Off)
    }
}

/// Receives up to the end of a connection, however it ends, and returns the text.
async fn receive_all(stream: &Stream) -> String {
    let mut all = Vec::new();
    loop {
        match stream.recv().await {
            Ok(chunk) if !chunk.is_empty() => all.extend_from_slice(&chunk),
            _ => return String::from_utf8(all).unwrap(),
        }
    }
}
