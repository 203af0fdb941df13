use super::*;

fn targets(text: &str) -> Vec<String> {
    css(text).into_iter().map(|link| link.target).collect()
}

#[test]
fn each_form_of_a_url_is_found() {
    for (text, expected) in [
        ("a{background:url(b.png)}", "b.png"),
        ("a{background:url( 'b c.png' ) }", "b c.png"),
        ("a{background:URL(\"b)c\")}", "b)c"),
        ("a{background:u\\72 l(b)}", "b"),
        ("@font-face{src:local('no'),url(b) format('woff')}", "b"),
        ("a{background:url(b\\)\\26 c)}", "b)&c"),
        ("@import 'b' layer(x) supports(display: grid);", "b"),
        ("@IMPORT url(b) screen;", "b"),
        ("a{background:image-set('b' type('image/png'))}", "b"),
        ("a{background:-webkit-image-set(url(b) 1x)}", "b"),
        ("a{background:src('b')}", "b"),
        ("a{background:url(b", "b"),
        ("a{background:url('b", "b"),
        ("a{b:1url(c);d:url(b)}", "b"),
        ("a{b:'\\'url(no)';c:url(b)}", "b"),
        ("a{b:url('x\\\ny')}", "xy"),
    ] {
        assert_eq!(targets(text), [expected], "{text}");
    }
}

#[test]
fn what_only_looks_like_a_url_is_none() {
    for text in [
        "/* url(a) */",
        "a{b:'url(a)'}",
        "a{b:curl(a)}",
        "a{b:url(a b)}",
        "a{b:url(a'b)}",
        "a{b:url(#c)}",
        "a{b:url(data:image/png;base64,AA)}",
        "a{b:url()}",
        "@namespace svg url(http://www.w3.org/2000/svg);",
        "@namespace 'http://www.w3.org/2000/svg';",
        "@charset 'utf-8';",
        "a{b:'url(x\n}",
        "/* url(a)",
        "url\\",
        "\\",
    ] {
        assert_eq!(targets(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_statement_ends_what_an_import_began() {
    assert_eq!(targets("@import; a{b:'c'}"), Vec::<String>::new());
    assert_eq!(targets("a{b:image-set('c'; d:'e'}"), ["c"]);
}

#[test]
fn lines_and_columns_are_those_of_the_targets() {
    let links = css("\u{feff}a{b:url(c)}\r\n/*é*/ d{e:url(\n  'f')}");
    let places: Vec<_> = links
        .iter()
        .map(|link| (link.target.as_str(), link.line, link.column))
        .collect();
    assert_eq!(places, [("c", 1, 9), ("f", 3, 4)]);
}
