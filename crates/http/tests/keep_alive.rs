//! Keep-alive under every model, and clients that hang up while their handler runs.

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

fn models_and_drivers() -> Vec<(Model, Driver)> {
    let plain = Model::ALL
        .into_iter()
        .filter(|model| !model.has_loop())
        .map(|model| (model, Driver::Poll));
    let loops = Driver::ALL
        .into_iter()
        // Simulated time would pass the limit for a request's head at once.
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

/// Sends a message when it is dropped.
struct NotifyOnDrop(mpsc::Sender<()>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_handler_is_dropped_when_its_client_hangs_up() {
    for (model, driver) in models_and_drivers() {
        let (dropped, was_dropped) = mpsc::channel();
        let (started, was_started) = mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let server = std::thread::spawn(move || {
            let serve = serve_connection(stream.into(), move |request: Request| {
                let guard = NotifyOnDrop(dropped.clone());
                let started = started.clone();
                async move {
                    if request.uri() == "/wait" {
                        started.send(()).unwrap();
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
            let mut response = Vec::new();
            while !response.ends_with(b"hello") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                response.push(byte[0]);
            }
            was_dropped.recv().unwrap();
        }
        client
            .write_all(b"GET /wait HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        was_started.recv().unwrap();
        drop(client);
        was_dropped.recv().unwrap();
        server.join().unwrap();
        println!("{model}/{driver}: the handler was dropped");
    }
}

#[test]
fn a_client_sends_all_requests_over_one_connection() {
    for (model, driver) in models_and_drivers() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            Model::Tasks.run(async {
                // Only one connection is accepted, so all requests must use it.
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
                let response = client.get(&format!("{url}{n}")).await.unwrap();
                assert_eq!(
                    response.text(100).await.unwrap(),
                    format!("/{n}"),
                    "{model}/{driver}"
                );
            }
        });
        server.join().unwrap().unwrap();
    }
}
