use super::*;
use crate::links::{Link, LinkKind};

fn targets(page: &str) -> Vec<String> {
    html(page)
        .links
        .into_iter()
        .map(|link| link.target)
        .collect()
}

fn kinds(page: &str) -> Vec<(String, LinkKind)> {
    html(page)
        .links
        .into_iter()
        .map(|link| (link.target, link.kind))
        .collect()
}

fn one(page: &str) -> Link {
    let links = html(page).links;
    assert_eq!(links.len(), 1, "{page}: {links:?}");
    links.into_iter().next().unwrap()
}

#[test]
fn each_element_has_its_kind() {
    use LinkKind::*;
    for (page, kind) in [
        ("<a href=x>", Anchor),
        ("<A HREF='x'>", Anchor),
        ("<map><area href=x alt=y></map>", Area),
        ("<iframe src=x></iframe>", Iframe),
        ("<frameset><frame src=x>", Frame),
        ("<form action=x>", Form),
        ("<form action=x method=GET>", Form),
        (
            "<form method=post><button formmethod=get formaction=x>",
            Form,
        ),
        ("<meta http-equiv=Refresh content='0; url=x'>", Refresh),
        ("<link rel=next href=x>", Relation),
        (
            "<link rel='alternate' type=application/rss+xml href=x>",
            Feed,
        ),
        ("<link rel=canonical href=x>", Canonical),
        ("<link rel='STYLESHEET' href=x>", Style),
        ("<link rel='shortcut icon' href=x>", Icon),
        ("<link rel=manifest href=x>", Manifest),
        ("<link rel=preload as=image imagesrcset=x>", Srcset),
        ("<link rel=preload href=x>", Preload),
        ("<link rel=dns-prefetch href=x>", Host),
        ("<blockquote cite=x>", Cite),
        ("<img longdesc=x>", Cite),
        ("<img src=x>", Image),
        ("<image src=x>", Image),
        ("<input type=image src=x>", Image),
        ("<body background=x>", Image),
        ("<video poster=x></video>", Image),
        ("<img srcset='x 2x'>", Srcset),
        ("<picture><source srcset=x></picture>", Srcset),
        ("<script src=x></script>", Script),
        ("<audio src=x></audio>", Media),
        ("<video><source src=x></video>", Media),
        ("<track src=x>", Media),
        ("<embed src=x>", Object),
        ("<object data=x></object>", Object),
        ("<p style='background: url(x)'>", Css),
        ("<style>p { background: url(x) }</style>", Css),
        ("<style>@import 'x';</style>", Import),
        ("<svg><a xlink:href=x>", Anchor),
        ("<svg><image href=x>", Image),
        ("<svg><use xlink:href='x'>", Image),
    ] {
        let link = one(page);
        assert_eq!((link.target.as_str(), link.kind), ("x", kind), "{page}");
    }
}

