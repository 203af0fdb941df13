//! What the first bytes of a page say about its encoding: the HTML standard's prescan, and its reading of an XML
//! declaration. A page that ends, or is cut, in the middle of something says nothing by it.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// Returns the encoding that the first `meta` element names that names one.
///
/// As browsers do, and other than in the standard's steps, which know no scripts, the text of a script is passed over.
pub(super) fn meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut cursor = Cursor { bytes, at: 0 };
    loop {
        match cursor.rest() {
            [] => return None,
            // The hyphens of the begin may be those of the end.
            [b'<', b'!', b'-', b'-', ..] => cursor.skip_past(2, b"-->")?,
            [b'<', b'!' | b'?', ..] => cursor.skip_past(2, b">")?,
            [b'<', m, e, t, a, space, ..]
                if [*m, *e, *t, *a].eq_ignore_ascii_case(b"meta")
                    && (is_space(*space) || *space == b'/') =>
            {
                cursor.at += 5;
                if let Some(encoding) = named(&mut cursor)? {
                    return Some(encoding);
                }
            }
            [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => cursor.skip_tag()?,
            [b'<', b'/', ..] => cursor.skip_past(2, b">")?,
            [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                let is_script = is_tag(cursor.rest(), b"<script");
                cursor.skip_tag()?;
                if is_script {
                    cursor.skip_script()?;
                }
            }
            _ => cursor.at += 1,
        }
    }
}

/// Reads the attributes of a `meta` element. Returns the encoding if they name one, and `None` if the bytes end before
/// the element does.
fn named(cursor: &mut Cursor) -> Option<Option<&'static Encoding>> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut is_pragma = false;
    // Whether the label counts only if the element is a pragma, and the encoding, if the label is of one.
    let mut charset: Option<(bool, Option<&'static Encoding>)> = None;
    while let Some((name, value)) = cursor.attribute()? {
        if seen.contains(&name) {
            continue;
        }
        match &*name {
            b"http-equiv" => is_pragma = is_pragma || value == b"content-type",
            b"content" if charset.is_none() => {
                let encoding = content_label(&value).and_then(Encoding::for_label);
                charset = encoding.map(|encoding| (true, Some(encoding)));
            }
            b"charset" => charset = Some((false, Encoding::for_label(&value))),
            _ => {}
        }
        seen.push(name);
    }
    Some(match charset {
        Some((needs_pragma, Some(encoding))) if is_pragma || !needs_pragma => {
            Some(match encoding {
                // Who could read it as ASCII would not have found it in UTF-16.
                it if it == UTF_16BE || it == UTF_16LE => UTF_8,
                it if it == X_USER_DEFINED => WINDOWS_1252,
                it => it,
            })
        }
        _ => None,
    })
}

/// Returns the label behind `charset=` in the attribute `content` of a `meta` element.
fn content_label(content: &[u8]) -> Option<&[u8]> {
    const WORD: &[u8] = b"charset";
    let mut rest = content;
    loop {
        let is_word = |it: &[u8]| it.eq_ignore_ascii_case(WORD);
        let at = rest.windows(WORD.len()).position(is_word)?;
        rest = skip_spaces(&rest[at + WORD.len()..]);
        if let [b'=', value @ ..] = rest {
            rest = skip_spaces(value);
            break;
        }
    }
    match rest {
        [] => None,
        [quote @ (b'"' | b'\''), value @ ..] => {
            let end = value.iter().position(|byte| byte == quote)?;
            Some(&value[..end])
        }
        value => {
            let ends = |&byte: &u8| is_space(byte) || byte == b';';
            Some(&value[..value.iter().position(ends).unwrap_or(value.len())])
        }
    }
}

/// Returns the encoding that an XML declaration at the very begin names.
pub(super) fn declaration(bytes: &[u8]) -> Option<&'static Encoding> {
    const WORD: &[u8] = b"encoding";
    if !bytes.starts_with(b"<?xml") {
        return None;
    }
    let end = bytes.iter().position(|&byte| byte == b'>')?;
    let at = bytes[..end].windows(WORD.len()).position(|it| it == WORD)?;
    let skip = |bytes: &'_ [u8]| bytes.iter().take_while(|&&byte| byte <= b' ').count();
    let rest = &bytes[at + WORD.len()..end];
    let rest = rest[skip(rest)..].strip_prefix(b"=")?;
    let [quote @ (b'"' | b'\''), value @ ..] = &rest[skip(rest)..] else {
        return None;
    };
    let label = &value[..value.iter().position(|byte| byte == quote)?];
    if label.iter().any(|&byte| byte <= b' ') {
        return None;
    }
    match Encoding::for_label(label)? {
        it if it == UTF_16BE || it == UTF_16LE => Some(UTF_8),
        it => Some(it),
    }
}

/// A name and a value, in lower case.
type Attribute = (Vec<u8>, Vec<u8>);

/// A place in the bytes. What it returns is `None` if the bytes end first.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Goes behind the first `end` that begins at least `ahead` bytes ahead.
    fn skip_past(&mut self, ahead: usize, end: &[u8]) -> Option<()> {
        let mut windows = self.rest()[ahead..].windows(end.len());
        self.at += ahead + windows.position(|it| it == end)? + end.len();
        Some(())
    }

    /// Goes from the begin of a tag to its end.
    fn skip_tag(&mut self) -> Option<()> {
        let ends = |&byte: &u8| is_space(byte) || byte == b'>';
        self.at += self.rest().iter().position(ends)?;
        while self.attribute()?.is_some() {}
        Some(())
    }

    /// Goes to the end tag of a script.
    fn skip_script(&mut self) -> Option<()> {
        while !is_tag(self.rest(), b"</script") {
            self.byte()?;
            self.at += 1;
        }
        Some(())
    }

    /// Reads an attribute; `Some(None)` at the end of the tag.
    fn attribute(&mut self) -> Option<Option<Attribute>> {
        while is_space(self.byte()?) || self.byte()? == b'/' {
            self.at += 1;
        }
        if self.byte()? == b'>' {
            return Some(None);
        }
        let begin = self.at;
        // A name may begin with an equals sign.
        self.at += 1;
        while !is_space(self.byte()?) && !matches!(self.byte()?, b'=' | b'/' | b'>') {
            self.at += 1;
        }
        let name = self.bytes[begin..self.at].to_ascii_lowercase();
        self.skip_spaces()?;
        if self.byte()? != b'=' {
            return Some(Some((name, Vec::new())));
        }
        self.at += 1;
        self.skip_spaces()?;
        Some(Some((name, self.value()?.to_ascii_lowercase())))
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let (begin, end);
        match self.byte()? {
            quote @ (b'"' | b'\'') => {
                begin = self.at + 1;
                self.skip_past(1, &[quote])?;
                end = self.at - 1;
            }
            _ => {
                begin = self.at;
                while !is_space(self.byte()?) && self.byte()? != b'>' {
                    self.at += 1;
                }
                end = self.at;
            }
        }
        Some(&self.bytes[begin..end])
    }

    fn skip_spaces(&mut self) -> Option<()> {
        while is_space(self.byte()?) {
            self.at += 1;
        }
        Some(())
    }
}

/// Returns whether a tag with this name begins here; `begin` is `<` or `</`, and the name in lower case.
fn is_tag(bytes: &[u8], begin: &[u8]) -> bool {
    let Some((it, [next, ..])) = bytes.split_at_checked(begin.len()) else {
        return false;
    };
    it.eq_ignore_ascii_case(begin) && (is_space(*next) || matches!(next, b'/' | b'>'))
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&byte| is_space(byte)).count();
    &bytes[spaces..]
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}
