use super::*;

fn receive(jar: &mut Jar, url: &str, fields: &[&str]) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(
            SET_COOKIE,
            HeaderValue::from_bytes(field.as_bytes()).unwrap(),
        );
    }
    jar.receive(&Url::parse(url).unwrap(), &headers);
}

fn field(jar: &mut Jar, url: &str) -> String {
    let field = jar.field(&Url::parse(url).unwrap());
    field.map_or("-".to_owned(), |field| {
        String::from_utf8_lossy(field.as_bytes()).into_owned()
    })
}

/// Sets `fields` from one URL, and returns what is sent to another.
fn sent(from: &str, fields: &[&str], to: &str) -> String {
    let mut jar = Jar::default();
    receive(&mut jar, from, fields);
    field(&mut jar, to)
}

#[test]
fn cookies_come_back_where_they_belong() {
    let host = "http://a.example.com/x/y";
    for (set, to, expected) in [
        ("n=v", host, "n=v"),
        ("n=v", "http://a.example.com:81/x/z", "n=v"),
        ("n=v", "https://a.example.com/x", "n=v"),
        ("n=v", "http://a.example.com/", "-"),
        ("n=v; Path=/", "http://a.example.com/", "n=v"),
        ("n=v; path=/x/y/", "http://a.example.com/x/y", "-"),
        ("n=v; path=/x", "http://a.example.com/xy", "-"),
        ("n=v; path=nowhere", host, "n=v"),
        ("n=v", "http://b.a.example.com/x/", "-"),
        (
            "n=v; Domain=a.example.com",
            "http://b.a.example.com/x/",
            "n=v",
        ),
        ("n=v; Domain=.EXAMPLE.com", "http://b.example.com/x/", "n=v"),
        ("n=v; Domain=example.com", "http://badexample.com/x/", "-"),
        ("n=v; Domain=b.example.com", "http://b.example.com/x/", "-"),
        ("n=v; Domain=com", "http://b.example.com/x/", "-"),
        ("n=v; Secure", "https://a.example.com/x/", "-"),
        (" n = v w ;;x", host, "n=v w"),
        ("n=\"a=b\"", host, "n=\"a=b\""),
        ("alone", host, "alone"),
        ("=v", host, "v"),
        ("n=", host, "n="),
        ("=", host, "-"),
        ("n=v; Max-Age=0", host, "-"),
        ("n=v; Max-Age=-9", host, "-"),
        (
            "n=v; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            host,
            "n=v",
        ),
        (
            "n=v; Max-Age=soon; Expires=Thu, 01-Jan-1970 00:00:00 GMT",
            host,
            "-",
        ),
        ("n=v; Expires=Wed, 01-Jan-2200 00:00:00 GMT", host, "n=v"),
        ("n=v; Expires=whenever", host, "n=v"),
        ("__Secure-n=v", host, "-"),
        ("n=\u{e9}", host, "n=\u{e9}"),
    ] {
        assert_eq!(sent(host, &[set], to), expected, "{set} to {to}");
    }
    let own = "https://a.example.com/";
    for (set, expected) in [
        ("n=v; Secure", "n=v"),
        ("__Secure-n=v; Secure", "__Secure-n=v"),
        ("__Host-n=v; Secure; Path=/", "__Host-n=v"),
        ("__Host-n=v; Secure", "-"),
        ("__Host-n=v; Secure; Path=/; Domain=a.example.com", "-"),
        ("__host-n=v; Path=/", "-"),
    ] {
        assert_eq!(sent(own, &[set], own), expected, "{set}");
    }
    let ip = "http://127.0.0.1/";
    assert_eq!(sent(ip, &["n=v; Domain=127.0.0.1"], ip), "n=v");
    assert_eq!(sent(ip, &["n=v; Domain=0.0.1"], ip), "-");
    let shared = "http://shop.co.uk/";
    assert_eq!(
        sent(shared, &["n=v; Domain=co.uk"], "http://bank.co.uk/"),
        "-"
    );
    assert_eq!(
        sent(shared, &["n=v; Domain=shop.co.uk"], "http://x.shop.co.uk/"),
        "n=v"
    );
}

#[test]
fn cookies_are_replaced_removed_and_ordered() {
    let mut jar = Jar::default();
    let url = "http://host.example/a/b/";
    receive(
        &mut jar,
        url,
        &["x=1; path=/", "y=2; path=/a/b", "z=3; path=/"],
    );
    assert_eq!(field(&mut jar, url), "y=2; x=1; z=3");
    receive(&mut jar, url, &["x=4; path=/", "y=; path=/a/b; max-age=0"]);
    assert_eq!(field(&mut jar, url), "x=4; z=3");
    for n in 0..200 {
        receive(&mut jar, url, &[&format!("n{n}=0; path=/")]);
    }
    let all = field(&mut jar, url);
    assert_eq!(all.split("; ").count(), MOST_OF_DOMAIN);
    assert!(all.ends_with("; n199=0"));
}

#[test]
fn what_was_set_with_tls_is_not_hidden_without() {
    let mut jar = Jar::default();
    receive(
        &mut jar,
        "https://host.example/",
        &["n=good; Secure; Path=/"],
    );
    receive(
        &mut jar,
        "http://host.example/",
        &["n=bad; Path=/x", "n=bad; Path=/", "m=1"],
    );
    assert_eq!(field(&mut jar, "https://host.example/x"), "n=good; m=1");
}

#[test]
fn a_cookie_that_is_too_long_or_has_control_bytes_is_none() {
    let now = SystemTime::now();
    let long = format!("n={}", "v".repeat(4096));
    assert!(SetCookie::parse(long.as_bytes(), now).is_none());
    assert!(SetCookie::parse(b"n=a\x01b", now).is_none());
    assert!(SetCookie::parse(b"n=a\tb", now).is_some());
}

#[test]
fn a_value_without_a_name_makes_no_promise_of_a_prefix() {
    let url = "https://host.example/";
    for set in [
        "=__Host-n=bad; Secure; Path=/",
        "__secure-n",
        "=__Secure-n=bad; Secure",
    ] {
        assert_eq!(sent(url, &[set], url), "-", "{set}");
    }
}

#[test]
fn the_dot_of_the_root_makes_no_domain_narrower() {
    let set = ["n=v; Domain=com."];
    assert_eq!(sent("http://a.com./", &set, "http://b.com./"), "-");
}
