//! robots.txt: the cases of Google's parser, of RFC 9309 and of the Python package `protego`, as tables.
//!
//! Where this crate and Google's parser differ, the row says why.

use std::time::Duration;

use switchboard_crawl::Address;
use switchboard_crawl::robots::Robots;

/// A file, the crawler's name, and pages with whether they may be fetched.
type Row = (&'static str, &'static str, &'static [(&'static str, bool)]);

fn allows(text: &str, agent: &str, page: &str) -> bool {
    let page = match page.starts_with('/') {
        true => page.to_owned(),
        false => Address::parse(page).unwrap().path_and_query().to_owned(),
    };
    Robots::of_answer(200, text.as_bytes(), agent).allows(&page)
}

fn check(rows: &[Row]) {
    for (text, agent, pages) in rows {
        for (page, allowed) in *pages {
            assert_eq!(
                allows(text, agent, page),
                *allowed,
                "{page} for {agent} by\n{text}"
            );
        }
    }
}

const GROUPS: &str = "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\n\
    disallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\nallow: /z/\ndisallow: /\n";

/// The tests of google/robotstxt, by their names.
const GOOGLE: &[Row] = &[
    // GoogleOnly_SystemTest, but for its empty URL, which is no address here.
    ("", "FooBot", &[("/", true)]),
    ("user-agent: FooBot\ndisallow: /\n", "", &[("/", true)]),
    ("", "", &[("/", true)]),
    // ID_LineSyntax_Line
    (
        "user-agent: FooBot\ndisallow: /\n",
        "FooBot",
        &[("/x/y", false)],
    ),
    ("foo: FooBot\nbar: /\n", "FooBot", &[("/x/y", true)]),
    (
        "user-agent FooBot\ndisallow /\n",
        "FooBot",
        &[("/x/y", false)],
    ),
    // ID_LineSyntax_Groups
    (
        GROUPS,
        "FooBot",
        &[
            ("/x/b", true),
            ("/z/d", true),
            ("/y/c", false),
            ("/foo/bar/", false),
        ],
    ),
    (
        GROUPS,
        "BarBot",
        &[
            ("/y/c", true),
            ("/w/a", true),
            ("/z/d", false),
            ("/foo/bar/", false),
        ],
    ),
    (GROUPS, "BazBot", &[("/z/d", true), ("/foo/bar/", false)]),
    // ID_LineSyntax_Groups_OtherRules
    (
        "User-agent: BarBot\nSitemap: https://foo.bar/sitemap\nUser-agent: *\nDisallow: /\n",
        "FooBot",
        &[("/", false)],
    ),
    (
        "User-agent: BarBot\nSitemap: https://foo.bar/sitemap\nUser-agent: *\nDisallow: /\n",
        "BarBot",
        &[("/", false)],
    ),
    (
        "User-agent: FooBot\nInvalid-Unknown-Line: unknown\nUser-agent: *\nDisallow: /\n",
        "FooBot",
        &[("/", false)],
    ),
    (
        "User-agent: FooBot\nInvalid-Unknown-Line: unknown\nUser-agent: *\nDisallow: /\n",
        "BarBot",
        &[("/", false)],
    ),
    // ID_REPLineNamesCaseInsensitive
    (
        "USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /\n",
        "FooBot",
        &[("/x/y", true), ("/a/b", false)],
    ),
    (
        "user-agent: FooBot\nallow: /x/\ndisallow: /\n",
        "FooBot",
        &[("/x/y", true), ("/a/b", false)],
    ),
    (
        "uSeR-aGeNt: FooBot\nAlLoW: /x/\ndIsAlLoW: /\n",
        "FooBot",
        &[("/x/y", true), ("/a/b", false)],
    ),
    // ID_UserAgentValueCaseInsensitive
    (
        "User-Agent: FOO BAR\nAllow: /x/\nDisallow: /\n",
        "Foo",
        &[("/x/y", true), ("/a/b", false)],
    ),
    (
        "User-Agent: foo bar\nAllow: /x/\nDisallow: /\n",
        "Foo",
        &[("/x/y", true), ("/a/b", false)],
    ),
    (
        "User-Agent: FoO bAr\nAllow: /x/\nDisallow: /\n",
        "foo",
        &[("/x/y", true), ("/a/b", false)],
    ),
    // GoogleOnly_AcceptUserAgentUpToFirstSpace
    (
        "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n",
        "Foo",
        &[("/x/y", true)],
    ),
    // Google asks for no group of its own by a name that is no product token; here its token counts.
    (
        "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n",
        "Foo Bar",
        &[("/x/y", true)],
    ),
    // ID_GlobalGroups_Secondary
    (
        "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n",
        "FooBot",
        &[("/x/y", false)],
    ),
    (
        "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n",
        "BarBot",
        &[("/x/y", true)],
    ),
    (
        "user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /\nuser-agent: BazBot\ndisallow: /\n",
        "QuxBot",
        &[("/x/y", true)],
    ),
    // ID_AllowDisallow_Value_CaseSensitive
    (
        "user-agent: FooBot\ndisallow: /x/\n",
        "FooBot",
        &[("/x/y", false)],
    ),
    (
        "user-agent: FooBot\ndisallow: /X/\n",
        "FooBot",
        &[("/x/y", true)],
    ),
    // ID_LongestMatch
    (
        "user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/\n",
        "FooBot",
        &[("/x/page.html", false)],
    ),
    (
        "user-agent: FooBot\nallow: /x/page.html\ndisallow: /x/\n",
        "FooBot",
        &[("/x/page.html", true), ("/x/", false)],
    ),
    (
        "user-agent: FooBot\ndisallow: \nallow: \n",
        "FooBot",
        &[("/x/page.html", true)],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /\n",
        "FooBot",
        &[("/x/page.html", true)],
    ),
    (
        "user-agent: FooBot\ndisallow: /x\nallow: /x/\n",
        "FooBot",
        &[("/x", false), ("/x/", true)],
    ),
    (
        "user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/page.html\n",
        "FooBot",
        &[("/x/page.html", true)],
    ),
    (
        "user-agent: FooBot\nallow: /page\ndisallow: /*.html\n",
        "FooBot",
        &[("/page.html", false), ("/page", true)],
    ),
    (
        "user-agent: FooBot\nallow: /x/page.\ndisallow: /*.html\n",
        "FooBot",
        &[("/x/page.html", true), ("/x/y.html", false)],
    ),
    (
        "User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n",
        "FooBot",
        &[("/x/page", true), ("/y/page", false)],
    ),
    // ID_Encoding
    (
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par\n",
        "FooBot",
        &[("/foo/bar?qux=taz&baz=http://foo.bar?tar&par", true)],
    ),
    // Google leaves it to its caller to percent-encode the URL; here both sides are compared in one form.
    (
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/ツ\n",
        "FooBot",
        &[("/foo/bar/%E3%83%84", true), ("/foo/bar/ツ", true)],
    ),
    (
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%E3%83%84\n",
        "FooBot",
        &[("/foo/bar/%E3%83%84", true), ("/foo/bar/ツ", true)],
    ),
    // Google does not decode what needs no percent-encoding; RFC 9309 says in 2.2.2 that both are the same.
    (
        "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%62%61%7A\n",
        "FooBot",
        &[("/foo/bar/baz", true), ("/foo/bar/%62%61%7A", true)],
    ),
    // ID_SpecialCharacters
    (
        "User-agent: FooBot\nDisallow: /foo/bar/quz\nAllow: /foo/*/qux\n",
        "FooBot",
        &[
            ("/foo/bar/quz", false),
            ("/foo/quz", true),
            ("/foo//quz", true),
            ("/foo/bax/quz", true),
        ],
    ),
    (
        "User-agent: FooBot\nDisallow: /foo/bar$\nAllow: /foo/bar/qux\n",
        "FooBot",
        &[
            ("/foo/bar", false),
            ("/foo/bar/qux", true),
            ("/foo/bar/", true),
            ("/foo/bar/baz", true),
        ],
    ),
    (
        "User-agent: FooBot\n# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n",
        "FooBot",
        &[("/foo/bar", true), ("/foo/quz", false)],
    ),
    // GoogleOnly_IndexHTMLisDirectory: not in the RFC, and not here, so /allowed-slash/ is not allowed.
    (
        "User-Agent: *\nAllow: /allowed-slash/index.html\nDisallow: /\n",
        "foobot",
        &[
            ("/allowed-slash/", false),
            ("/allowed-slash/index.htm", false),
            ("/allowed-slash/index.html", true),
            ("/anyother-url", false),
        ],
    ),
    // GoogleOnly_DocumentationChecks
    (
        "user-agent: FooBot\ndisallow: /\nallow: /fish\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/fish", true),
            ("/fish.html", true),
            ("/fish/salmon.html", true),
            ("/fishheads", true),
            ("/fishheads/yummy.html", true),
            ("/fish.html?id=anything", true),
            ("/Fish.asp", false),
            ("/catfish", false),
            ("/?id=fish", false),
        ],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /fish*\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/fish", true),
            ("/fish.html", true),
            ("/fish/salmon.html", true),
            ("/fishheads", true),
            ("/fishheads/yummy.html", true),
            ("/fish.html?id=anything", true),
            ("/Fish.bar", false),
            ("/catfish", false),
            ("/?id=fish", false),
        ],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /fish/\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/fish/", true),
            ("/fish/salmon", true),
            ("/fish/?salmon", true),
            ("/fish/salmon.html", true),
            ("/fish/?id=anything", true),
            ("/fish", false),
            ("/fish.html", false),
            ("/Fish/Salmon.html", false),
        ],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /*.php\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/filename.php", true),
            ("/folder/filename.php", true),
            ("/folder/filename.php?parameters", true),
            ("//folder/any.php.file.html", true),
            ("/filename.php/", true),
            ("/index?f=filename.php/", true),
            ("/php/", false),
            ("/index?php", false),
            ("/windows.PHP", false),
        ],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /*.php$\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/filename.php", true),
            ("/folder/filename.php", true),
            ("/filename.php?parameters", false),
            ("/filename.php/", false),
            ("/filename.php5", false),
            ("/php/", false),
            ("/filename?php", false),
            ("/aaaphpaaa", false),
            ("//windows.PHP", false),
        ],
    ),
    (
        "user-agent: FooBot\ndisallow: /\nallow: /fish*.php\n",
        "FooBot",
        &[
            ("/bar", false),
            ("/fish.php", true),
            ("/fishheads/catfish.php?parameters", true),
            ("/Fish.PHP", false),
        ],
    ),
    (
        "user-agent: FooBot\nallow: /p\ndisallow: /\n",
        "FooBot",
        &[("/page", true)],
    ),
    (
        "user-agent: FooBot\nallow: /folder\ndisallow: /folder\n",
        "FooBot",
        &[("/folder/page", true)],
    ),
    (
        "user-agent: FooBot\nallow: /page\ndisallow: /*.htm\n",
        "FooBot",
        &[("/page.htm", false)],
    ),
    (
        "user-agent: FooBot\nallow: /$\ndisallow: /\n",
        "FooBot",
        &[("/", true), ("/page.html", false)],
    ),
    // ID_LinesNumbersAreCountedCorrectly, by what the lines do.
    (
        "User-Agent: foo\nAllow: /some/path\nUser-Agent: bar\n\n\nDisallow: /\n",
        "bar",
        &[("/", false)],
    ),
    (
        "User-Agent: foo\r\nAllow: /some/path\r\nUser-Agent: bar\r\n\r\n\r\nDisallow: /\r\n",
        "bar",
        &[("/", false)],
    ),
    (
        "User-Agent: foo\rAllow: /some/path\rUser-Agent: bar\r\r\rDisallow: /\r",
        "bar",
        &[("/", false)],
    ),
    (
        "User-Agent: foo\nAllow: /some/path\nUser-Agent: bar\n\n\nDisallow: /",
        "bar",
        &[("/", false)],
    ),
    (
        "User-Agent: foo\nAllow: /some/path\r\nUser-Agent: bar\n\r\n\nDisallow: /",
        "bar",
        &[("/", false)],
    ),
    // TestMaybeEscapePattern
    (
        "user-agent: a\ndisallow: /á\n",
        "a",
        &[("/%C3%A1", false), ("/%c3%a1", false)],
    ),
    (
        "user-agent: a\ndisallow: /%aa\n",
        "a",
        &[("/%AA", false), ("/%aa", false), ("/aa", true)],
    ),
];

#[test]
fn googles_cases() {
    check(GOOGLE);
}

/// GoogleOnly_LineTooLong: Google cuts lines after 16,663 bytes. Here they are as long as they are, and no
/// address is that long.
#[test]
fn long_lines_are_whole() {
    let long = "a".repeat(20_000);
    let text = format!("user-agent: FooBot\ndisallow: /x/{long}/qux\n");
    assert!(allows(&text, "FooBot", "/fux"));
    assert!(allows(&text, "FooBot", &format!("/x/{long}/fux")));
    assert!(!allows(&text, "FooBot", &format!("/x/{long}/qux")));
}

/// ID_UTF8ByteOrderMarkIsSkipped
#[test]
fn a_byte_order_mark_is_skipped_at_the_start_only() {
    let refused = |text: &[u8]| !Robots::of_answer(200, text, "foo").allows("/a");
    assert!(refused(b"\xef\xbb\xbfUser-Agent: foo\nDisallow: /\n"));
    assert!(refused(b"\xef\xbbUser-Agent: foo\nDisallow: /\n"));
    assert!(refused(b"\xefUser-Agent: foo\nDisallow: /\n"));
    assert!(!refused(b"\xef\x11\xbfUser-Agent: foo\nDisallow: /\n"));
    assert!(!refused(b"User-Agent: foo\n\xef\xbb\xbfDisallow: /\n"));
}

const SIMPLE: &str = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
    User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
    User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\nUser-Agent: quxbot\n";

/// The examples of RFC 9309, by its sections.
const RFC: &[Row] = &[
    // 2.2.1: groups of one name are one; names have no case.
    (
        "user-agent: ExampleBot\ndisallow: /foo\ndisallow: /bar\n\nuser-agent: ExampleBot\ndisallow: /baz\n",
        "examplebot/1.0",
        &[
            ("/foo", false),
            ("/bar", false),
            ("/baz", false),
            ("/", true),
        ],
    ),
    (
        "user-agent: BazBot\ndisallow: /baz\nuser-agent: *\ndisallow: /foo\nuser-agent: foobot\nallow: /foo\n",
        "Mozilla/5.0 (compatible; foobot/1.0)",
        &[("/foo", false)],
    ),
    // 2.2.2: paths in one form.
    (
        "user-agent: a\ndisallow: /foo/bar?baz=quz\n",
        "a",
        &[("/foo/bar?baz=quz", false)],
    ),
    (
        "user-agent: a\ndisallow: /foo/bar?baz=https://foo.bar\n",
        "a",
        &[("/foo/bar?baz=https://foo.bar", false)],
    ),
    (
        "user-agent: a\ndisallow: /foo/bar/ツ\n",
        "a",
        &[("/foo/bar/%E3%83%84", false), ("/foo/bar/ツ", false)],
    ),
    (
        "user-agent: a\ndisallow: /foo/bar/%E3%83%84\n",
        "a",
        &[("/foo/bar/%E3%83%84", false)],
    ),
    (
        "user-agent: a\ndisallow: /foo/bar/%62%61%7A\n",
        "a",
        &[("/foo/bar/baz", false)],
    ),
    // 2.2.3: special characters, and how they are said.
    (
        "user-agent: a\ndisallow: /path/file-with-a-%2A.html\n",
        "a",
        &[
            ("/path/file-with-a-*.html", false),
            ("/path/file-with-a-%2A.html", false),
            ("/path/file-with-a-x.html", true),
        ],
    ),
    (
        "user-agent: a\ndisallow: /path/foo-%24\n",
        "a",
        &[("/path/foo-$", false), ("/path/foo-", true)],
    ),
    (
        "user-agent: a\ndisallow: /path/$/x\n",
        "a",
        &[("/path/$/x", false), ("/path/", true)],
    ),
    (
        "user-agent: a\nallow: /this/path/exactly$\ndisallow: /this\n",
        "a",
        &[("/this/path/exactly", true), ("/this/path/exactly/", false)],
    ),
    // 2.2.4: other lines do not end a group.
    (
        "user-agent: a\nsitemap: x\nuser-agent: b\ncrawl-delay: 9\nuser-agent: c\ndisallow: /\n",
        "a",
        &[("/", false)],
    ),
    // 5.1
    (
        SIMPLE,
        "foobot",
        &[
            ("/", false),
            ("/example/page.html", true),
            ("/example/allowed.gif", true),
            ("/a.gif", false),
        ],
    ),
    (
        SIMPLE,
        "barbot",
        &[
            ("/", true),
            ("/example/page.html", false),
            ("/example/allowed.gif", true),
        ],
    ),
    (
        SIMPLE,
        "bazbot",
        &[("/example/", true), ("/example/page.html", false)],
    ),
    (
        SIMPLE,
        "quxbot",
        &[("/", true), ("/example/page.html", true), ("/a.gif", true)],
    ),
    (
        SIMPLE,
        "other",
        &[
            ("/publications/", true),
            ("/publications/a.gif", true),
            ("/a.gif", false),
            ("/a.gif?b", true),
            ("/example/x", false),
        ],
    ),
    // 5.2: the longest pattern.
    (
        "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n",
        "foobot",
        &[
            ("/example/page/disallowed.gif", false),
            ("/example/page/x", true),
        ],
    ),
];

#[test]
fn examples_of_the_rfc() {
    check(RFC);
}

/// Tests of `protego` that the tables above have not.
const PROTEGO: &[Row] = &[
    (
        "User-agent: * \nDisallow: /d \nCrawl-delay: 10",
        "x",
        &[("/abc/d", true), ("/disallowed", false)],
    ),
    (
        "User-agent: * \nDisallow: /one \nDissallow: /two \nDissalow: /three \nDisalow: /four \nDiasllow: /five \n\
         Disallaw: /six \n",
        "x",
        &[
            ("/one", false),
            ("/two", false),
            ("/three", false),
            ("/four", false),
            ("/five", false),
            ("/six", false),
        ],
    ),
    (
        "User-agent: * \nDisallow: / \nAllow: /a%3cd.html",
        "x",
        &[("/a<d.html", true), ("/a%3cd.html", true)],
    ),
    (
        "User-agent: * \nDisallow: / \nAllow: /a%3c*",
        "x",
        &[("/a<d.html", true), ("/a%3Cd.html", true)],
    ),
    (
        "User-agent: * \nDisallow: / \nAllow: /a<d.html",
        "x",
        &[("/a<d.html", true), ("/a%3cd.html", true)],
    ),
    (
        "User-agent: * \nDisallow: /path;params?query \n",
        "x",
        &[("http://u@a.example:10/path;params?query#f", false)],
    ),
    (
        "User-agent: * \nDisallow: /? \n",
        "x",
        &[("/?query", false), ("/", true)],
    ),
    (
        "User-agent: * \nDisallow: /; \n",
        "x",
        &[("/;params", false), ("/", true)],
    ),
    (
        "User-agent: first\nDisallow: /disallowed/*/end$\nDisallow: /protego*work\n",
        "first",
        &[
            ("/disallowed", true),
            ("/disallowed/xyz/end", false),
            ("/disallowed/xyz/endinglater", true),
            ("/protegoworks", false),
            ("/protego/works", false),
            ("/protego_does_work", false),
            ("/rotego_does_work", true),
            ("/protego_does_wor", true),
        ],
    ),
    (
        "User-agent: second\nAllow: /*allowed\nDisallow: /\n",
        "second",
        &[
            ("/allowed", true),
            ("/is_still_allowed", true),
            ("/is_allowed_too", true),
        ],
    ),
    (
        "User-agent: a\nDisallow:  /foo*/bar.html\n",
        "a",
        &[
            ("/fo.html", true),
            ("/foo/bar.html", false),
            ("/foo/a/b/c/x/y/z/bar.html", false),
            ("/food/xyz.html", true),
        ],
    ),
    (
        "User-agent: a\nDisallow:  *m\n",
        "a",
        &[
            ("/foo.htm", false),
            ("/foo", true),
            ("/moo", false),
            ("/foo.txt", true),
        ],
    ),
    (
        "User-agent: a\nAllow: /foo/bar.html\nDisallow: *\n",
        "a",
        &[("/foo", false), ("/foo/bar.html", true)],
    ),
    (
        "User-agent: a\nDisallow:  /foo*/*bar.html\n",
        "a",
        &[
            ("/foo/bar.html", false),
            ("/food/rebar.html", false),
            ("/food/rebarf.html", true),
            ("/foo/a/b/c/rebar.html", false),
        ],
    ),
    (
        "User-agent: a\nAllow:  /foo$\nDisallow:  /foo\n",
        "a",
        &[("/foo", true), ("/foo/", false)],
    ),
    (
        "User-agent: a\nDisallow: *****************/****.js\n",
        "a",
        &[("/x/a.js", false), ("/x/a.css", true)],
    ),
];

