//! A second reading of the standard, by regular expressions, and pages for it.

use fastrand::Rng;
use regex::bytes::{Captures, Regex};
use switchboard_fetch::encoding::Encoding;

/// Reads from the first 1,024 bytes of pages of type `text/html`.
pub(crate) struct Reader {
    comment: Regex,
    meta: Regex,
    tag: Regex,
    script: Regex,
    script_end: Regex,
    bogus: Regex,
    attribute: Regex,
    tag_end: Regex,
    content: Regex,
    declaration: Regex,
    encoding: Regex,
}

impl Reader {
    pub(crate) fn new() -> Reader {
        let regex = |text: &str| Regex::new(&format!("(?s-u){text}")).unwrap();
        Reader {
            comment: regex(r"\A<!--(?:>|->|.*?-->)"),
            meta: regex(r"\A<(?i:meta)[\t\n\f\r /]"),
            tag: regex(r"\A</?[A-Za-z][^\t\n\f\r >]*"),
            script: regex(r"\A<(?i:script)[\t\n\f\r />]"),
            script_end: regex(r"</(?i:script)[\t\n\f\r />]"),
            bogus: regex(r"\A<[!/?][^>]*>"),
            attribute: regex(
                r#"\A[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)[\t\n\f\r ]*(=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r >"'][^\t\n\f\r >]*))?)?"#,
            ),
            tag_end: regex(r"\A[\t\n\f\r /]*>"),
            content: regex(
                r#"(?i:charset)[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|["']|([^\t\n\f\r ;]*))"#,
            ),
            declaration: regex(r"\A<\?xml([^>]*)>"),
            encoding: regex(
                r#"\Aencoding[\x00-\x20]*=[\x00-\x20]*(?:"([^"\x00-\x20]*)"|'([^'\x00-\x20]*)')"#,
            ),
        }
    }

    /// Returns the name of a page's encoding.
    pub(crate) fn sniff(&self, page: &[u8]) -> &'static str {
        let page = &page[..page.len().min(1024)];
        match page {
            [0xEF, 0xBB, 0xBF, ..] => return "UTF-8",
            [0xFE, 0xFF, ..] | [0, b'<', 0, b'?', 0, b'x', ..] => return "UTF-16BE",
            [0xFF, 0xFE, ..] | [b'<', 0, b'?', 0, b'x', 0, ..] => return "UTF-16LE",
            _ => {}
        }
        let found = self.prescan(page).or_else(|| self.declared(page));
        match found.map_or("UTF-8", Encoding::name) {
            "UTF-16BE" | "UTF-16LE" => "UTF-8",
            name => name,
        }
    }

    fn declared(&self, page: &[u8]) -> Option<&'static Encoding> {
        let inside = &self.declaration.captures(page)?[1];
        let at = (0..inside.len()).find(|&at| inside[at..].starts_with(b"encoding"))?;
        Encoding::for_label(group(&self.encoding.captures(&inside[at..])?)?)
    }

    fn prescan(&self, mut rest: &[u8]) -> Option<&'static Encoding> {
        while !rest.is_empty() {
            let length = if rest.starts_with(b"<!--") {
                self.comment.find(rest)?.end()
            } else if let Some(begin) = self.meta.find(rest) {
                let (length, attributes) = self.attributes(rest, begin.end() - 1)?;
                if let Some(encoding) = self.named(&attributes) {
                    return Some(encoding);
                }
                length
            } else if let Some(begin) = self.tag.find(rest) {
                let (length, _) = self.attributes(rest, begin.end())?;
                match self.script.is_match(rest) {
                    true => length + self.script_end.find(&rest[length..])?.start(),
                    false => length,
                }
            } else if matches!(rest, [b'<', b'!' | b'/' | b'?', ..]) {
                self.bogus.find(rest)?.end()
            } else {
                1
            };
            rest = &rest[length..];
        }
        None
    }

    /// Returns the length of the tag, and its attributes.
    #[allow(clippy::type_complexity)]
    fn attributes(&self, tag: &[u8], mut at: usize) -> Option<(usize, Vec<(String, String)>)> {
        let mut all: Vec<(String, String)> = Vec::new();
        loop {
            let rest = &tag[at..];
            if let Some(end) = self.tag_end.find(rest) {
                return Some((at + end.end(), all));
            }
            let found = self.attribute.captures(rest)?;
            at += found[0].len();
            // It may go on behind the end.
            let next = tag.get(at)?;
            let text = |bytes: &[u8]| -> String {
                let lower = bytes.to_ascii_lowercase();
                lower.into_iter().map(char::from).collect()
            };
            let value = (3..6).find_map(|n| found.get(n)).map(|it| it.as_bytes());
            if found.get(2).is_some() && value.is_none() && b"\"'".contains(next) {
                // The quote has no end.
                return None;
            }
            let name = text(&found[1]);
            if !all.iter().any(|(other, _)| *other == name) {
                all.push((name, text(value.unwrap_or_default())));
            }
        }
    }

    fn named(&self, attributes: &[(String, String)]) -> Option<&'static Encoding> {
        let value = |name: &str| {
            let place = attributes.iter().position(|(it, _)| it == name)?;
            Some((place, latin1(&attributes[place].1)))
        };
        let charset = value("charset");
        let content = value("content").and_then(|(place, content)| {
            let found = self.content.captures(&content)?;
            Some((place, Encoding::for_label(group(&found)?)?))
        });
        let is_pragma = value("http-equiv").is_some_and(|(_, it)| it == b"content-type");
        let encoding = match (charset, content) {
            (Some((_, label)), _) => Encoding::for_label(&label)?,
            (None, Some((_, encoding))) if is_pragma => encoding,
            _ => return None,
        };
        match encoding.name() {
            "x-user-defined" => Encoding::for_label(b"windows-1252"),
            _ => Some(encoding),
        }
    }
}

