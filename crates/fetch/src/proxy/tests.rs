use super::*;

fn variables(set: &[(&str, &str)]) -> Result<Proxies, Error> {
    Proxies::from_variables(|name| {
        let found = set.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// Shows the proxies for http and https to a host.
fn shown(proxies: &Proxies, host: &str) -> String {
    let of = |secure| {
        let origin = Origin {
            secure,
            host: host.to_owned(),
            port: 80,
        };
        proxies.of(&origin).map_or("-".to_owned(), Proxy::to_string)
    };
    format!("{} {}", of(false), of(true))
}

#[test]
fn variables_are_read_as_other_programs_read_them() {
    let direct = "- -";
    for (set, expected) in [
        (&[][..], direct),
        (&[("http_proxy", "p")], "http://p:80 -"),
        (&[("http_proxy", "p:3128")], "http://p:3128 -"),
        (&[("HTTP_PROXY", "http://P/")], "http://p:80 -"),
        (&[("http_proxy", "a"), ("HTTP_PROXY", "b")], "http://a:80 -"),
        (&[("http_proxy", ""), ("HTTP_PROXY", "b")], direct),
        (&[("https_proxy", "http://u:p@[::1]:1")], "- http://[::1]:1"),
        (
            &[("all_proxy", "socks5://s")],
            "socks5://s:1080 socks5://s:1080",
        ),
        (
            &[("ALL_PROXY", "socks5h://s:1"), ("http_proxy", "p")],
            "http://p:80 socks5h://s:1",
        ),
        (&[("HTTP_PROXY", "p"), ("REQUEST_METHOD", "GET")], direct),
        (
            &[("http_proxy", "p"), ("REQUEST_METHOD", "GET")],
            "http://p:80 -",
        ),
        (&[("all_proxy", "p"), ("no_proxy", "a,host")], direct),
        (
            &[("all_proxy", "p"), ("NO_PROXY", "other")],
            "http://p:80 http://p:80",
        ),
    ] {
        assert_eq!(shown(&variables(set).unwrap(), "host"), expected, "{set:?}");
    }
}

#[test]
fn a_variable_that_names_no_proxy_is_an_error_without_its_password() {
    for value in [
        "ftp://u:secret@p",
        "http://u:secret@",
        "http://u:secret@p:port",
        "socks4://u:secret@p",
    ] {
        let error = variables(&[("HTTPS_PROXY", value)]).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.phase(), Phase::Proxy);
        assert!(text.starts_with("proxy: HTTPS_PROXY: `"), "{text}");
        assert!(!format!("{text} {error:?}").contains("secret"), "{text}");
    }
}
