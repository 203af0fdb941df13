//! Clients that shut down their sending side, under every model and driver: each complete request is
//! answered, and a cut one ends the connection at once.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use switchboard_http::{Request, Response, StatusCode, serve_connection};
use switchboard_runtime as runtime;

use support::{models_and_drivers, run};

mod support;

/// Answers with the path and the body once a timer has expired; with 400 if the body is cut.
async fn answer(request: Request) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await;
    runtime::sleep(Duration::from_millis(5)).await;
    let Ok(body) = body else {
        let mut response = Response::new(Full::from("cut"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    Ok(Response::new(Full::from(format!("<{path} {body}>"))))
}

/// Sends `bytes` and the end of input under every model and driver, and checks what comes back, up to the
/// end, and what became of the connection.
fn exchange(bytes: &[u8], check: impl Fn(&str, io::Result<()>)) {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let server =
            std::thread::spawn(move || run(model, driver, serve_connection(stream.into(), answer)));
        let start = Instant::now();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        let served = server.join().unwrap();
        // The limit for a request's head is 30 seconds.
        assert!(start.elapsed() < Duration::from_secs(15));
        check(&text, served);
    }
}

fn statuses(text: &str) -> Vec<&str> {
    let heads = text.match_indices("HTTP/1.");
    heads.map(|(at, _)| &text[at + 9..at + 12]).collect()
}

#[test]
fn a_request_is_answered_after_the_end_of_input() {
    for request in [
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: here\r\n\r\n",
    ] {
        exchange(request.as_bytes(), |text, served| {
            served.unwrap();
            assert_eq!(statuses(text), ["200"], "{text}");
            assert!(text.ends_with("</a >"), "{text}");
        });
    }
}

#[test]
fn all_pipelined_requests_are_answered_after_the_end_of_input() {
    let requests: String = (0..20)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nhost: here\r\n\r\n"))
        .collect();
    exchange(requests.as_bytes(), |text, served| {
        served.unwrap();
        assert_eq!(statuses(text), ["200"; 20], "{text}");
        let answers: Vec<_> = text.match_indices('<').map(|(at, _)| at).collect();
        for (n, at) in answers.into_iter().enumerate() {
            assert!(text[at..].starts_with(&format!("</{n} >")), "{text}");
        }
    });
}

#[test]
fn a_request_with_a_body_is_answered_after_the_end_of_input() {
    let head = "POST /a HTTP/1.1\r\nhost: here\r\n";
    for body in [
        "content-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        exchange(format!("{head}{body}").as_bytes(), |text, served| {
            served.unwrap();
            assert_eq!(statuses(text), ["200"], "{text}");
            assert!(text.ends_with("</a hello>"), "{text}");
        });
    }
}

#[test]
fn a_cut_head_is_a_bad_request_and_an_error_of_the_connection() {
    let whole = "GET /a HTTP/1.1\r\nhost: here\r\n\r\n";
    for (before, answered) in [("", vec!["400"]), (whole, vec!["200", "400"])] {
        exchange(format!("{before}GET /b HTT").as_bytes(), |text, served| {
            assert_eq!(served.unwrap_err().kind(), ErrorKind::Other);
            assert_eq!(statuses(text), answered, "{text}");
        });
    }
}

#[test]
fn a_cut_body_is_an_error_of_the_body_and_the_handler_answers() {
    let head = "POST /a HTTP/1.1\r\nhost: here\r\n";
    for body in [
        "content-length: 9\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n9\r\nhello",
    ] {
        exchange(format!("{head}{body}").as_bytes(), |text, served| {
            served.unwrap();
            assert_eq!(statuses(text), ["400"], "{text}");
            assert!(text.ends_with("cut"), "{text}");
        });
    }
}

#[test]
fn the_end_of_input_without_a_request_ends_the_connection() {
    exchange(b"", |text, served| {
        served.unwrap();
        assert_eq!(text, "");
    });
}
