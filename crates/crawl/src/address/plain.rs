//! Joins for the links that most pages have: plain characters, and hosts in plain letters. They take a fraction of
//! what the URL standard's parser takes, which gives the same; a test compares them.

use url::{Position, Url};

/// The address, where its path begins, and the fragment; `None` if the standard's parser has to look at it.
pub(super) fn join(base: &Url, text: &str) -> Option<(String, usize, Option<String>)> {
    let absolute = absolute(text);
    let (origin, text) = absolute.unwrap_or((&base[..Position::BeforePath], text));
    let (text, fragment) = divide(text, b'#');
    let (path, query) = divide(text, b'?');
    let is_plain =
        all(path, PATH) && all(query.unwrap_or(""), QUERY) && all(fragment.unwrap_or(""), FRAGMENT);
    if !is_plain || absolute.is_none() && (path.starts_with("//") || !is_plain_base(base)) {
        return None;
    }

    let mut out = String::with_capacity(base.as_str().len() + origin.len() + text.len());
    out.push_str(origin);
    let mut query = query;
    match path.strip_prefix('/') {
        Some(path) => {
            out.push('/');
            push_segments(&mut out, origin.len(), path);
        }
        None if absolute.is_some() => out.push('/'),
        None if path.is_empty() => {
            out.push_str(base.path());
            query = query.or(base.query());
        }
        None => {
            out.push_str(&base.path()[..=base.path().rfind('/')?]);
            push_segments(&mut out, origin.len(), path);
        }
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        out.push('?');
        out.push_str(query);
    }
    Some((out, origin.len(), fragment.map(str::to_owned)))
}

/// Divides an absolute URL behind its host, if that is a name as it is written in an address.
fn absolute(text: &str) -> Option<(&str, &str)> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A last label that begins with a digit may be part of an IPv4 address.
    let is_name = |label: &str| !label.is_empty() && !label.starts_with("xn--");
    let is_plain = host
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && host.split('.').all(is_name)
        && host
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.starts_with(|c: char| c.is_ascii_digit()));
    is_plain.then(|| text.split_at(text.len() - rest.len() + host.len()))
}

/// Appends segments to a path that ends with a slash; `root` is where the path begins.
fn push_segments(out: &mut String, root: usize, path: &str) {
    let mut rest = Some(path);
    while let Some(path) = rest {
        let (segment, behind) = divide(path, b'/');
        rest = behind;
        match segment {
            "." => {}
            ".." => {
                let parent = &out.as_bytes()[root..out.len() - 1];
                let slash = parent.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(root + slash + 1);
            }
            name => {
                out.push_str(name);
                if rest.is_some() {
                    out.push('/');
                }
            }
        }
    }
}

/// The text before a byte of ASCII, and that behind it. `split_once` takes more for texts as short as these.
fn divide(text: &str, byte: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|other| other == byte) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Whether a URL needs no normalising but that of its parser.
fn is_plain_base(base: &Url) -> bool {
    matches!(base.scheme(), "http" | "https")
        && !base[Position::BeforeUsername..Position::BeforeHost].contains('@')
        && !base.host_str().is_some_and(|host| host.ends_with('.'))
        && !base[Position::BeforePath..Position::AfterQuery].contains('%')
}

const PATH: u8 = 1;
const QUERY: u8 = 2;
const FRAGMENT: u8 = 4;

/// The parts of a URL in which each byte stands as it is, whatever stands around it.
const PARTS: [u8; 256] = {
    let mut parts = [0; 256];
    let (everywhere, behind_path, fragment) = (b"-._~/!$&()*+,;=@", b"?:", b"%'[]");
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            parts[byte] = PATH | QUERY | FRAGMENT;
        }
        byte += 1;
    }
    let mut i = 0;
    while i < everywhere.len() {
        parts[everywhere[i] as usize] = PATH | QUERY | FRAGMENT;
        i += 1;
    }
    i = 0;
    while i < behind_path.len() {
        parts[behind_path[i] as usize] = QUERY | FRAGMENT;
        i += 1;
    }
    i = 0;
    while i < fragment.len() {
        parts[fragment[i] as usize] = FRAGMENT;
        i += 1;
    }
    parts
};

fn all(text: &str, part: u8) -> bool {
    text.bytes()
        .fold(part, |parts, byte| parts & PARTS[usize::from(byte)])
        != 0
}