#[test]
fn cases_of_protego() {
    check(PROTEGO);
}

#[test]
fn crawl_delay() {
    let delay = |text: &str, agent: &str| Robots::of_answer(200, text.as_bytes(), agent).delay();
    let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
    let text = "User-agent: *\nCrawl-delay: 10\nUser-agent: a\nCrawl-delay: 0.5\nDisallow: /x\nUser-agent: b\nAllow: /";
    assert_eq!(delay(text, "c"), seconds(10.0));
    assert_eq!(delay(text, "a"), seconds(0.5));
    assert_eq!(delay(text, "b"), None);
    for (value, expected) in [
        ("86400", seconds(300.0)),
        ("300", seconds(300.0)),
        ("299.5", seconds(299.5)),
        ("1e300", seconds(300.0)),
        ("inf", seconds(300.0)),
        ("0", seconds(0.0)),
        ("-1", None),
        ("NaN", None),
        ("soon", None),
        ("", None),
        ("5 s", None),
    ] {
        let text = format!("User-agent: *\nCrawl-delay: {value}\n");
        assert_eq!(delay(&text, "a"), expected, "{value}");
    }
    // Groups of one name are one: the longest counts.
    assert_eq!(
        delay(
            "User-agent: a\nCrawl-delay: 2\nUser-agent: b\nUser-agent: a\nCrawl-delay: 1",
            "a"
        ),
        seconds(2.0)
    );
}

