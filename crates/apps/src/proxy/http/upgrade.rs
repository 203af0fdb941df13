//! A connection that leaves HTTP, as to WebSocket: bytes both ways, as in mode tcp.

use std::io;

use http::Version;
use http::header::{CONNECTION, HeaderMap, UPGRADE};
use http::request::Parts;
use switchboard_http::{Body, Response, Upgraded, upgrade};

use crate::access::Switch;
use crate::proxy::backend::Busy;
use crate::proxy::relay::relay_upgraded;
use crate::proxy::settings::Timeouts;

/// Returns the protocols that a client would go on with, as they are passed on. HTTP/1.0 has none, and HTTP/2 has
/// another way, which the server does not offer. A request with a body has none either: a back end that switched before
/// the end of the body would take the rest of it for the other protocol.
pub(super) fn asked(head: &Parts, body: &Body) -> Option<Vec<u8>> {
    let may_switch = head.version == Version::HTTP_11 && body.length() == Some(0);
    if !may_switch || !lists_upgrade(&head.headers) {
        return None;
    }
    let values = head.headers.get_all(UPGRADE).iter();
    let protocols = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let protocols = protocols.map(<[u8]>::trim_ascii);
    let passed: Vec<_> = protocols.filter(|it| is_passed(it)).collect();
    (!passed.is_empty()).then(|| passed.join(&b", "[..]))
}

fn lists_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Returns whether a protocol is passed on: a name, or a name and a version, in the form that RFC 9110 gives them, so that
/// no back end reads another one in it. Requests of HTTP, in whichever way, would reach a back end without the routes
/// and fields of the proxy.
fn is_passed(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    is_token(name)
        && parts.next().is_none_or(is_token)
        && !is(b"h2c")
        && !is(b"h2")
        && !is(b"http")
        && !is(b"tls")
}

fn is_token(text: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_of_token)
}

/// Returns the answer that has the client's connection joined to the back end's, which is busy until the end.
///
/// # Errors
/// `InvalidData` for a switch to a protocol that is none of those `asked` for, or that does not name one.
pub(super) fn switch(
    asked: Option<&[u8]>,
    timeouts: Timeouts,
    busy: Busy,
    mut answer: Response<Body>,
) -> io::Result<Response<Body>> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut named = answer.headers().get_all(UPGRADE).iter().cloned();
    let (Some(protocol), None) = (named.next(), named.next()) else {
        return Err(invalid("an upgrade to no protocol, or to several"));
    };
    let asked = asked.unwrap_or_default();
    let mut asked = asked.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    if !asked.any(|it| it.eq_ignore_ascii_case(protocol.as_bytes())) {
        return Err(invalid("an upgrade that nobody has asked for"));
    }
    let Some(server) = Upgraded::take(&mut answer) else {
        return Err(invalid("an upgrade without a connection"));
    };
    let switch = Switch::default();
    let told = switch.clone();
    let mut response = upgrade(protocol, move |client| async move {
        let moved = |received, sent| told.moved(received, sent);
        let relayed = relay_upgraded(client, server, &timeouts, moved).await;
        let relayed = relayed.map_err(|error| {
            let text = format!("{error}; back end {}", busy.backend());
            io::Error::new(error.kind(), text)
        });
        if relayed.is_ok() {
            told.is_whole();
        }
        relayed
    });
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    response.extensions_mut().insert(switch);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn protocols(version: Version, connection: &str, upgrades: &[&str]) -> Option<String> {
        let request = Request::builder()
            .version(version)
            .header("connection", connection);
        let with = |request: http::request::Builder, it: &&str| request.header("upgrade", *it);
        let request = upgrades.iter().fold(request, with).body(()).unwrap();
        asked(&request.into_parts().0, &Body::empty()).map(|it| String::from_utf8(it).unwrap())
    }

    #[test]
    fn protocols_are_passed_on_and_those_of_http_are_not() {
        let cases: [(&str, &[&str], Option<&str>); 14] = [
            ("Upgrade", &["websocket"], Some("websocket")),
            ("keep-alive, upgrade", &["WebSocket"], Some("WebSocket")),
            ("upgrade", &["a/1, b", "c"], Some("a/1, b, c")),
            ("keep-alive", &["websocket"], None),
            ("upgrade", &[], None),
            ("upgrade", &[" , "], None),
            ("upgrade, http2-settings", &["h2c"], None),
            ("upgrade", &["H2C, TLS/1.2, HTTP/2.0, h2"], None),
            ("upgrade", &["h2c, websocket"], Some("websocket")),
            ("upgrade", &["websocket h2c"], None),
            ("upgrade", &["x;h2c, websocket"], Some("websocket")),
            ("upgrade", &["websocket/13/h2c"], None),
            ("upgrade", &["/h2c, a/"], None),
            ("upgrade", &["web\u{e9}"], None),
        ];
        for (connection, upgrades, expected) in cases {
            let found = protocols(Version::HTTP_11, connection, upgrades);
            assert_eq!(found.as_deref(), expected, "{connection} {upgrades:?}");
        }
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(protocols(version, "upgrade", &["websocket"]), None);
        }
        let request = Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        let head = request.body(()).unwrap().into_parts().0;
        assert!(asked(&head, &Body::empty()).is_some());
        assert!(asked(&head, &Body::from("hello")).is_none());
    }
}
