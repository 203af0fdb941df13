//! The links of style sheets: `url()`, `@import` and `image-set()`, by the tokens of CSS Syntax 3.

use super::places::Places;
use super::{Link, LinkKind, is_data};
use escapes::{escape_length, is_name, unescape};
use std::borrow::Cow;

mod escapes;

/// Finds the links of a style sheet, or of the value of a `style` attribute.
///
/// What stands in comments and in other strings is none, nor are `@namespace` and targets like `#filter`, which
/// are in the same document.
///
/// ```
/// use switchboard_crawl::{LinkKind, links::css};
///
/// let links = css("@import 'a.css';\nb { background: url( c.png ) }");
/// assert_eq!((links[0].target.as_str(), links[0].kind), ("a.css", LinkKind::Import));
/// assert_eq!((links[1].target.as_str(), links[1].line, links[1].column), ("c.png", 2, 22));
/// ```
pub fn css(text: &str) -> Vec<Link> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut places = Places::new(text);
    let mut links = Vec::new();
    scan(text, |offset, target, kind| {
        let (line, column) = places.at(offset);
        let (target, text) = (target.into_owned(), String::new());
        links.push(Link {
            target,
            line,
            column,
            kind,
            nofollow: false,
            text,
        });
    });
    links
}

/// Calls `found` with the offset, the text and the kind of each target.
pub(super) fn scan<'a>(text: &'a str, found: impl FnMut(usize, Cow<'a, str>, LinkKind)) {
    Scanner {
        text,
        at: 0,
        rule: Rule::Other,
        sets: Sets::default(),
        found,
    }
    .run();
}

/// What the strings and URLs of a statement are.
#[derive(PartialEq)]
enum Rule {
    Import,
    Namespace,
    Other,
}

/// Which of the open parentheses are those of `image-set()`; at most 64 are told apart.
#[derive(Default)]
struct Sets {
    depth: u32,
    bits: u64,
}

