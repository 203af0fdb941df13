//! The proxy, under every model and driver, and on virtual time.

mod bytes;
mod http;
mod tcp;
mod time;
mod tls;
mod upgrade;
#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;
mod websocket;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::net::{AddressFamily, SocketType};
use switchboard_apps::proxy::{Check, Mode, Proxy, Settings, To};
use switchboard_runtime::Hooks;
use switchboard_tls::TlsServer;

pub(crate) use ways::Way;

/// Stamps cases that wait for real peers.
macro_rules! stamp {
    ($($case:ident)*) => {
        $crate::ways::stamp!(real time: $($case)*);
    };
}
pub(crate) use stamp;

/// Hooks that keep what they are told.
#[derive(Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Hooks for Notices {
    fn notice(&self, text: &dyn fmt::Display) {
        self.0.lock().unwrap().push(text.to_string());
    }
}

/// Returns the settings of a proxy without checks to back ends at addresses.
pub(crate) fn settings(to: &[SocketAddr]) -> Settings {
    let mut settings = Settings::default();
    settings.pools[0].check = Check::Off;
    settings.pools[0].to = to
        .iter()
        .map(|it| it.to_string().parse::<To>().unwrap())
        .collect();
    settings
}

/// Returns those of a proxy of HTTP.
pub(crate) fn http_settings(to: &[SocketAddr]) -> Settings {
    Settings {
        mode: Mode::Http,
        ..settings(to)
    }
}

/// Has back ends that fail be left out for longer than a test may take.
pub(crate) fn ejecting(mut settings: Settings) -> Settings {
    let rules = &mut settings.pools[0].rules;
    rules.ejection = Duration::from_secs(3600);
    rules.longest_ejection = rules.ejection;
    settings
}

/// How long a connection to a back end waits for its next request.
pub(crate) const IDLE: Duration = Duration::from_secs(4);

/// Returns a proxy, and what it says.
pub(crate) fn proxy(settings: Settings) -> (Proxy, Notices) {
    let notices = Notices::default();
    let proxy = Proxy::with_hooks(settings, Arc::new(notices.clone())).unwrap();
    (proxy, notices)
}

/// Returns a server of TLS with the name `localhost`, and the certificate that its clients trust.
pub(crate) fn certified() -> (TlsServer, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let roots = cert.pem().into_bytes();
    let server = TlsServer::from_pem(&roots, signing_key.serialize_pem().as_bytes()).unwrap();
    (server, roots)
}

/// Returns a listener on a free port of this machine, and its address.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Returns an address at which nothing listens while this process lives.
pub(crate) fn nowhere() -> SocketAddr {
    // A socket that is bound and does not listen keeps its port.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = rustix::net::getsockname(&socket).unwrap();
    std::mem::forget(socket);
    addr.try_into().unwrap()
}

/// Has the proxy serve one client, and returns the client's end.
pub(crate) fn serve_one(way: Way, proxy: &Proxy) -> (TcpStream, JoinHandle<io::Result<()>>) {
    let (listener, addr) = listen();
    let client = TcpStream::connect(addr).unwrap();
    let (served, _) = listener.accept().unwrap();
    let proxy = proxy.clone();
    let serving = std::thread::spawn(move || way.run(proxy.serve(served.into())));
    (client, serving)
}
