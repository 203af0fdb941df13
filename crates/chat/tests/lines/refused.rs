//! What is no line, no name or no person.

use std::time::Duration;

use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService, Now, sign};

use crate::ways::{Way, stamp};
use crate::{run, service, unlimited};

const SECRET: &[u8] = b"a secret of the tests";

stamp_all! {
    a_line_that_is_too_long_is_refused
    bytes_that_are_no_text_are_refused
    a_token_that_has_expired_ends_the_connection
    a_name_that_is_taken_is_refused
    a_name_that_does_not_come_ends_the_connection
    a_client_that_never_says_its_name_is_ended
    a_web_request_is_refused
    a_web_request_with_a_long_address_is_refused
    a_flood_is_ended
}

fn a_line_that_is_too_long_is_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        let long = "x".repeat(1_000_000);
        let both = async {
            let said = format!("{long}\n/ping\n");
            ann.stream.write_all(said.as_bytes()).await.unwrap();
        };
        both.await;
        let refused = ann.until("* error").await;
        assert_eq!(refused, "* error malformed: a line has at most 16896 bytes");
        ann.until("* pong").await;
        // The engine's own limit is one of the text.
        ann.say(format!("{}\n", &long[..16_385])).await;
        let refused = ann.until("* error").await;
        assert_eq!(
            refused,
            "* error invalid: a text has at most 16384 bytes (#tea)"
        );
    });
}

fn bytes_that_are_no_text_are_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        ann.say(b"caf\xe9\n/ping\n").await;
        let refused = ann.until("* error").await;
        assert!(refused.contains("not valid UTF-8"), "{refused}");
        ann.until("* pong").await;
        for _ in 0..9 {
            ann.say(b"\xff\xfb\x01\n").await;
        }
        let ended = ann.rest().await;
        assert!(ended.contains("* bye 4503 again=no: "), "{ended}");
    });
}

fn a_token_that_has_expired_ends_the_connection(way: Way) {
    let service = service(HubOptions {
        secret: Some(SECRET.to_vec()),
        ..HubOptions::default()
    });
    let token = |life| {
        let nick = "ann".parse().unwrap();
        sign(SECRET, &nick, Now::read(), Duration::from_secs(life))
    };
    run(way, &service, async |[mut none, mut old]| {
        none.say("/name ann\n").await;
        let ended = none.rest().await;
        assert!(ended.contains("* bye 4500 again=no: "), "{ended}");
        old.say(format!("/name ann {}\n", token(0))).await;
        let ended = old.rest().await;
        assert!(ended.contains("* bye 4501 again=no: "), "{ended}");
    });
    // One that is good at first: where the server sees it too late, one that lives longer is.
    let is_welcome = |life| {
        let mut ended = String::new();
        run(way, &service, async |[mut ann]| {
            ann.say(format!("/name ann {}\n", token(life))).await;
            ended = ann.rest().await;
        });
        assert!(ended.contains("* bye 4501 again=no: "), "{ended}");
        ended.contains("* welcome ann")
    };
    assert!([2, 8, 32].into_iter().any(is_welcome));
}

fn a_name_that_is_taken_is_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann, mut other]| {
        ann.enter("ann").await;
        other.say("/name Ann\n").await;
        let refused = other.until("* error").await;
        assert!(
            refused.starts_with("* error nick_taken: the name `Ann` is in use"),
            "{refused}"
        );
        other.say("/name a/n\n").await;
        let refused = other.until("* error").await;
        assert!(
            refused.starts_with("* error invalid: `a/n` is no name"),
            "{refused}"
        );
        other.enter("anna").await;
    });
}

fn a_name_that_does_not_come_ends_the_connection(way: Way) {
    let options = LineOptions {
        hello: Duration::from_millis(50),
        ..LineOptions::default()
    };
    let service = LineService::new(Hub::new(HubOptions::default(), InMemory), options);
    run(way, &service, async |[mut silent]| {
        let ended = silent.rest().await;
        assert!(
            ended.ends_with("* bye 4004 again=yes: no `/name` in time\n"),
            "{ended}"
        );
    });
}

/// A client that writes other lines has more time for a name, but not without limit.
fn a_client_that_never_says_its_name_is_ended(way: Way) {
    let options = LineOptions {
        hello: Duration::from_millis(50),
        ..LineOptions::default()
    };
    let service = LineService::new(Hub::new(unlimited(), InMemory), options);
    run(way, &service, async |[mut other]| {
        let mut told = String::new();
        while !told.contains("* bye") {
            // It may have been ended meanwhile.
            let _ = other.stream.write_all(b"/ping\n").await;
            assert!(other.read().await, "no last line");
            told = std::mem::take(&mut other.heard);
        }
        assert!(told.contains("* bye 4004 again=yes: "), "{told}");
    });
}

/// A page of elsewhere can have a browser send this.
fn a_web_request_is_refused(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut browser]| {
        let request = "POST / HTTP/1.1\r\nhost: here\r\n\r\n/name ann\r\n/join tea\r\nhello\r\n";
        browser.say(request).await;
        let ended = browser.rest().await;
        assert!(
            ended.contains("* error malformed: this is no web server\n* bye 4503 "),
            "{ended}"
        );
        assert!(!ended.contains("welcome"), "{ended}");
    });
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
}

/// The address can be longer than a line may be.
fn a_web_request_with_a_long_address_is_refused(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut browser]| {
        let address = "a".repeat(17_000);
        let request = format!("POST /{address} HTTP/1.1\r\nhost: here\r\n\r\n");
        let body = "/name ann\n/join tea\nspam\n";
        browser.say(request + body).await;
        let ended = browser.rest().await;
        assert!(ended.contains("* bye 4503 "), "{ended}");
        assert!(!ended.contains("welcome"), "{ended}");
    });
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
}

fn a_flood_is_ended(way: Way) {
    run(way, &service(HubOptions::default()), async |[mut ann]| {
        ann.enter("ann").await;
        ann.say("\n".repeat(100)).await;
        let ended = ann.rest().await;
        assert!(ended.contains("* bye 4003 again=yes: flood: "), "{ended}");
    });
}
