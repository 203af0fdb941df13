//! The encoding of a page: what names it, and what only seems to.

mod naive;
mod table;

use switchboard_fetch::encoding::{self, ContentType, Source};

#[track_caller]
fn assert_sniffed(kind: Option<&str>, body: &[u8], name: &str, source: Source) {
    let kind = kind.and_then(ContentType::parse);
    let sniffed = encoding::sniff(kind.as_ref(), body);
    let shown = String::from_utf8_lossy(body);
    assert_eq!(
        (sniffed.encoding.name(), sniffed.source),
        (name, source),
        "{kind:?}: {shown}"
    );
}

#[test]
fn a_byte_order_mark_is_first() {
    let html = Some("text/html; charset=windows-1252");
    assert_sniffed(
        html,
        b"\xEF\xBB\xBF<meta charset=gbk>",
        "UTF-8",
        Source::Mark,
    );
    assert_sniffed(html, b"\xFE\xFF\0a", "UTF-16BE", Source::Mark);
    assert_sniffed(html, b"\xFF\xFEa\0", "UTF-16LE", Source::Mark);
    // A mark of UTF-32 begins with that of UTF-16, and is taken for it.
    assert_sniffed(None, b"\xFF\xFE\0\0a\0\0\0", "UTF-16LE", Source::Mark);
    assert_sniffed(
        Some("application/json"),
        b"\xFF\xFE{\0",
        "UTF-16LE",
        Source::Mark,
    );
    // Not at the begin, or not whole.
    assert_sniffed(html, b" \xEF\xBB\xBF", "windows-1252", Source::Header);
    assert_sniffed(None, b"\xEF\xBB", "UTF-8", Source::Default);
}

#[test]
fn the_header_is_next_if_its_label_is_known() {
    let page = b"<meta charset=koi8-r>";
    for (kind, name) in [
        ("text/html;charset=Shift_JIS", "Shift_JIS"),
        ("text/html; CHARSET = gbk", "KOI8-R"),
        ("text/html; Charset=\"gb\\k\"", "GBK"),
        ("text/html; charset=\"gbk", "GBK"),
        ("text/html; charset=gbk;charset=big5", "GBK"),
        ("text/html; charset= gbk ; x=y", "GBK"),
        ("text/html; charset=gbk ; x=y", "GBK"),
        ("text/html; x=\"; charset=big5\"; charset=gbk", "GBK"),
        ("text/html; charset=latin1", "windows-1252"),
        ("text/html; charset=utf-16", "UTF-16LE"),
        ("text/html; charset=x-user-defined", "x-user-defined"),
        ("text/html; charset=iso-2022-kr", "replacement"),
        ("text/html; charset='gbk'", "KOI8-R"),
        ("text/html; charset=none", "KOI8-R"),
        ("text/html; charset=", "KOI8-R"),
        ("text/html; charset", "KOI8-R"),
        ("text/html; charset=utf-7", "KOI8-R"),
        ("text/html;;; charset=gbk", "GBK"),
        // Several fields, or several values in one.
        ("text/html; charset=gbk, text/html", "GBK"),
        ("text/html; charset=gbk, text/html; charset=big5", "Big5"),
        ("text/plain; charset=gbk, text/html", "KOI8-R"),
        ("text/html; charset=gbk, */*", "GBK"),
        ("text/html; charset=gbk, nonsense", "GBK"),
    ] {
        let source = match name {
            "KOI8-R" => Source::Meta,
            _ => Source::Header,
        };
        assert_sniffed(Some(kind), page, name, source);
    }
}

#[test]
fn only_pages_are_looked_into() {
    let page = b"<meta charset=koi8-r>";
    let xml = b"<?xml version='1.0' encoding='koi8-r'?><meta charset=gbk>";
    for kind in ["application/json", "text/plain", "text/css", "image/svg"] {
        assert_sniffed(Some(kind), page, "UTF-8", Source::Default);
        assert_sniffed(Some(kind), xml, "UTF-8", Source::Default);
    }
    for kind in [
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "application/rss+xml",
    ] {
        assert_sniffed(Some(kind), page, "UTF-8", Source::Default);
        assert_sniffed(Some(kind), xml, "KOI8-R", Source::Declaration);
    }
    assert_sniffed(Some("text/html"), xml, "GBK", Source::Meta);
    // Without a type, or with none that is valid, the first character decides.
    for kind in [
        None,
        Some("html"),
        Some("text/"),
        Some("te xt/html"),
        Some(""),
    ] {
        assert_sniffed(kind, page, "KOI8-R", Source::Meta);
        assert_sniffed(
            kind,
            b" \r\n\t<p><meta charset=koi8-r>",
            "KOI8-R",
            Source::Meta,
        );
        assert_sniffed(
            kind,
            b"{\"a\": \"<meta charset=koi8-r>\"}",
            "UTF-8",
            Source::Default,
        );
        assert_sniffed(kind, b"", "UTF-8", Source::Default);
    }
}