#[test]
fn what_leads_nowhere_is_none() {
    for page in [
        "<a>",
        "<a name=x>",
        "<a href>",
        "<img src=''>",
        "<a href='data:,x'>",
        "<img src=DATA:,x>",
        "<form method=post action=x>",
        "<form method=dialog action=x>",
        "<input src=x>",
        "<p href=x>",
        "<svg><use href='#x'>",
        "<a xlink:href=x>",
        "<style type=text/x>a{b:url(c)}</style>",
        "<meta http-equiv=refresh content=5>",
        "<a href=x",
        "</a href=x>",
        "<script href=x></script>",
    ] {
        assert_eq!(targets(page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn text_that_looks_like_markup_has_no_links() {
    for page in [
        "<!-- <a href=x> -->",
        "<script>'<a href=x>'</script>",
        "<script><!-- <script> '<a href=x>' </script> --></script>",
        "<style><a href=x></style>",
        "<textarea><a href=x></textarea>",
        "<title><a href=x></title>",
        "<iframe><a href=x></iframe>",
        "<noframes><a href=x></noframes>",
        "<xmp><a href=x></xmp>",
        "<plaintext><a href=x></plaintext>",
        "<template><a href=x><template></template><a href=x></template>",
        "<script><a href=x>",
        "<![CDATA[<a href=x]]>",
        "<svg><style><![CDATA[ <a href=x> ]]></style></svg>",
        "<svg><text><![CDATA[ > <a href=x> ]]></text></svg>",
        "<p title='<a href=x>'>",
    ] {
        assert_eq!(targets(page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn content_that_is_markup_has_its_links() {
    for page in [
        "<noscript><a href=x></noscript>",
        "<svg><title><a href=x></title></svg>",
        "<svg><title/><a href=x></svg>",
        "<svg><style/></svg><a href=x>",
        "<svg><script/></svg><a href=x>",
        "<svg><p><title></title></p><a href=x>",
        "<svg><foreignObject><title><b></title><a href=x>",
        "<math><mi><title></title></mi></math><a href=x>",
        "</template><a href=x>",
        "<script></script><a href=x>",
        "<script/></script><a href=x>",
        "<title></titl></title ><a href=x>",
        "<textarea></TextArea/><a href=x>",
        "<a/href=x>",
    ] {
        assert_eq!(targets(page), ["x"], "{page}");
    }
}

#[test]
fn the_first_of_equal_attributes_counts() {
    assert_eq!(targets("<a href=x href=y>"), ["x"]);
    assert_eq!(targets("<a HREF=x href=y>"), ["x"]);
}

#[test]
fn targets_are_decoded_and_without_blanks() {
    for (page, target) in [
        ("<a href='?a&amp;b'>", "?a&b"),
        ("<a href=?a&ampb>", "?a&ampb"),
        ("<a href='&#x2f;&#47;&Eacute;'>", "//É"),
        ("<a href='&copy=1'>", "&copy=1"),
        ("<a href='\n x\t'>", "x"),
        ("<a href=é>", "é"),
        ("<a href=a&>", "a&"),
        ("<a href=''>", ""),
        ("<a href='a\r\nb'>", "a\nb"),
        ("<a href='a\0'>", "a\u{fffd}"),
        ("<a href=a/>", "a/"),
    ] {
        assert_eq!(one(page).target, target, "{page}");
    }
}

#[test]
fn lines_and_columns_are_those_of_the_targets() {
    for (page, place) in [
        ("<a href=x>", (1, 9)),
        ("<a href = 'x'>", (1, 12)),
        ("é\n€<a\nhref=\"x\">", (3, 7)),
        ("\r\n\r\n<a href=' x'>", (3, 11)),
        ("<a title='&amp;\r\n' href=x>", (2, 8)),
        ("<a href='&nbsp;x'>", (1, 10)),
        ("<a href='&#32;&#32;x'>", (1, 20)),
        ("\u{feff}<a href=x>", (1, 9)),
        (
            "<meta http-equiv=refresh content='0;&#32;\r\nurl=x'>",
            (2, 5),
        ),
        ("<p style='&quot;&quot;;\r\n\r\nb:url(x)'>", (3, 7)),
        ("<style>\na{b:url( x )}", (2, 10)),
        ("<img srcset='&#x20;\r\nx'>", (2, 1)),
    ] {
        let link = one(page);
        assert_eq!((link.line, link.column), place, "{page}");
    }
    let links = html("<img srcset='a 1x,\n b 2x' src=c><img alt=d src=e>").links;
    let places: Vec<_> = links
        .iter()
        .map(|link| (link.target.as_str(), link.line, link.column))
        .collect();
    assert_eq!(
        places,
        [("a", 1, 14), ("b", 2, 2), ("c", 2, 12), ("e", 2, 29)]
    );
}

#[test]
fn links_have_their_texts() {
    for (page, text) in [
        ("<a href=x> a\n <b>b</b>c </a>d", "a bc"),
        ("<a href=x>&lt;&eacute;</a>", "<é"),
        (
            "<a href=x>a<script>b</script><style>c</style><!--d-->e</a>",
            "ae",
        ),
        ("<a href=x>a", "a"),
        ("<a href=x>a<a>b</a>", "a"),
        ("<a href=x>a<template>b</template>c</a>", "ac"),
        ("<img src=x alt=' a  b'>", "a b"),
        ("<area href=x alt=a>", "a"),
        ("<form action=x>a</form>", ""),
        ("<a href=x><é</a>", "<é"),
    ] {
        assert_eq!(one(page).text, text, "{page}");
    }
    let links = html("<a href=x>a<img src=y alt=b>c</a><a href=z>d</a>").links;
    let texts: Vec<_> = links.iter().map(|link| link.text.as_str()).collect();
    assert_eq!(texts, ["a b c", "b", "d"]);
    let long = "ä".repeat(300);
    assert_eq!(one(&format!("<a href=x>{long}</a>")).text, "ä".repeat(200));
}

#[test]
fn pages_say_what_they_want() {
    let page = html(
        "<title> One\n <b> </title><title>Two</title><svg><title>Three</title></svg>\
         <base target=x><base href=/a/><base href=/b/>\
         <meta name=Robots content='noarchive, NOINDEX'><link rel=canonical href=/c>\
         <a rel='noopener NoFollow' href=d></a><a rel=ugc href=e></a><a rel=sponsored href=f></a><a rel=follow href=g></a>",
    );
    assert_eq!(page.title, "One <b>");
    assert_eq!(page.base.as_deref(), Some("/a/"));
    assert_eq!(page.canonical.as_deref(), Some("/c"));
    assert!(page.no_index && !page.no_follow);
    let nofollow: Vec<_> = page.links.iter().map(|link| link.nofollow).collect();
    assert_eq!(nofollow, [false, true, true, true, false]);
    assert!(html("<meta content=none name=robots>").no_follow);
    assert!(!html("<meta content=none name=other>").no_follow);
}

#[test]
fn bases_are_resolved_against_the_page() {
    let page = url::Url::parse("http://example.com/a/b").unwrap();
    let base = |text: &str| html(text).base_of(&page).to_string();
    assert_eq!(base("<base href=../c/>"), "http://example.com/c/");
    assert_eq!(base("<base href=data:,x>"), page.as_str());
    assert_eq!(base("<base href='http://['>"), page.as_str());
    assert_eq!(base("<template><base href=c></template>"), page.as_str());
}

#[test]
fn anchors_are_ids_and_the_names_of_a() {
    let page = html(
        "<p id=a><a name=b id=c></a><img name=d><template><p id=e></template><svg id=' f '><p id=''>",
    );
    assert_eq!(page.anchors, ["a", "b", "c", "f"]);
}

#[test]
fn pages_alone_are_found_if_no_more_is_wanted() {
    let text = "<title>t</title><p id=a style='b:url(c)'><img src=d><a href=e>f</a><a href='#a'>g</a><style>@import 'h'</style>";
    let page = html_with(text, Wanted::PAGES);
    assert_eq!(page.title, "t");
    assert_eq!(
        (
            page.links.len(),
            page.links[0].target.as_str(),
            page.links[0].text.as_str()
        ),
        (1, "e", "")
    );
    assert!(page.anchors.is_empty());
    // With a base, a fragment alone leads to another page.
    assert_eq!(
        html_with("<base href=/x><a href='#a'>", Wanted::PAGES)
            .links
            .len(),
        1
    );
}

#[test]
fn srcset_with_src_gives_both() {
    let expected = [
        ("a".to_owned(), LinkKind::Image),
        ("b".to_owned(), LinkKind::Srcset),
    ];
    assert_eq!(kinds("<img src=a srcset='b, data:,c 2x'>"), expected);
}
