//! Keep-alive under every model: a connection serves again and again, and a client that hangs up
//! while its answer is being made ends the handler.

use std::convert::Infallible;
use std::future::pending;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use http_body_util::Full;
use hyper::body::Bytes;
use switchboard_http::{Client, Request, Response, serve_connection};
use switchboard_net::Listener;
use switchboard_runtime::{Driver, Model};

fn ways() -> Vec<(Model, Driver)> {
    let plain = Model::ALL
        .into_iter()
        .filter(|model| !model.has_loop())
        .map(|model| (model, Driver::Poll));
    let loops = Driver::ALL
        .into_iter()
        // Time leaps there, and with it the limit on a request's head.
        .filter(|driver| *driver != Driver::Sim)
        .map(|driver| (Model::Tasks, driver));
    plain.chain(loops).collect()
}

fn run<T>(model: Model, driver: Driver, future: impl Future<Output = T>) -> T {
    match model.has_loop() {
        true => model.run_with(driver, future).unwrap(),
        false => model.run(future).unwrap(),
    }
}

/// Tells when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_client_that_hangs_up_ends_its_handler() {
    for (model, driver) in ways() {
        let (dropped, was_dropped) = mpsc::channel();
        let (asked, was_asked) = mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let server = std::thread::spawn(move || {
            let serve = serve_connection(stream.into(), move |request: Request| {
                let guard = Dropped(dropped.clone());
                let asked = asked.clone();
                async move {
                    if request.uri() == "/wait" {
                        asked.send(()).unwrap();
                        pending::<()>().await;
                    }
                    drop(guard);
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                }
            });
            let _ = run(model, driver, serve);
        });
        for _ in 0..3 {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
                .unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
            was_dropped.recv().unwrap();
        }
        client
            .write_all(b"GET /wait HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        was_asked.recv().unwrap();
        drop(client);
        was_dropped.recv().unwrap();
        server.join().unwrap();
        println!("{model}/{driver}: the handler was dropped");
    }
}

#[test]
fn a_client_keeps_its_connection() {
    for (model, driver) in ways() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            Model::Tasks.run(async {
                // One connection for all requests: a second would never be accepted.
                let (stream, _) = listener.accept().await.unwrap();
                let _ = serve_connection(stream, |request: Request| async move {
                    let path = request.uri().path().to_owned();
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(path)))
                })
                .await;
            })
        });
        run(model, driver, async {
            let client = Client::new();
            for n in 0..20 {
                let answer = client.get(&format!("{url}{n}")).await.unwrap();
                assert_eq!(
                    answer.text(100).await.unwrap(),
                    format!("/{n}"),
                    "{model}/{driver}"
                );
            }
        });
        server.join().unwrap().unwrap();
    }
}