#[test]
fn a_declaration_may_be_in_utf_16() {
    for kind in [None, Some("text/html"), Some("text/xml")] {
        assert_sniffed(kind, b"<\0?\0x\0m\0l\0", "UTF-16LE", Source::Declaration);
        assert_sniffed(kind, b"\0<\0?\0x\0m\0l", "UTF-16BE", Source::Declaration);
        assert_sniffed(kind, b"<\0?\0X\0", "UTF-8", Source::Default);
        assert_sniffed(kind, b"<\0?\0x", "UTF-8", Source::Default);
    }
}

#[test]
fn each_row_of_the_table_is_read_as_the_standard_says() {
    for (page, expected) in table::ROWS {
        let (name, source) = match expected {
            Some(name) => (*name, Source::Meta),
            None => ("UTF-8", Source::Default),
        };
        let source = match page.starts_with("<?xml") && expected.is_some() {
            true if !page.contains("<meta") => Source::Declaration,
            _ => source,
        };
        assert_sniffed(Some("text/html"), page.as_bytes(), name, source);
    }
}

#[test]
fn an_element_counts_if_it_ends_within_the_first_1024_bytes() {
    const META: &str = "<meta charset=gbk>";
    for before in [
        "",
        "<!-- -->",
        "text",
        "<p class=x>",
        "<?xml version='1.0'?>",
    ] {
        for (end, counts) in [(1023, true), (1024, true), (1025, false), (4000, false)] {
            let blanks = " ".repeat(end - META.len() - before.len());
            let page = format!("{before}{blanks}{META}<meta charset=big5>");
            assert_eq!(page.find("gbk>").unwrap() + 4, end);
            let expected = match counts {
                true => ("GBK", Source::Meta),
                false => ("UTF-8", Source::Default),
            };
            assert_sniffed(Some("text/html"), page.as_bytes(), expected.0, expected.1);
        }
    }
}

#[test]
fn texts_are_decoded_without_their_mark() {
    let decode = |kind: &str, body: &[u8]| {
        encoding::decode(ContentType::parse(kind).as_ref(), body).into_owned()
    };
    assert_eq!(decode("text/html", b"\xEF\xBB\xBFcaf\xC3\xA9"), "café");
    assert_eq!(decode("text/html", b"\xFE\xFF\0c\0a\0f\0\xE9"), "café");
    assert_eq!(decode("text/html; charset=latin1", b"caf\xE9"), "café");
    assert_eq!(
        decode("text/html; charset=utf-16be", b"\0c\0a\0f\0\xE9"),
        "café"
    );
    assert_eq!(decode("text/html", b"caf\xE9"), "caf\u{FFFD}");
    assert_eq!(
        decode("text/html; charset=iso-2022-kr", b"<script>"),
        "\u{FFFD}"
    );
    // A mark of another encoding than the one that was found is none.
    assert_eq!(decode("text/plain", b"a\xEF\xBB\xBF"), "a\u{FEFF}");
}

/// `SWITCHBOARD_ENCODING_RUNS` sets the number of pages, and `SWITCHBOARD_ENCODING_SEED` the seed.
#[test]
fn any_bytes_are_read_as_a_naive_reader_reads_them() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |it| it.parse().unwrap());
    let runs: u64 = number("SWITCHBOARD_ENCODING_RUNS", 3_000);
    let seed: u64 = number("SWITCHBOARD_ENCODING_SEED", fastrand::u64(..1 << 32));
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let html = ContentType::parse("text/html");
    let (mut named, naive) = (0, naive::Reader::new());
    for run in 0..runs {
        let page = naive::page(&mut rng);
        let sniffed = encoding::sniff(html.as_ref(), &page);
        let expected = naive.sniff(&page);
        let shown = String::from_utf8_lossy(&page);
        assert_eq!(
            sniffed.encoding.name(),
            expected,
            "seed {seed}, run {run}: {shown:?}"
        );
        named += u64::from(sniffed.source != Source::Default);
        let _ = encoding::decode(None, &page);
        let _ = ContentType::parse(&shown);
    }
    assert!(
        named > runs / 10,
        "only {named} of {runs} pages named an encoding"
    );
}