/// Returns the first group that took part in a match.
fn group<'a>(found: &Captures<'a>) -> Option<&'a [u8]> {
    (1..found.len())
        .find_map(|n| found.get(n))
        .map(|it| it.as_bytes())
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

/// Returns a page of pieces that matter, with some bytes changed.
pub(crate) fn page(rng: &mut Rng) -> Vec<u8> {
    const PIECES: &[&str] = &[
        "<meta ",
        "<META/",
        "<meta",
        "charset",
        "=",
        " = ",
        "gbk",
        "big5",
        "utf-16",
        "none",
        "\"",
        "'",
        ">",
        "/",
        " ",
        "\n",
        ";",
        "http-equiv=content-type ",
        "http-equiv='content-type'",
        "content=",
        "content='text/html;charset=",
        "x-user-defined",
        "<!--",
        "-->",
        "--",
        "<!",
        "</",
        "<?",
        "?>",
        "<p ",
        "</p ",
        "<script",
        "<script>",
        "</script>",
        "</script",
        "<?xml ",
        "encoding=",
        "encoding='koi8-r'",
        "<meta charset=gbk>",
        "<meta charset='big5' ",
        "a",
        "=a",
        "a=",
        "\0",
        "<\0?\0x\0",
        "text",
    ];
    let mut page = Vec::new();
    if rng.u8(..4) == 0 {
        page.extend_from_slice(b"<?xml version='1.0' ");
    }
    for _ in 0..rng.usize(1..24) {
        page.extend_from_slice(rng.choice(PIECES).unwrap().as_bytes());
    }
    match rng.u8(..8) {
        0 => page.iter_mut().for_each(|byte| {
            if rng.u8(..16) == 0 {
                *byte = rng.u8(..);
            }
        }),
        1 => page.resize_with(rng.usize(900..1200), || rng.u8(..)),
        2 => {
            let blanks = vec![b' '; rng.usize(900..1100)];
            let at = rng.usize(..=page.len());
            page.splice(at..at, blanks);
        }
        _ => {}
    }
    page
}
