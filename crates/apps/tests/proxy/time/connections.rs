//! Connections that are idle or half-closed.

use std::io::ErrorKind;
use std::time::Duration;

use switchboard_apps::proxy::Check;
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, join};

use super::{SocketPath, settings, simulated};
use crate::proxy;

/// Serves one connection, in which `client` and `server` do something; returns how it ended, and after how
/// long.
fn relayed<C, S>(
    name: &str,
    client: impl FnOnce(Stream) -> C,
    server: impl FnOnce(Stream) -> S,
) -> (std::io::Result<()>, Duration)
where
    C: Future<Output = Stream>,
    S: Future<Output = Stream>,
{
    let path = SocketPath::new(name);
    let listener = path.listen();
    let (proxy, _) = proxy(settings(&path, Check::Off));
    let (here, there) = Stream::pair().unwrap();
    simulated(async {
        let begin = runtime::now();
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            server(stream).await
        };
        let peers = join(client(here), answering);
        let served = async {
            let served = proxy.serve(there).await;
            (served, runtime::now() - begin)
        };
        // The peers keep their streams until the proxy has ended.
        let (served, _peers) = join(served, peers).await;
        served
    })
}

#[test]
fn a_connection_without_a_byte_is_cut() {
    let quiet = |stream| async { stream };
    let (result, lasted) = relayed("idle", quiet, quiet);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error
            .to_string()
            .starts_with("the connection was idle for 600s; back end unix:"),
        "{error}"
    );
    assert!((600..=780).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn every_byte_renews_a_half_closed_connection() {
    let half_closing = |stream: Stream| async {
        stream.shutdown_write().unwrap();
        stream
    };
    let slow = |stream: Stream| async {
        for _ in 0..20 {
            runtime::sleep(Duration::from_secs(80)).await;
            stream.write_all(b"!").await.unwrap();
        }
        stream
    };
    let (result, lasted) = relayed("half", half_closing, slow);
    let error = result.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the connection was half-closed for 120s"),
        "{error}"
    );
    assert!((1720..=1760).contains(&lasted.as_secs()), "{lasted:?}");
}
