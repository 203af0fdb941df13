//! Redirects, by the rules of the fetch standard.

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_TYPE, COOKIE, HOST, HeaderMap, LOCATION, PROXY_AUTHORIZATION,
};
use http::{Method, StatusCode};

use crate::error::Error;
use crate::request::Request;
use crate::target::Target;

/// Returns where a response leads, and makes `request` what is sent there; `None` for one that leads nowhere.
///
/// # Errors
/// Those of [`Target::join`].
pub(super) fn follow(
    request: &mut Request,
    target: &Target,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Target>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    // An empty one would lead to the same page again, and is no redirect for browsers either.
    let mut locations = headers.get_all(LOCATION).iter();
    let location = locations.find(|location| !location.as_bytes().trim_ascii().is_empty());
    let Some(location) = location else {
        return Ok(None);
    };
    let next = target.join(location.as_bytes())?;
    if changes_method(status, &request.method) {
        request.method = Method::GET;
        request.body = Bytes::new();
        for of_body in [
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LENGTH,
            CONTENT_LOCATION,
            CONTENT_TYPE,
        ] {
            request.headers.remove(of_body);
        }
    }
    if next.origin != target.origin {
        // They were meant for the other server alone.
        for of_origin in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST] {
            request.headers.remove(of_origin);
        }
    }
    Ok(Some(next))
}

fn changes_method(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a redirect with a method, and shows what is sent then.
    fn followed(method: &str, status: u16, location: &str) -> String {
        let mut request = Request::new(method.parse().unwrap(), "http://host/a")
            .header(AUTHORIZATION, "x".parse().unwrap())
            .header(CONTENT_TYPE, "text/plain".parse().unwrap())
            .body("body");
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        let target = Target::parse(&request.url).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let next = follow(&mut request, &target, status, &headers).unwrap();
        let names = request.headers.keys().map(|name| name.as_str());
        let names = names.collect::<Vec<_>>().join(" ");
        let url = next.map_or("-".to_owned(), |next| next.url.to_string());
        let length = request.body.len();
        format!("{} {url} {names} {length}", request.method)
    }

    #[test]
    fn methods_bodies_and_credentials_follow_the_standard() {
        let (kept, page) = (
            "authorization content-type 4",
            "http://host/b authorization 0",
        );
        for status in [301, 302, 303] {
            assert_eq!(followed("POST", status, "b"), format!("GET {page}"));
        }
        for (method, status) in [("PUT", 301), ("DELETE", 302), ("POST", 307), ("POST", 308)] {
            let expected = format!("{method} http://host/b {kept}");
            assert_eq!(followed(method, status, "b"), expected);
        }
        assert_eq!(followed("PUT", 303, "b"), format!("GET {page}"));
        assert_eq!(
            followed("HEAD", 303, "b"),
            format!("HEAD http://host/b {kept}")
        );
        let away = "http://other/b content-type 4";
        assert_eq!(followed("POST", 307, "//other/b"), format!("POST {away}"));
        for (status, location) in [(300, "b"), (304, "b"), (200, "b"), (302, ""), (301, " ")] {
            assert_eq!(followed("POST", status, location), format!("POST - {kept}"));
        }
    }
}
