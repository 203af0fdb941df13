//! The limit of connections and requests that a back end has at once.

use std::io::ErrorKind;
use std::time::Duration;

use switchboard_apps::proxy::{Balance, Check};
use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, join, race};

use super::{SocketPath, http_settings, settings, simulated};
use crate::proxy;

#[test]
fn connections_above_the_limit_wait_for_a_place() {
    let path = SocketPath::new("places");
    let listener = path.listen();
    let mut settings = settings(&path, Check::Off);
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, _) = proxy(settings);
    simulated(async {
        let (first, served) = Stream::pair().unwrap();
        let serving = runtime::spawn_local({
            let proxy = proxy.clone();
            async move { proxy.serve(served).await }
        });
        let (at_back_end, _) = listener.accept().await.unwrap();
        // The second one waits as long as it may.
        let (_second, served) = Stream::pair().unwrap();
        let error = proxy.serve(served).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error.to_string().ends_with("had no free place within 5s"),
            "{error}"
        );
        // The third one gets the place that the first one leaves.
        let (third, served) = Stream::pair().unwrap();
        let leaving = async {
            runtime::sleep(Duration::from_secs(1)).await;
            drop((first, at_back_end));
            serving.await.unwrap().unwrap();
            drop((listener.accept().await.unwrap(), third));
        };
        join(proxy.serve(served), leaving).await.0.unwrap();
    });
}

#[test]
fn a_request_waits_for_a_place_at_the_back_end() {
    let path = SocketPath::new("queue");
    let listener = path.listen();
    let mut settings = http_settings(&path);
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, notices) = proxy(settings);
    let ask = async || {
        let (here, there) = Stream::pair().unwrap();
        let client = async {
            here.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            here.recv().await.unwrap()[9..12].to_vec()
        };
        join(proxy.serve(there), client).await.1
    };
    let mut statuses = simulated(async {
        let answering = async {
            let (stream, _) = listener.accept().await.unwrap();
            // One connection serves all requests, each in four seconds.
            loop {
                if stream.recv().await.unwrap().is_empty() {
                    return;
                }
                runtime::sleep(Duration::from_secs(4)).await;
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
            }
        };
        let asking = async { runtime::gather([ask(), ask(), ask()]).await };
        race(asking, async {
            answering.await;
            std::future::pending().await
        })
        .await
    });
    // Whichever comes last has waited for five seconds.
    statuses.sort();
    assert_eq!(statuses, [&b"204"[..], b"204", b"503"]);
    assert!(notices.take()[0].ends_with("had no free place within 5s"));
}

/// Takes connections for ever, each until its client has ended.
async fn take_all(listener: Listener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        runtime::spawn_local(async move { while !stream.recv().await.unwrap().is_empty() {} })
            .detach();
    }
}

/// Holds the only place of one of two back ends, and returns how long each of four further connections took.
fn beside_a_full_one(name: &str, balance: Balance) -> Vec<Duration> {
    let paths = ["a", "b"].map(|end| SocketPath::new(&format!("{name}-{end}")));
    let mut settings = settings(&paths[0], Check::Off);
    settings.pools[0].to.push(paths[1].to());
    settings.pools[0].balance = balance;
    settings.pools[0].max_in_flight = Some(1);
    let (proxy, _) = proxy(settings);
    simulated(async {
        for path in &paths {
            runtime::spawn_local(take_all(path.listen())).detach();
        }
        let (holding, held) = Stream::pair().unwrap();
        let serving = {
            let proxy = proxy.clone();
            runtime::spawn_local(async move { proxy.serve(held).await })
        };
        holding.write_all(b"!").await.unwrap();
        // It has its place once time passes.
        runtime::sleep(Duration::from_millis(1)).await;
        let mut times = Vec::new();
        for _ in 0..4 {
            let began = runtime::now();
            let (here, there) = Stream::pair().unwrap();
            here.shutdown_write().unwrap();
            proxy.serve(there).await.unwrap();
            times.push(runtime::now() - began);
        }
        drop(holding);
        serving.await.unwrap().unwrap();
        times
    })
}

#[test]
fn connections_go_where_a_place_is_free() {
    for balance in [Balance::RoundRobin, Balance::Least, Balance::TwoChoices] {
        let times = beside_a_full_one(&balance.to_string(), balance);
        assert!(times.iter().all(|time| time.as_secs() == 0), "{times:?}");
    }
}

#[test]
fn connections_that_have_waited_for_long_enough_go_elsewhere() {
    // All clients of Unix sockets have the same key.
    let times = beside_a_full_one("hash", Balance::Hash(None));
    assert!(times.iter().all(|time| time.as_secs() == 5), "{times:?}");
}
