//! Where `<meta http-equiv=refresh>` leads to, as the HTML standard parses its `content`.

use super::is_blank;

/// The offset and the text of the URL; `None` if the page is to be loaded again, or nothing at all.
pub(super) fn target(content: &str) -> Option<(usize, &str)> {
    let rest = content.trim_start_matches(is_blank);
    let behind_time = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if behind_time.len() == rest.len() && !rest.starts_with('.') {
        return None;
    }
    let rest = behind_time.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !rest.starts_with(|c| is_blank(c) || matches!(c, ';' | ',')) {
        return None;
    }
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest
        .strip_prefix([';', ','])
        .unwrap_or(rest)
        .trim_start_matches(is_blank);
    let rest = named(rest).unwrap_or(rest);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
    let url = &rest[..quote
        .and_then(|quote| rest.find(quote))
        .unwrap_or(rest.len())];
    (!url.is_empty()).then_some((content.len() - rest.len(), url))
}

/// What is behind `url =`.
fn named(text: &str) -> Option<&str> {
    let name = text
        .get(..3)
        .filter(|name| name.eq_ignore_ascii_case("url"))?;
    let rest = text[name.len()..]
        .trim_start_matches(is_blank)
        .strip_prefix('=')?;
    Some(rest.trim_start_matches(is_blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_browsers() {
        for (content, expected) in [
            ("5; url=/next", Some((7, "/next"))),
            ("0;URL = 'a b'c", Some((9, "a b"))),
            ("0,url=\"x", Some((7, "x"))),
            ("1.5 ;/plain", Some((5, "/plain"))),
            (".5;url", Some((3, "url"))),
            ("0 urls", Some((2, "urls"))),
            ("0; 'quoted'", Some((4, "quoted"))),
            ("5", None),
            ("5;", None),
            ("; url=x", None),
            ("5x; url=x", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(target(content), expected, "{content}");
        }
    }
}
