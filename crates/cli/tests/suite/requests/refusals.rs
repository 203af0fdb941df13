//! Requests that are refused.

use std::io;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};

use super::client::{Keyed, ask, run};
use crate::chat::serve;

#[test]
fn what_a_request_may_not_do_is_refused() {
    let server = serve(&["--origin", "https://friend.example"]);
    run("refusals", async {
        let ann = Keyed::enter(&server.addr, false, "ann").await?;
        let to = (&*ann.addr, false);
        let status = async |method, target: &str, origin: &str, body: &str| {
            let own = format!("http://{}", ann.addr);
            let origin = if origin.is_empty() { &own } else { origin };
            let answer = ask(to, method, target, &[("origin", origin)], body).await?;
            let allowed = answer.headers().get("access-control-allow-origin");
            let expected = HeaderValue::from_str(origin).unwrap();
            let is_foreign = answer.status() == StatusCode::FORBIDDEN;
            assert_eq!(allowed, (!is_foreign).then_some(&expected), "{target}");
            io::Result::Ok(answer.status().as_u16())
        };
        let wrong = "?key=0123456789abcdef0123456789abcdef";
        for (path, method) in [
            ("connect", Method::POST),
            ("events", Method::GET),
            ("poll", Method::GET),
            ("send", Method::POST),
            ("close", Method::POST),
        ] {
            let target = ann.target(path);
            let foreign = status(method.clone(), &target, "https://foe.example", "");
            assert_eq!(foreign.await?, 403, "{path}");
            assert_eq!(status(Method::PUT, &target, "", "").await?, 405, "{path}");
            if path != "connect" {
                for target in [format!("/{path}{wrong}"), format!("/{path}")] {
                    assert_eq!(
                        status(method.clone(), &target, "", "").await?,
                        404,
                        "{path}"
                    );
                }
            }
            let no_number = format!("/{path}?key={}&position=x", ann.key);
            assert_eq!(status(method, &no_number, "", "").await?, 400, "{path}");
        }
        let ahead = format!("/poll?key={}&position=1000", ann.key);
        assert_eq!(status(Method::GET, &ahead, "", "").await?, 410);
        let long = " ".repeat(200_000);
        let send = ann.target("send");
        assert_eq!(status(Method::POST, &send, "", &long).await?, 413);
        let friend = status(Method::POST, &send, "https://friend.example", "");
        assert_eq!(friend.await?, 204);
        let answer = ask(to, Method::HEAD, &ann.target("events"), &[], "").await?;
        assert_eq!(answer.headers()[ALLOW], "GET");
        let id = [("last-event-id", "x")];
        let answer = ask(to, Method::GET, &ann.target("events"), &id, "").await?;
        assert_eq!(answer.status(), 400);
        // A text that is no command is told where updates are read.
        ann.send("no command\n{\"type\":\"rooms\"}").await?;
        let mut events = ann.events().await?;
        events.until(|update| update["code"] == "malformed").await?;
        events.until(|update| update["type"] == "rooms").await?;
        io::Result::Ok(())
    });
    server.stop();
}
