//! Back ends that speak HTTP through TLS.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use switchboard_apps::proxy::{Check, Proxy, Settings};
use switchboard_http::{Body, Request, Response, serve_stream};
use switchboard_net::Listener;
use switchboard_runtime::{Model, race};

use crate::{Way, certified, http_settings, serve_one};

crate::stamp!(requests_go_to_back_ends_by_tls);

fn requests_go_to_back_ends_by_tls(way: Way) {
    let (server, roots) = certified();
    let listener = Listener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().as_tcp().unwrap().port();
    // One connection is served at a time, so that all requests must use the first one.
    std::thread::spawn(move || {
        Model::Threads.run(async {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = |request: Request| async move {
                    Ok::<_, Infallible>(Response::new(request.into_body()))
                };
                if let Ok(stream) = server.accept(stream).await {
                    let _ = serve_stream(stream, answer).await;
                }
            }
        })
    });
    let mut settings = Settings {
        roots: Some(roots),
        ..http_settings(&[])
    };
    settings.pools[0].to = vec![format!("https://localhost:{port}").parse().unwrap()];
    let stranger = Settings {
        roots: None,
        ..settings.clone()
    };
    let proxy = Proxy::new(settings).unwrap();
    let body = "x".repeat(100_000);
    for close in ["", "connection: close\r\n"] {
        let (mut client, serving) = serve_one(way, &proxy);
        let request =
            format!("POST / HTTP/1.1\r\nhost: here\r\n{close}content-length: 100000\r\n\r\n{body}");
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&body));
        serving.join().unwrap().unwrap();
    }
    // The connection that waits is closed, and the next one is served.
    drop(proxy);
    let (stranger, notices) = crate::proxy(stranger);
    let (mut client, serving) = serve_one(way, &stranger);
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(notices.take()[0].starts_with(&format!(
        "GET /: 502: back end https://localhost:{port}: TLS: "
    )));
    serving.join().unwrap().unwrap();
}

#[test]
fn back_ends_by_tls_are_checked_by_tls() {
    let (server, roots) = certified();
    let listener = Listener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().as_tcp().unwrap().port();
    let (asked, paths) = mpsc::channel();
    let asked = &asked;
    let mut settings = Settings {
        roots: Some(roots),
        ..http_settings(&[])
    };
    settings.pools[0].to = vec![format!("https://localhost:{port}").parse().unwrap()];
    settings.pools[0].check = Check::Http("/health".to_owned());
    settings.pools[0].check_interval = Duration::from_millis(1);
    settings.pools[0].check_timeout = Duration::from_secs(3600);
    let (proxy, notices) = crate::proxy(settings);
    let answering = async {
        // The second check comes when the first one has found the back end up.
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = |request: Request| async move {
                asked.send(request.uri().path().to_owned()).unwrap();
                Ok::<_, Infallible>(Response::new(Body::empty()))
            };
            if let Ok(stream) = server.accept(stream).await {
                let _ = serve_stream(stream, answer).await;
            }
        }
    };
    Model::Tasks.run(race(answering, proxy.watch())).unwrap();
    assert_eq!(notices.take(), [""; 0]);
    assert_eq!(paths.try_iter().collect::<Vec<_>>(), ["/health", "/health"]);
}
