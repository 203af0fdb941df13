use super::*;

fn links(text: &str) -> Vec<(String, LinkKind)> {
    feed(text)
        .links
        .into_iter()
        .map(|link| (link.target, link.kind))
        .collect()
}

fn of(target: &str, kind: LinkKind) -> (String, LinkKind) {
    (target.to_owned(), kind)
}

#[test]
fn rss_has_links_in_texts() {
    let text = "<?xml version='1.0'?><rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel>\
         <title>A &amp; <![CDATA[B]]></title><link>http://a/</link><atom:link rel='self' href='http://a/rss'/>\
         <item><title>C</title><link> http://a/1?b&amp;c\n</link><guid>http://a/g</guid><comments>http://a/c</comments>\
         <enclosure url='http://a/m.mp3' type='audio/mpeg'/></item>\
         <item><guid isPermaLink='false'>http://a/no</guid></item><item><guid>tag:no</guid></item></channel></rss>";
    assert_eq!(feed(text).title, "A & B");
    assert_eq!(
        links(text),
        [
            of("http://a/", LinkKind::Page),
            of("http://a/rss", LinkKind::Feed),
            of("http://a/1?b&c", LinkKind::Page),
            of("http://a/g", LinkKind::Page),
            of("http://a/c", LinkKind::Page),
            of("http://a/m.mp3", LinkKind::Media),
        ]
    );
}

#[test]
fn atom_has_links_in_attributes() {
    let text = "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://a/b/'><title type='text'>T</title>\n\
         <link rel='next' href='?2'/><entry><link href='1?x&amp;y'/><link rel='edit' href='e'/>\
         <content type='xhtml'><div><a href='no'>x</a></div></content></entry>\
         <entry><link rel='enclosure' href='m'/><content src='c'/></entry><logo>l</logo></feed>";
    let document = feed(text);
    assert_eq!(document.base.as_deref(), Some("http://a/b/"));
    assert_eq!(document.title, "T");
    assert_eq!((document.links[0].line, document.links[0].column), (2, 24));
    assert_eq!(
        links(text),
        [
            of("?2", LinkKind::Feed),
            of("1?x&y", LinkKind::Page),
            of("e", LinkKind::Relation),
            of("m", LinkKind::Media),
            of("c", LinkKind::Media),
            of("l", LinkKind::Image),
        ]
    );
}

#[test]
fn damaged_feeds_give_what_stands_before() {
    assert_eq!(
        links("<rss><channel><link>a</link><item><link>b"),
        [of("a", LinkKind::Page)]
    );
    assert!(links("").is_empty());
    assert!(links("<html><a href='x'/></html>").is_empty());
}
