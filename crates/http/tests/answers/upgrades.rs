//! Connections that change their protocol.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read, Write};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use switchboard_http::{Request, serve_connection, serve_stream, upgrade};
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::support::{exchange, models_and_drivers, run, statuses};

#[test]
fn a_connection_changes_its_protocol_and_loses_no_byte() {
    for (model, driver) in models_and_drivers() {
        for plain in [true, false] {
            let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
            let stream = Stream::from(server);
            let server = std::thread::spawn(move || {
                let handler = |request: Request| async move {
                    let waits = request.uri().path() == "/wait";
                    if waits {
                        runtime::yield_now().await;
                    }
                    let protocol = request.headers()["upgrade"].clone();
                    Ok::<_, Infallible>(upgrade(protocol, |mut connection| async move {
                        let mut early = [0; 5];
                        connection.read_exact(&mut early).await?;
                        connection.write_all(&early).await?;
                        let mut late = Vec::new();
                        connection.read_to_end(&mut late).await?;
                        connection.write_all(&late).await
                    }))
                };
                match plain {
                    true => run(model, driver, serve_connection(stream, handler)),
                    false => run(model, driver, serve_stream(stream, handler)),
                }
            });
            let path = if plain { "/" } else { "/wait" };
            let head = "HTTP/1.1\r\nhost: here\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
            client
                .write_all(format!("GET {path} {head}early").as_bytes())
                .unwrap();
            let mut text = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while !text.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
            }
            assert!(
                text.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
                "{text}"
            );
            assert!(text.contains("\r\nconnection: upgrade\r\n"), "{text}");
            assert!(text.contains("\r\nupgrade: echo\r\n"), "{text}");
            client.write_all(b", late").unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut echoed = String::new();
            reader.read_to_string(&mut echoed).unwrap();
            assert_eq!(echoed, "early, late");
            server.join().unwrap().unwrap();
        }
    }
}

#[test]
fn a_protocol_changes_only_if_asked_for_and_behind_the_body() {
    let fields = "connection: upgrade\r\nupgrade: echo\r\n";
    let length = "content-length: 5\r\n\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    for (path, rest, status) in [
        ("/read", format!("{fields}{length}helloearly"), "101"),
        (
            "/read",
            format!("{fields}{chunked}5\r\nhello\r\n0\r\n\r\nearly"),
            "101",
        ),
        ("/leave", format!("{fields}{length}helloearly"), "101"),
        (
            "/leave",
            format!("{fields}{chunked}5\r\nhello\r\n0\r\n\r\nearly"),
            "500",
        ),
        ("/leave", "\r\nearly".to_owned(), "500"),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: here\r\n{rest}");
        for way in models_and_drivers() {
            let handler = |request: Request| async move {
                if request.uri() == "/read" {
                    request.into_body().bytes(100).await?;
                }
                let run = |mut connection: switchboard_http::Upgraded| async move {
                    let mut early = String::new();
                    connection.read_to_string(&mut early).await?;
                    connection.write_all(format!("<{early}>").as_bytes()).await
                };
                io::Result::Ok(upgrade(http::HeaderValue::from_static("echo"), run))
            };
            let (text, served) = exchange(way, request.as_bytes(), |stream| {
                serve_connection(stream, handler)
            });
            assert_eq!(statuses(&text), [status], "{text}");
            assert_eq!(text.ends_with("\r\n\r\n<early>"), status == "101", "{text}");
            assert_eq!(served.is_ok(), status == "101");
        }
    }
}