impl Sets {
    fn open(&mut self, is_set: bool) {
        if self.depth < u64::BITS {
            let bit = 1 << self.depth;
            self.bits = if is_set {
                self.bits | bit
            } else {
                self.bits & !bit
            };
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn is_within(&self) -> bool {
        (1..=u64::BITS).contains(&self.depth) && self.bits >> (self.depth - 1) & 1 == 1
    }
}

struct Scanner<'a, F> {
    text: &'a str,
    at: usize,
    rule: Rule,
    sets: Sets,
    found: F,
}

impl<'a, F: FnMut(usize, Cow<'a, str>, LinkKind)> Scanner<'a, F> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'/' if self.peek(1) == Some(b'*') => self.skip_comment(),
                b'"' | b'\'' => self.string_alone(byte),
                b'@' => self.at_keyword(),
                b'#' | b'0'..=b'9' => {
                    self.at += 1;
                    self.name();
                }
                b'(' => {
                    self.at += 1;
                    self.sets.open(false);
                }
                b')' => {
                    self.at += 1;
                    self.sets.close();
                }
                b';' | b'{' | b'}' => {
                    self.at += 1;
                    self.rule = Rule::Other;
                    self.sets = Sets::default();
                }
                _ if is_name(byte) => self.name_or_function(),
                _ => self.at += 1,
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_comment(&mut self) {
        let from = self.at + 2;
        self.at = self.text[from..]
            .find("*/")
            .map_or(self.text.len(), |end| from + end + 2);
    }

    fn skip_blanks(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// A string that is no argument of `url()`.
    fn string_alone(&mut self, quote: u8) {
        let (offset, text) = self.string(quote);
        match self.rule {
            Rule::Import => {
                self.rule = Rule::Other;
                self.tell(offset, text, LinkKind::Import);
            }
            Rule::Other if self.sets.is_within() => self.tell(offset, text, LinkKind::Css),
            Rule::Namespace | Rule::Other => {}
        }
    }

    fn at_keyword(&mut self) {
        self.at += 1;
        let name = self.name();
        self.rule = match &*name {
            name if name.eq_ignore_ascii_case("import") => Rule::Import,
            name if name.eq_ignore_ascii_case("namespace") => Rule::Namespace,
            _ => Rule::Other,
        };
    }

    fn name_or_function(&mut self) {
        let name = self.name();
        if self.peek(0) != Some(b'(') {
            return;
        }
        self.at += 1;
        if name.eq_ignore_ascii_case("url") || name.eq_ignore_ascii_case("src") {
            self.url(name.eq_ignore_ascii_case("url"));
        } else {
            let name = name.strip_prefix("-webkit-").unwrap_or(&name);
            self.sets.open(name.eq_ignore_ascii_case("image-set"));
        }
    }

    /// What is behind `url(` or `src(`. Only the first takes a target without quotes.
    fn url(&mut self, may_be_bare: bool) {
        self.skip_blanks();
        let (offset, target) = match self.peek(0) {
            Some(quote @ (b'"' | b'\'')) => {
                let string = self.string(quote);
                self.sets.open(false);
                string
            }
            _ if may_be_bare => match self.bare_url() {
                Some(url) => url,
                None => return,
            },
            _ => return self.sets.open(false),
        };
        let kind = match self.rule {
            Rule::Import => LinkKind::Import,
            Rule::Other => LinkKind::Css,
            Rule::Namespace => return,
        };
        self.rule = Rule::Other;
        self.tell(offset, target, kind);
    }

    /// A target without quotes, up to its parenthesis; none if a character in it needs quotes.
    fn bare_url(&mut self) -> Option<(usize, Cow<'a, str>)> {
        let from = self.at;
        let mut end = None;
        let mut is_bad = false;
        while let Some(byte) = self.peek(0).filter(|byte| *byte != b')') {
            if byte.is_ascii_whitespace() {
                end = end.or(Some(self.at));
                self.at += 1;
                continue;
            }
            is_bad |=
                end.is_some() || matches!(byte, b'"' | b'\'' | b'(' | 0..=8 | 11 | 14..=31 | 127);
            if self.is_escape() {
                self.skip_escape();
            } else {
                is_bad |= byte == b'\\';
                self.at += 1;
            }
        }
        let end = end.unwrap_or(self.at);
        self.at += usize::from(self.at < self.text.len());
        (!is_bad).then(|| (from, unescape(&self.text[from..end])))
    }

    /// A string from its quote on. A line feed ends it, and it is none then.
    fn string(&mut self, quote: u8) -> (usize, Cow<'a, str>) {
        let from = self.at + 1;
        self.at = from;
        while let Some(byte) = self.peek(0).filter(|byte| *byte != quote) {
            match byte {
                b'\n' => return (from, Cow::Borrowed("")),
                b'\\' if self.is_escape() => self.skip_escape(),
                b'\\' => {
                    let behind = &self.text[self.at + 1..];
                    self.at += 1 + if behind.starts_with("\r\n") {
                        2
                    } else {
                        behind.len().min(1)
                    };
                }
                _ => self.at += 1,
            }
        }
        let end = self.at;
        self.at += usize::from(end < self.text.len());
        (from, unescape(&self.text[from..end]))
    }

    /// A name, decoded; it may be empty. A backslash that begins no escape is passed over.
    fn name(&mut self) -> Cow<'a, str> {
        let from = self.at;
        while let Some(byte) = self.peek(0).filter(|byte| is_name(*byte)) {
            if byte != b'\\' {
                self.at += 1;
            } else if self.is_escape() {
                self.skip_escape();
            } else {
                self.at += usize::from(self.at == from);
                break;
            }
        }
        unescape(&self.text[from..self.at])
    }

    /// Whether an escape begins here: no line feed can be escaped but in a string.
    fn is_escape(&self) -> bool {
        self.peek(0) == Some(b'\\') && !matches!(self.peek(1), None | Some(b'\n' | b'\r'))
    }

    fn skip_escape(&mut self) {
        let behind = &self.text[self.at + 1..];
        self.at += 1 + escape_length(behind);
    }

    fn tell(&mut self, offset: usize, target: Cow<'a, str>, kind: LinkKind) {
        let is_nothing = target.is_empty() || target.starts_with('#') || is_data(&target);
        if !is_nothing {
            (self.found)(offset, target, kind);
        }
    }
}

#[cfg(test)]
mod tests;
