//! What takes time once a connection has left HTTP, on virtual time.

use std::io::ErrorKind;
use std::time::Duration;

use switchboard_apps::proxy::Proxy;
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Event, join};

use super::{SocketPath, http_settings, simulated};
use crate::proxy;
use crate::upgrade::SWITCH;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";

/// Has a connection leave HTTP, and returns the client's end, the back end's and what serves it.
async fn upgraded(
    proxy: &Proxy,
    listener: &Listener,
    stop: &Event,
) -> (
    Stream,
    Stream,
    impl Future<Output = std::io::Result<()>> + use<>,
) {
    let (here, there) = Stream::pair().unwrap();
    let serving = runtime::spawn_local({
        let (proxy, stop) = (proxy.clone(), stop.clone());
        async move { proxy.serve_until(there, stop.wait(), None).await }
    });
    here.write_all(ASK).await.unwrap();
    let (at_back_end, _) = listener.accept().await.unwrap();
    assert!(at_back_end.recv().await.unwrap().ends_with(b"\r\n\r\n"));
    at_back_end.write_all(SWITCH).await.unwrap();
    assert!(here.recv().await.unwrap().starts_with(b"HTTP/1.1 101 "));
    let served = async move { serving.await.unwrap() };
    (here, at_back_end, served)
}

#[test]
fn a_connection_that_has_left_http_is_cut_if_it_is_idle() {
    let path = SocketPath::new("upgrade-idle");
    let listener = path.listen();
    let (proxy, _) = proxy(http_settings(&path));
    simulated(async {
        let stop = Event::new();
        let (here, at_back_end, served) = upgraded(&proxy, &listener, &stop).await;
        let began = runtime::now();
        // Longer than any answer of HTTP may take between two pieces.
        runtime::sleep(Duration::from_secs(500)).await;
        here.write_all(b"!").await.unwrap();
        assert_eq!(&*at_back_end.recv().await.unwrap(), b"!");
        let error = served.await.unwrap_err();
        let lasted = (runtime::now() - began).as_secs();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let text = "the connection was idle for 600s; back end unix:";
        assert!(error.to_string().starts_with(text), "{error}");
        assert!((1100..=1350).contains(&lasted), "{lasted}");
        drop((here, at_back_end));
    });
}

#[test]
fn a_connection_that_has_left_http_holds_its_place_at_the_back_end() {
    let path = SocketPath::new("upgrade-place");
    let listener = path.listen();
    let mut settings = http_settings(&path);
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, notices) = proxy(settings);
    simulated(async {
        let stop = Event::new();
        let (here, at_back_end, served) = upgraded(&proxy, &listener, &stop).await;
        let (other, there) = Stream::pair().unwrap();
        other.write_all(ASK).await.unwrap();
        other.shutdown_write().unwrap();
        proxy.serve(there).await.unwrap();
        let answer = other.recv().await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 503 "));
        assert!(notices.take()[0].ends_with("had no free place within 5s"));
        drop((here, at_back_end));
        served.await.unwrap();
        // The place is free again.
        let (here, at_back_end, served) = upgraded(&proxy, &listener, &stop).await;
        drop((here, at_back_end));
        served.await.unwrap();
    });
}

#[test]
fn a_connection_that_has_left_http_survives_a_reload_and_a_stop() {
    let (path, other) = (
        SocketPath::new("upgrade-old"),
        SocketPath::new("upgrade-new"),
    );
    let listener = path.listen();
    let (proxy, _) = proxy(http_settings(&path));
    simulated(async {
        let stop = Event::new();
        let (here, at_back_end, served) = upgraded(&proxy, &listener, &stop).await;
        let passes = async || {
            here.write_all(b"?").await.unwrap();
            assert_eq!(&*at_back_end.recv().await.unwrap(), b"?");
            at_back_end.write_all(b"!").await.unwrap();
            assert_eq!(&*here.recv().await.unwrap(), b"!");
        };
        let new = other.listen();
        proxy.replace(http_settings(&other)).unwrap();
        passes().await;
        let (next, next_there, next_served) = upgraded(&proxy, &new, &stop).await;
        stop.set();
        runtime::sleep(Duration::from_secs(60)).await;
        passes().await;
        drop((here, at_back_end, next, next_there));
        let (served, next_served) = join(served, next_served).await;
        served.and(next_served).unwrap();
    });
}
