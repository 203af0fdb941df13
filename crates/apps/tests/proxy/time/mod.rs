//! What takes time, on virtual time: all peers are flows of one simulated loop.

mod checks;
mod connections;
mod places;
mod requests;
mod upgrades;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchboard_apps::proxy::{Check, Proxy, Settings, To};
use switchboard_net::Listener;
use switchboard_runtime::{Driver, Model};

use crate::Notices;

pub(crate) fn simulated<T>(future: impl Future<Output = T>) -> T {
    Model::Tasks.run_with(Driver::Sim, future).unwrap()
}

/// A path for the socket of a back end, in a directory of its own that is removed at the end.
pub(crate) struct SocketPath(PathBuf);

impl SocketPath {
    pub(crate) fn new(name: &str) -> SocketPath {
        let directory = std::env::temp_dir().join(format!("proxy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        SocketPath(directory.join("socket"))
    }

    pub(crate) fn to(&self) -> To {
        format!("unix:{}", self.0.display()).parse().unwrap()
    }

    pub(crate) fn listen(&self) -> Listener {
        let _ = std::fs::remove_file(&self.0);
        Listener::bind_unix(&self.0).unwrap()
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("/none")));
    }
}

pub(crate) fn settings(path: &SocketPath, check: Check) -> Settings {
    let mut settings = Settings::default();
    settings.pools[0].to = vec![path.to()];
    settings.pools[0].check = check;
    settings
}

pub(crate) fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}
