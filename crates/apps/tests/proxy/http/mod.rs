//! Requests through the proxy, with real peers on threads of their own.

mod failures;
mod passing;
mod peers;
mod stalled;

use std::net::SocketAddr;
use std::sync::Arc;

use switchboard_apps::proxy::{Mode, Proxy, Settings};

use crate::Notices;

fn settings(to: &[SocketAddr]) -> Settings {
    Settings {
        mode: Mode::Http,
        ..crate::settings(to)
    }
}

fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}
