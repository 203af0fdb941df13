//! The fields of a request as a back end gets them.

use std::fmt;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    PROXY_AUTHORIZATION, VIA,
};
use http::{HeaderValue, Version};
use switchboard_http::{ConnectionFields, RequestHead};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the proxy knows of the sender of a request.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// `None` for one behind a Unix socket.
    pub(super) ip: Option<IpAddr>,
    /// Whether what it says about the client is believed.
    pub(super) is_trusted: bool,
    /// Whether it speaks TLS.
    pub(super) has_tls: bool,
}

/// An address as `Forwarded` has it (RFC 7239, section 6).
struct Node(Option<IpAddr>);

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V6(ip)) => write!(f, "\"[{ip}]\""),
            Some(IpAddr::V4(ip)) => ip.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// The values of a field that are text, each with what separates it from the next one.
struct Earlier<'a> {
    headers: &'a HeaderMap,
    name: &'a HeaderName,
    /// Whether there are any: others are not believed.
    kept: bool,
}

impl fmt::Display for Earlier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kept {
            return Ok(());
        }
        // A value that is no text is no address either.
        let values = self.headers.get_all(self.name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .try_for_each(|value| {
                f.write_str(value)?;
                f.write_str(", ")
            })
    }
}

/// Writes the fields of a request: those that are passed on, those that say where it came from, and the host.
pub(super) fn write(
    head: &mut RequestHead,
    headers: &HeaderMap,
    given_host: Option<&str>,
    host: &str,
    peer: &Peer,
) {
    let mut of_connection = ConnectionFields::default();
    for value in headers.get_all(CONNECTION) {
        of_connection.note(value.as_bytes());
    }
    head.field("host", host.as_bytes());
    // A client of HTTP/1 may send several; HTTP/2's are one already.
    let cookies: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if !cookies.is_empty() {
        head.field("cookie", &cookies.join(&b"; "[..]));
    }
    for (name, value) in headers {
        if is_passed(name, peer.is_trusted, &of_connection) {
            head.header(name, value);
        }
    }
    write_forwarded(head, headers, given_host, peer);
}

/// Writes the way that a request has come, with the version of HTTP in which it came here.
pub(super) fn write_via(head: &mut RequestHead, headers: &HeaderMap, version: Version, name: &str) {
    let version = match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let earlier = Earlier {
        headers,
        name: &VIA,
        kept: true,
    };
    head.field_fmt("via", format_args!("{earlier}{version} {name}"));
}

/// Returns whether a field is passed on as it is: none that concerns the connection only, that the proxy writes
/// itself, or that a stranger might say of its address.
pub(super) fn is_passed(
    name: &HeaderName,
    is_trusted: bool,
    of_connection: &ConnectionFields<'_>,
) -> bool {
    let is_own = match name.as_str().len() {
        3 => *name == VIA,
        4 => *name == HOST,
        6 => *name == EXPECT || *name == COOKIE,
        9 => *name == FORWARDED,
        14 => *name == CONTENT_LENGTH,
        15 => *name == FORWARDED_FOR,
        16 => *name == FORWARDED_HOST,
        17 => *name == FORWARDED_PROTO,
        19 => *name == PROXY_AUTHORIZATION,
        _ => false,
    };
    !is_own && !of_connection.has(name) && (!is_of_origin(name) || is_trusted && !has_line(name))
}

/// Returns whether a field says where a request came from, for a back end that takes `_` for a hyphen as well.
fn is_of_origin(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let is_like = |text: &[u8]| {
        let fold = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
        name.len() >= text.len() && name.iter().map(fold).zip(text).all(|(a, b)| a == *b)
    };
    is_like(b"x-forwarded-") || (name.len() == 9 && is_like(b"x-real-ip"))
}

fn has_line(name: &HeaderName) -> bool {
    name.as_str().contains('_')
}

