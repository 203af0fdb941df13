use super::*;

fn parse(text: &str) -> String {
    Address::parse(text).map_or_else(|error| error.to_string(), |address| address.to_string())
}

#[test]
fn parts_are_normalised_as_written_down() {
    for (text, expected) in [
        ("http://example.com", "http://example.com/"),
        (
            " HTTPS://EXAMPLE.com:443/A?B#c\n",
            "https://example.com/A?B",
        ),
        ("http://u:p@example.com:8080/", "http://example.com:8080/"),
        ("http://example.com./", "http://example.com/"),
        (
            "http://bücher.example/ü?ü",
            "http://xn--bcher-kva.example/%C3%BC?%C3%BC",
        ),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::0001]:80/", "http://[::1]/"),
        ("http://a/b/../c/./%2e%2E/d", "http://a/d"),
        ("http://a/%7euser/%2f%c3", "http://a/~user/%2F%C3"),
        ("http://a/?%41=%3d&%2e", "http://a/?A=%3D&."),
        ("http://a/?", "http://a/"),
        ("http://a/?#", "http://a/"),
        ("http://a/??", "http://a/??"),
        ("http://a//b", "http://a//b"),
        ("http:\\\\a\\b", "http://a/b"),
        (
            "http://a/?b=2&a=1&utm_source=x",
            "http://a/?b=2&a=1&utm_source=x",
        ),
        ("http://a/100%", "http://a/100%"),
        ("http://a/%%32%65", "http://a/%%32e"),
        ("http://a/%3%32", "http://a/%3%32"),
        ("http://a/%zz%41", "http://a/%zzA"),
    ] {
        assert_eq!(parse(text), expected, "{text}");
        assert_eq!(parse(expected), expected);
    }
}

#[test]
fn errors_have_names() {
    for (text, expected) in [
        ("mailto:a@b", AddressError::Scheme("mailto".into())),
        (
            "JavaScript:void(0)",
            AddressError::Scheme("javascript".into()),
        ),
        (
            "java\nscript:void(0)",
            AddressError::Scheme("javascript".into()),
        ),
        ("ftp://a/", AddressError::Scheme("ftp".into())),
        ("localhost:8080", AddressError::Scheme("localhost".into())),
        ("http://a../", AddressError::Host("a..".into())),
        ("http://./", AddressError::Host(".".into())),
        ("http://", AddressError::NoUrl("empty host".into())),
        (
            "example.com",
            AddressError::NoUrl("it has no scheme, such as https://".into()),
        ),
        (
            "",
            AddressError::NoUrl("it has no scheme, such as https://".into()),
        ),
    ] {
        assert_eq!(Address::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn length_counts_after_normalising() {
    let path = "a".repeat(MAX_LENGTH - "http://a/".len());
    assert!(Address::parse(&format!("http://u@a:80/x/../{path}#{path}")).is_ok());
    let base = Url::parse("http://a/").unwrap();
    for result in [
        Address::parse(&format!("http://a/{path}b")),
        Address::join(&base, &format!("{path}b")).map(|(address, _)| address),
    ] {
        assert_eq!(result, Err(AddressError::TooLong(MAX_LENGTH + 1)));
    }
}

#[test]
fn parts_are_told() {
    for (text, origin, host, rest) in [
        ("http://a.b/c?d", "http://a.b", "a.b", "/c?d"),
        ("https://a:8443/", "https://a:8443", "a", "/"),
        ("http://[::1]/", "http://[::1]", "[::1]", "/"),
        ("http://[::1]:81/x", "http://[::1]:81", "[::1]", "/x"),
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(
            (address.origin(), address.host(), address.path_and_query()),
            (origin, host, rest)
        );
        assert_eq!(address.url().as_str(), text);
    }
}

#[test]
fn relative_urls_are_joined() {
    let base = Url::parse("http://a/b/c/d?q#f").unwrap();
    for (text, expected, fragment) in [
        ("", "http://a/b/c/d?q", None),
        ("#x", "http://a/b/c/d?q", Some("x")),
        ("#", "http://a/b/c/d?q", Some("")),
        ("?", "http://a/b/c/d", None),
        ("?x", "http://a/b/c/d?x", None),
        ("g", "http://a/b/c/g", None),
        ("./g/.", "http://a/b/c/g/", None),
        ("../../../g#s/../x", "http://a/g", Some("s/../x")),
        ("/", "http://a/", None),
        ("..", "http://a/b/", None),
        ("g//../h", "http://a/b/c/g/h", None),
        ("//h/i", "http://h/i", None),
        ("http:g", "http://a/b/c/g", None),
        ("%7e#%7e", "http://a/b/c/~", Some("%7e")),
        (" g\n", "http://a/b/c/g", None),
    ] {
        let (address, found) = Address::join(&base, text).unwrap();
        assert_eq!(
            (address.as_str(), found.as_deref()),
            (expected, fragment),
            "{text}"
        );
    }
    let mail = Url::parse("mailto:a@b").unwrap();
    assert!(matches!(
        Address::join(&mail, "x"),
        Err(AddressError::NoUrl(_))
    ));
}

/// Texts of the characters that URLs treat in a special way.
fn text(random: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 46] = [
        "http:", "https:", "//", "/", "a", "b", "..", ".", "%2e", "%2E", "%", "%4", "%41", "%7e",
        "%2f", "%25", "2", "e", "E", "?", "#", "@", ":", ":80", ":443", "\\", "é", " ", "\t", "'",
        "\"", "<", "|", "[", "]", "[::1]", "1.2.3.4", "=", "&", ";", "+", "xn--", "\u{ad}", "\0",
        "{", "^",
    ];
    (0..random.usize(..12))
        .map(|_| PIECES[random.usize(..PIECES.len())])
        .collect()
}

#[test]
fn parsing_twice_is_parsing_once() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50_000 {
        let text = text(&mut random);
        for text in [format!("http://a/{text}"), format!("http://{text}"), text] {
            let Ok(address) = Address::parse(&text) else {
                continue;
            };
            assert_eq!(
                Address::parse(address.as_str()).as_ref(),
                Ok(&address),
                "{text:?}"
            );
            assert_eq!(
                Address::from_url(&address.url()).as_ref(),
                Ok(&address),
                "{text:?}"
            );
            assert_eq!(Address::stored(address.as_str()).as_ref(), Some(&address));
        }
    }
}

#[test]
fn plain_links_are_joined_as_all_others() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut relative, mut absolute) = (0, 0);
    for _ in 0..50_000 {
        let Ok(base) = Url::parse(&format!("http://a/{}", text(&mut random))) else {
            continue;
        };
        let text = text(&mut random);
        for text in [
            format!("http://{text}"),
            format!("https://b-1.x--c{text}"),
            text,
        ] {
            let Some((joined, path, fragment)) = plain::join(&base, &text) else {
                continue;
            };
            *if text.contains("//") {
                &mut absolute
            } else {
                &mut relative
            } += 1;
            let url = base
                .join(&text)
                .unwrap_or_else(|error| panic!("{text:?} {error}"));
            let address = Address::of_parts(joined, path).unwrap();
            assert_eq!(
                Address::from_url(&url).as_ref(),
                Ok(&address),
                "{base} {text:?}"
            );
            assert_eq!(url.fragment(), fragment.as_deref(), "{base} {text:?}");
            assert_eq!(address.origin(), url.origin().ascii_serialization());
        }
    }
    assert!(relative > 1000 && absolute > 1000, "{relative} {absolute}");
}