#[test]
fn statuses() {
    let text = b"User-agent: *\nDisallow: /";
    let allows = |status| Robots::of_answer(status, text, "a").allows("/x");
    assert!(
        [300, 301, 304, 308, 400, 401, 403, 404, 410, 429, 451, 499]
            .into_iter()
            .all(allows)
    );
    assert!(
        ![200, 204, 206, 299, 500, 502, 503, 504, 599, 100, 600, 0]
            .into_iter()
            .any(allows)
    );
    let robots = Robots::unreachable();
    assert_eq!(
        robots.refusal("/x").as_deref(),
        Some("robots.txt cannot be fetched")
    );
    assert!(robots.allows("/robots.txt"));
    assert!(Robots::of_answer(200, text, "a").allows("/robots.txt"));
}

#[test]
fn sitemaps_are_the_files() {
    let text = "Sitemap: https://a.example/1.xml\nUser-agent: b\nSITEMAP:/2.xml # two\nDisallow: /\nsitemap:\n\
                Site-map: https://a.example/1.xml\nsitemap: https://a.example/3.xml?a:b";
    let robots = Robots::of_answer(200, text.as_bytes(), "a");
    assert_eq!(
        robots.sitemaps(),
        [
            "https://a.example/1.xml",
            "/2.xml",
            "https://a.example/3.xml?a:b"
        ]
    );
}

