//! The client over one connection, under every model and driver.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::Bytes;
use switchboard_fetch::Client;
use switchboard_http::{Request, Response, serve_connection};
use switchboard_net::Listener;
use switchboard_runtime::Model;

use ways::{models_and_drivers, run};

#[path = "../../runtime/tests/support/ways.rs"]
mod ways;

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
