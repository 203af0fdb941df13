//! Any text: what holds for all of them.

use super::*;

/// Pages with a bit of everything, from which others are made.
const PAGES: [&str; 8] = [
    "<!doctype html><html><head><title>A &amp; b</title><base href='/x/'><meta name=robots content=none>\
     <link rel=stylesheet href=a.css><style>@import 'b'; a{b:url(c)}</style></head><body id=top>",
    "<p style='b:url(&quot;c&quot;)'>é<a href='?a&amp;b' rel=nofollow>t <b>u</b><img src=i srcset='j 1x, k 2x' alt=l></a>",
    "<svg><style><![CDATA[a{b:url(c)}]]></style><title><a href=x></title><foreignObject><p><a xlink:href='y'></svg>",
    "<script><!-- <script>'<a href=x>'</script> --></script><textarea></textarea><template><a href=x></template>",
    "<form method=post action=x><button formaction=y formmethod=get></form><meta http-equiv=refresh content='0;\r\nurl=\"z\"'>",
    "<?xml version='1.0'?><urlset><url><loc>http://a/&amp;b</loc></url><url><loc><![CDATA[http://b]]></loc></url></urlset>",
    "<rss><channel><title>t</title><item><link>http://a/</link><enclosure url='b'/><guid>http://c</guid></item></channel></rss>",
    "/* é */ @namespace x url(y); @import url( 'a' ); b{c:image-set('d' 1x, url(e\\)f) 2x)}\n'\\\n' url(g",
];

/// What parts of pages are made of.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "'",
    "\"",
    "=",
    "&",
    ";",
    "&#",
    "&amp;",
    "&nGg;",
    "\0",
    "\r",
    "\n",
    "\r\n",
    "é",
    "€",
    "\u{feff}",
    " ",
    "\\",
    "(",
    ")",
    "url(",
    "@import",
    "<a href=",
    "<a href='",
    "<style>",
    "</style>",
    "<svg>",
    "</svg>",
    "<template>",
    "<title>",
    "<script>",
    "<plaintext>",
    "http://",
];

fn mutated(random: &mut fastrand::Rng) -> String {
    let mut text = PAGES[random.usize(..PAGES.len())].to_owned();
    if random.bool() {
        text += PAGES[random.usize(..PAGES.len())];
    }
    for _ in 0..random.usize(..8) {
        let mut at = random.usize(..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match random.u8(..3) {
            0 => text.truncate(at),
            1 => text.insert_str(at, PIECES[random.usize(..PIECES.len())]),
            _ => drop(text.pop().map(|c| text.insert(at.min(text.len()), c))),
        }
    }
    text
}

/// Every target that has no reference and no escape stands where its line and column say.
fn check_places(text: &str, links: &[Link]) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for link in links {
        let line = text
            .split('\n')
            .nth(link.line as usize - 1)
            .unwrap_or_else(|| panic!("{text:?} {link:?}"));
        let at: usize = line
            .chars()
            .take(link.column as usize - 1)
            .map(char::len_utf8)
            .sum();
        let first = link.target.chars().next();
        let rest = line[at..].chars().next();
        let is_written = first.is_none()
            || rest == first
            || matches!(rest, Some('&' | '\\' | '\0' | '\r') | None);
        assert!(is_written, "{text:?} {link:?}");
    }
}

#[test]
fn any_text_is_read_and_places_are_right() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let text = mutated(&mut random);
        let page = html(&text);
        check_places(&text, &page.links);
        let pages: Vec<_> = page
            .links
            .iter()
            .filter(|link| link.kind.is_page())
            .map(|link| &link.target)
            .collect();
        let wanted = Wanted {
            local: true,
            ..Wanted::PAGES
        };
        assert_eq!(
            html_with(&text, wanted)
                .links
                .iter()
                .map(|link| &link.target)
                .collect::<Vec<_>>(),
            pages,
            "{text:?}"
        );
        check_places(&text, &css(&text));
        check_places(&text, &feed(&text).links);
        let map = sitemap(text.as_bytes(), Limits::default());
        check_places(&text, &map.pages);
        check_places(&text, &map.sitemaps);
    }
}

#[test]
fn any_bytes_are_read_as_a_sitemap() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for begin in [
        &b""[..],
        b"\x1f\x8b",
        b"\x1f\x8b\x08\0\0\0\0\0\0\0",
        b"\xff\xfe",
        b"\xfe\xff",
        b"<urlset>",
    ] {
        for _ in 0..2_000 {
            let mut bytes = begin.to_vec();
            bytes.extend((0..random.usize(..64)).map(|_| random.u8(..)));
            let read = sitemap(&bytes, Limits { urls: 3, bytes: 40 });
            assert!(read.pages.len() <= 3);
        }
    }
}

/// What is kept of a page grows with the page: for each of these, twice the text gives at most twice as much. Places are
/// counted in order, which an assertion in `Places` sees to.
#[test]
fn what_is_kept_is_in_proportion() {
    let size = |text: &str| {
        let page = html(text);
        let of_links = |links: &[Link]| {
            links
                .iter()
                .map(|link| link.target.len() + link.text.len() + 1)
                .sum::<usize>()
        };
        let map = sitemap(text.as_bytes(), Limits::default());
        let anchors = page.anchors.iter().map(String::len).sum::<usize>();
        of_links(&page.links)
            + anchors
            + page.title.len()
            + of_links(&css(text))
            + of_links(&feed(text).links)
            + of_links(&map.pages)
    };
    for unit in [
        "<a href=x>t",
        "<a href='x'",
        "<a href='&amp;",
        "<a href=\"",
        "<svg><style>a{b:url(c)}<a href=x></style>",
        "<svg>",
        "<template>",
        "<a ",
        "<!--",
        "<![CDATA[",
        "<title>",
        "<script><!--<script>",
        "&",
        "&#",
        "&a",
        "url(",
        "url('",
        "@import 'a",
        "(",
        "\\",
        "/*",
        "<p style='b:url(c)' id=d>",
        "<img srcset='a,b (,",
        "<url><loc>x",
        "<rss><link>",
        "</a>",
        "<x",
        "<x a=",
        "\r",
        "<a id=x name=y>",
    ] {
        let (once, twice) = (size(&unit.repeat(2_000)), size(&unit.repeat(4_000)));
        assert!(
            twice <= 2 * once + 1_000 && twice <= 4 * 4_000 * unit.len() + 1_000,
            "{unit}: {once}, {twice}"
        );
    }
}
