//! From the path of a URL to names of files.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The name below the folder that is not hidden although it begins with a dot: RFC 8615 makes it public.
const WELL_KNOWN: &[u8] = b".well-known";

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Target<'a> {
    /// Names of files with slashes between them; empty for the folder itself.
    pub(super) path: Cow<'a, [u8]>,
    /// Whether the URL ends with a slash, and so asks for a folder.
    pub(super) is_folder: bool,
}

impl Target<'_> {
    /// Returns the last name.
    pub(super) fn name(&self) -> &[u8] {
        let slash = self.path.iter().rposition(|byte| *byte == b'/');
        &self.path[slash.map_or(0, |at| at + 1)..]
    }
}

/// Returns what `path` asks for: dots and percent-encoded bytes mean what the URL standard says, and empty
/// names are left out. `None` if no file can have such a name, and for hidden names unless `hidden`.
pub(super) fn parse(path: &str, hidden: bool) -> Option<Target<'_>> {
    let path = path.strip_prefix('/')?;
    if is_plain(path) {
        let is_folder = path.is_empty() || path.ends_with('/');
        let path = path.strip_suffix('/').unwrap_or(path).as_bytes();
        let path = Cow::Borrowed(path);
        return Some(Target { path, is_folder });
    }
    let mut names: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut is_folder = true;
    for name in path.split('/') {
        is_folder = true;
        match name {
            "" => {}
            _ if is_dots(name, 1) => {}
            _ if is_dots(name, 2) => drop(names.pop()),
            _ => {
                is_folder = false;
                names.push(percent_decode_str(name).into());
            }
        }
    }
    let is_allowed = |(at, name): (usize, &Cow<'_, [u8]>)| {
        let is_hidden = name.starts_with(b".") && !(at == 0 && **name == *WELL_KNOWN);
        (hidden || !is_hidden) && !name.contains(&b'/') && !name.contains(&0)
    };
    let allowed = names.iter().enumerate().all(is_allowed);
    allowed.then(|| Target {
        path: names.join(&b'/').into(),
        is_folder,
    })
}

/// Returns whether the bytes of `path` are the names of files as they are.
fn is_plain(path: &str) -> bool {
    let mut before = b'/';
    path.bytes().all(|byte| {
        let special = byte == b'%' || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        !special
    })
}

/// Returns whether a name is `count` dots, each of which may be written as `%2e`.
fn is_dots(name: &str, count: usize) -> bool {
    let mut rest = name;
    for _ in 0..count {
        let Some(after) = ["%2e", "%2E", "."]
            .iter()
            .find_map(|dot| rest.strip_prefix(dot))
        else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, bool)>) {
        let found = parse(path, false);
        let found = found.map(|it| (String::from_utf8_lossy(&it.path).into_owned(), it.is_folder));
        assert_eq!(
            found,
            expected.map(|(it, folder)| (it.to_owned(), folder)),
            "{path}"
        );
    }

    #[test]
    fn paths_mean_what_the_url_standard_says() {
        check("/", Some(("", true)));
        check("/a/b.txt", Some(("a/b.txt", false)));
        check("/a/b/", Some(("a/b", true)));
        check("/a%20b/%C3%A9", Some(("a b/é", false)));
        check("/a/./b/../c", Some(("a/c", false)));
        check("/a/%2e/b/%2E%2e/c", Some(("a/c", false)));
        check("/a/.%2e", Some(("", true)));
        check("/../../etc/passwd", Some(("etc/passwd", false)));
        check("/%2e%2e/%2e%2e/etc/passwd", Some(("etc/passwd", false)));
        check("/a/..", Some(("", true)));
        check("/a/.", Some(("a", true)));
        check("//a//b", Some(("a/b", false)));
        // What is no code stays as it is, and is decoded once.
        check("/100%/%zz", Some(("100%/%zz", false)));
        check("/a%252e", Some(("a%2e", false)));
    }

    #[test]
    fn names_that_no_file_has_are_not_found() {
        check("/a%2fb", None);
        check("/..%2f..%2fetc", None);
        check("/a%00.txt", None);
        check("*", None);
    }

    #[test]
    fn hidden_names_are_not_found() {
        check("/.git/config", None);
        check("/%2egit", None);
        check("/a/.env", None);
        check("/a/.well-known/x", None);
        check(
            "/.well-known/security.txt",
            Some((".well-known/security.txt", false)),
        );
        assert!(parse("/.git/config", true).is_some());
        check("/...", None);
    }
}
