use super::*;
use std::io::Write;

fn read(text: &str) -> Sitemap {
    sitemap(text.as_bytes(), Limits::default())
}

fn targets(links: &[Link]) -> Vec<&str> {
    links.iter().map(|link| link.target.as_str()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn pages_are_those_of_url_elements() {
    let sitemap = read(
        "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE urlset>\n\
         <s:urlset xmlns:s='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:image='i'>\n\
         <s:url>\n  <s:loc>\n   http://a/?b&amp;c&#38;d </s:loc><lastmod>2026</lastmod>\n\
         <image:image><image:loc>http://image/</image:loc></image:image></s:url>\
         <s:url><s:loc><![CDATA[http://a/?x&y]]></s:loc></s:url><!-- <url><loc>no</loc></url> -->\
         <s:url><s:loc>http://a/?x&y</s:loc></s:url><s:url><s:loc/></s:url></s:urlset>",
    );
    assert_eq!(
        targets(&sitemap.pages),
        ["http://a/?b&c&d", "http://a/?x&y", "http://a/?x&y"]
    );
    assert_eq!((sitemap.pages[0].line, sitemap.pages[0].column), (6, 4));
    assert_eq!((sitemap.pages[1].line, sitemap.pages[1].column), (7, 95));
    assert_eq!(sitemap.stop, None);
}

#[test]
fn an_index_lists_sitemaps() {
    let sitemap = read("<sitemapindex><sitemap><loc>http://a/1.xml</loc></sitemap></sitemapindex>");
    assert_eq!(targets(&sitemap.sitemaps), ["http://a/1.xml"]);
    assert_eq!(sitemap.sitemaps[0].kind, LinkKind::Sitemap);
    assert!(sitemap.pages.is_empty() && sitemap.stop.is_none());
}

#[test]
fn texts_and_feeds_are_sitemaps() {
    let sitemap = read("\u{feff}http://a/1\r\n\r\n  HTTPS://a/2\nnothing\n");
    assert_eq!(targets(&sitemap.pages), ["http://a/1", "HTTPS://a/2"]);
    assert_eq!((sitemap.pages[1].line, sitemap.pages[1].column), (3, 3));
    let sitemap = read(
        "<rss><channel><item><link>http://a/1</link><enclosure url='b'/></item></channel></rss>",
    );
    assert_eq!(targets(&sitemap.pages), ["http://a/1"]);
    let utf16: Vec<u8> = "\u{feff}http://a/1"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        targets(&super::sitemap(&utf16, Limits::default()).pages),
        ["http://a/1"]
    );
}

#[test]
fn what_is_no_sitemap_is_named() {
    for text in [
        "<html><body><loc>x</loc></body></html>",
        "<!doctype html><p>x",
        "just text",
        "\u{0}\u{1}",
    ] {
        let sitemap = read(text);
        assert_eq!(
            (sitemap.pages.len(), sitemap.stop),
            (0, Some(Stop::NoSitemap)),
            "{text}"
        );
    }
    assert_eq!(read("").stop, None);
}

#[test]
fn what_stands_before_damage_is_kept() {
    let good = "<urlset><url><loc>http://a/</loc></url>";
    for bad in [
        "<url><loc>http://b",
        "<url",
        "<!-- ",
        "<![CDATA[",
        "<url><loc a='",
        "<?x",
    ] {
        let sitemap = read(&format!("{good}\n{bad}"));
        assert_eq!(targets(&sitemap.pages), ["http://a/"], "{bad}");
        assert!(
            matches!(sitemap.stop, Some(Stop::Xml(2, _))),
            "{bad}: {:?}",
            sitemap.stop
        );
    }
    assert_eq!(
        targets(
            &read(
                "<urlset><url><loc>http://a/</url></loc><url><loc>http://b/</loc></url></urlset>"
            )
            .pages
        )
        .len(),
        2
    );
}

#[test]
fn limits_cut_with_their_names() {
    let limits = Limits {
        urls: 2,
        bytes: 1000,
    };
    let page = "<url><loc>http://a/</loc></url>";
    let full = sitemap(format!("<urlset>{page}{page}</urlset>").as_bytes(), limits);
    assert_eq!((full.pages.len(), full.stop), (2, None));
    let over = sitemap(
        format!("<urlset>{page}{page}{page}</urlset>").as_bytes(),
        limits,
    );
    assert_eq!((over.pages.len(), over.stop), (2, Some(Stop::Urls(2))));
    let lines = sitemap(b"http://a\nhttp://b\nhttp://c", limits);
    assert_eq!((lines.pages.len(), lines.stop), (2, Some(Stop::Urls(2))));

    let long = format!("<urlset>{page}{}</urlset>", " ".repeat(1000));
    let cut = sitemap(long.as_bytes(), limits);
    assert_eq!((cut.pages.len(), cut.stop), (1, Some(Stop::Bytes(1000))));
    let cut = sitemap(&gzip(long.as_bytes()), limits);
    assert_eq!((cut.pages.len(), cut.stop), (1, Some(Stop::Bytes(1000))));
}

#[test]
fn the_limits_of_the_protocol_are_the_default() {
    assert_eq!(
        Limits::default(),
        Limits {
            urls: 50_000,
            bytes: 50 * 1024 * 1024
        }
    );
    let page = "<url><loc>http://a/</loc></url>";
    let over = sitemap(
        &gzip(format!("<urlset>{}</urlset>", page.repeat(50_001)).as_bytes()),
        Limits::default(),
    );
    assert_eq!(
        (over.pages.len(), over.stop),
        (50_000, Some(Stop::Urls(50_000)))
    );
}

#[test]
fn bombs_are_cut() {
    // 20 MB of blanks in 20 kB, and entities that would grow to 10^9 characters.
    let bomb = gzip(&vec![b' '; 20_000_000]);
    assert!(bomb.len() < 40_000);
    let limits = Limits {
        bytes: 1_000_000,
        ..Limits::default()
    };
    assert_eq!(sitemap(&bomb, limits).stop, Some(Stop::Bytes(1_000_000)));

    let mut entities = String::from("<!DOCTYPE urlset [<!ENTITY a0 'ha'>");
    for i in 1..10 {
        entities += &format!("<!ENTITY a{i} '{}'>", format!("&a{};", i - 1).repeat(10));
    }
    let laughs = read(&format!(
        "{entities}]><urlset><url><loc>http://a/&a9;</loc></url></urlset>"
    ));
    assert_eq!(targets(&laughs.pages), ["http://a/&a9;"]);

    let deep = read(&"<urlset>".repeat(100_000));
    assert!(matches!(deep.stop, Some(Stop::Xml(1, _))));
    let long = read(&format!(
        "<urlset><url><loc>http://a/{}</loc></url></urlset>",
        "a&amp;".repeat(1_000_000)
    ));
    assert!(long.pages[0].target.len() <= 8 * 1024);
}

#[test]
fn gzip_may_have_members_and_zeros_and_may_be_damaged() {
    let mut members = gzip(b"<urlset><url><loc>http://a/");
    members.extend(gzip(b"</loc></url></urlset>"));
    assert_eq!(
        targets(&sitemap(&members, Limits::default()).pages),
        ["http://a/"]
    );

    let whole = gzip(
        format!(
            "<urlset>{}</urlset>",
            "<url><loc>http://a/</loc></url>".repeat(50)
        )
        .as_bytes(),
    );
    let short = sitemap(&whole[..whole.len() - 9], Limits::default());
    assert!(
        matches!(short.stop, Some(Stop::Gzip(_))),
        "{:?}",
        short.stop
    );
    let mut padded = whole.clone();
    padded.extend([0; 100]);
    assert_eq!(sitemap(&padded, Limits::default()).pages.len(), 50);
}

#[test]
fn a_gzip_file_of_very_many_empty_members_is_left() {
    let mut file = gzip(b"").repeat(100_000);
    file.extend(gzip(b"<urlset><url><loc>http://a/</loc></url></urlset>"));
    let stop = sitemap(&file, Limits::default()).stop;
    assert_eq!(
        stop,
        Some(Stop::Gzip("it has more than 10000 members".to_owned()))
    );
}