/// Writes where the request came from. Only what a trusted peer says of that is kept.
fn write_forwarded(
    head: &mut RequestHead,
    headers: &HeaderMap,
    given_host: Option<&str>,
    peer: &Peer,
) {
    let kept = peer.is_trusted;
    if let Some(ip) = peer.ip {
        let name = &FORWARDED_FOR;
        let earlier = Earlier {
            headers,
            name,
            kept,
        };
        head.field_fmt("x-forwarded-for", format_args!("{earlier}{ip}"));
    }
    let own_proto = if peer.has_tls { "https" } else { "http" };
    let believed = |name: &HeaderName| headers.get(name).filter(|_| kept);
    let proto = believed(&FORWARDED_PROTO).map_or(own_proto.as_bytes(), HeaderValue::as_bytes);
    head.field("x-forwarded-proto", proto);
    let given = given_host.filter(|host| !host.is_empty());
    let host = believed(&FORWARDED_HOST).map(HeaderValue::as_bytes);
    if let Some(host) = host.or(given.map(str::as_bytes)) {
        head.field("x-forwarded-host", host);
    }
    let node = Node(peer.ip);
    let name = &FORWARDED;
    let earlier = Earlier {
        headers,
        name,
        kept,
    };
    match given {
        Some(host) => {
            let more = format_args!(";host=\"{host}\";proto={own_proto}");
            head.field_fmt("forwarded", format_args!("{earlier}for={node}{more}"));
        }
        None => head.field_fmt(
            "forwarded",
            format_args!("{earlier}for={node};proto={own_proto}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use switchboard_http::Body;

    use super::*;

    const PEER: [u8; 4] = [192, 0, 2, 7];

    /// Returns the fields that a back end gets.
    fn passed(fields: &[(&'static str, &'static str)], is_trusted: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let host = headers.get(HOST).cloned();
        let host = host.as_ref().and_then(|host| host.to_str().ok());
        let ip = Some(IpAddr::from(PEER));
        let peer = Peer {
            ip,
            is_trusted,
            has_tls: false,
        };
        let mut head = RequestHead::new(&Method::GET, "/");
        write(&mut head, &headers, host, host.unwrap_or("back"), &peer);
        write_via(&mut head, &headers, Version::HTTP_11, "me");
        head.finish(&Body::empty());
        let text = String::from_utf8(head.bytes().to_vec()).unwrap();
        let lines = text.trim_end().split("\r\n").skip(1);
        lines.map(str::to_owned).collect()
    }

    const PLAIN: [&str; 6] = [
        "host: here",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-proto: http",
        "x-forwarded-host: here",
        "forwarded: for=192.0.2.7;host=\"here\";proto=http",
        "via: 1.1 me",
    ];

    #[test]
    fn a_request_says_where_it_came_from() {
        assert_eq!(passed(&[("host", "here")], false), PLAIN);
    }

    #[test]
    fn the_version_in_which_a_request_has_come_is_told() {
        for (version, text) in [
            (Version::HTTP_10, "via: 1.0 me"),
            (Version::HTTP_2, "via: 2 me"),
        ] {
            let mut head = RequestHead::new(&Method::GET, "/");
            write_via(&mut head, &HeaderMap::new(), version, "me");
            let head = String::from_utf8(head.bytes().to_vec()).unwrap();
            assert_eq!(head.lines().nth(1), Some(text));
        }
    }

    #[test]
    fn fields_of_the_connection_are_not_passed_on() {
        let fields = [
            ("host", "here"),
            ("connection", "keep-alive, X-Own"),
            ("connection", "upgrade, host, via, x-forwarded-for"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("x-own", "1"),
        ];
        assert_eq!(passed(&fields, false), PLAIN);
    }

    #[test]
    fn others_are_passed_on_in_their_order() {
        let fields = [
            ("accept", "a"),
            ("cookie", "b"),
            ("cookie", "f=g"),
            ("accept", "c"),
            ("authorization", "d"),
            ("trailer", "e"),
        ];
        let expected = [
            "host: back",
            "cookie: b; f=g",
            "accept: a",
            "accept: c",
            "authorization: d",
            "trailer: e",
        ];
        assert_eq!(passed(&fields, false)[..6], expected);
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        let fields = [
            ("host", "here"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "there"),
            ("forwarded", "for=203.0.113.9"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", "/a"),
            ("x-real-ip", "203.0.113.9"),
            ("x_forwarded_for", "203.0.113.9"),
            ("x-forwarded_proto", "https"),
            ("x_real_ip", "203.0.113.9"),
            ("via", "1.0 other"),
        ];
        let mut stranger = PLAIN;
        stranger[5] = "via: 1.0 other, 1.1 me";
        assert_eq!(passed(&fields, false), stranger);
        let believed = [
            "host: here",
            "x-forwarded-port: 443",
            "x-forwarded-prefix: /a",
            "x-real-ip: 203.0.113.9",
            "x-forwarded-for: 203.0.113.9, 198.51.100.1, 192.0.2.7",
            "x-forwarded-proto: https",
            "x-forwarded-host: there",
            "forwarded: for=203.0.113.9, for=192.0.2.7;host=\"here\";proto=http",
            "via: 1.0 other, 1.1 me",
        ];
        assert_eq!(passed(&fields, true), believed);
    }

    #[test]
    fn addresses_of_ipv6_are_quoted_and_others_unknown() {
        let ip = Some("2001:db8::1".parse().unwrap());
        assert_eq!(Node(ip).to_string(), "\"[2001:db8::1]\"");
        assert_eq!(Node(None).to_string(), "unknown");
    }
}