#[test]
fn the_first_500_kib_count() {
    let mut text = String::from("User-agent: *\nDisallow: /first\n");
    while text.len() < Robots::MAX_BYTES - 20 {
        text.push_str("# filler\n");
    }
    text.push_str("Disallow: /cut-in-the-middle-of-the-line\nDisallow: /last\n");
    let robots = Robots::of_answer(200, text.as_bytes(), "a");
    assert!(!robots.allows("/first"));
    assert!(
        robots.allows("/cut")
            && robots.allows("/cut-in-the-middle-of-the-line")
            && robots.allows("/last")
    );
    // A file that is a line is no line.
    assert!(Robots::of_answer(200, &vec![b'a'; 100 << 20], "a").allows("/"));
}

#[test]
fn memory_is_bounded_by_the_file() {
    let text = "User-agent: a\nUser-agent: *\nDisallow: /\n".repeat(20_000);
    let robots = Robots::of_answer(200, text.as_bytes(), "a");
    assert!(!robots.allows("/x"));
    assert!(robots.to_string().len() <= text.len());
}

#[test]
fn what_is_stored_is_what_was() {
    for (text, agent, _) in GOOGLE.iter().chain(RFC).chain(PROTEGO) {
        let robots = Robots::of_answer(200, text.as_bytes(), agent);
        assert_eq!(Robots::stored(&robots.to_string()), robots, "{text}");
    }
    let odd = "user-agent: *\ndisallow: /%2A%24%23a$\nallow: *$$\ncrawl-delay: 0.1\nsitemap: é\ndisallow: /\0\x7f é\n";
    let robots = Robots::of_answer(200, odd.as_bytes(), "a");
    assert_eq!(Robots::stored(&robots.to_string()), robots, "{robots}");
    assert_eq!(
        Robots::stored(&Robots::unreachable().to_string()),
        Robots::unreachable()
    );
    // The text of a site does not say what a stored one does.
    assert!(Robots::of_answer(200, b"# unreachable\n", "a").allows("/"));
}
