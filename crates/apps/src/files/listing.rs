//! The list of a folder's files.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};
use rustix::io::Errno;
use serde::Serialize;
use switchboard_http::Body;
use switchboard_runtime::run_blocking;

use crate::date::timestamp;

use super::folder::Opened;
use super::path::Target;
use super::{Files, accept, join, page, plain};

/// The most files that are listed: reading a folder costs the server more than asking for it costs a client.
const LIMIT: usize = 10_000;

/// A file of a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_folder: bool,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
}

/// The files of a folder.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) list: Vec<Entry>,
    /// Whether there are more.
    pub(super) cut: bool,
}

/// By which column a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Size,
    Time,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: Column,
    pub(super) descending: bool,
}

impl Order {
    /// Reads `sort=name|size|time` and `order=asc|desc` in a query.
    fn of(query: Option<&str>) -> Order {
        let mut order = Order {
            column: Column::Name,
            descending: false,
        };
        for item in query.unwrap_or_default().split('&') {
            match item {
                "sort=size" => order.column = Column::Size,
                "sort=time" => order.column = Column::Time,
                "order=desc" => order.descending = true,
                _ => {}
            }
        }
        order
    }

    /// Compares files: folders come first, and those that are equal are in the order of their names.
    fn compare(self, one: &Entry, other: &Entry) -> Ordering {
        let by_column = match self.column {
            Column::Name => Ordering::Equal,
            Column::Size => one.length.cmp(&other.length),
            Column::Time => one.modified.cmp(&other.modified),
        };
        let lower = |entry: &Entry| entry.name.to_ascii_lowercase();
        let by_name = || {
            lower(one)
                .cmp(&lower(other))
                .then_with(|| one.name.cmp(&other.name))
        };
        let compared = by_column.then_with(by_name);
        let compared = if self.descending {
            compared.reverse()
        } else {
            compared
        };
        other.is_folder.cmp(&one.is_folder).then(compared)
    }
}

impl Files {
    /// Returns the answer that lists a folder.
    pub(super) async fn list(
        &self,
        head: &Parts,
        target: &Target<'_>,
        folder: Opened,
    ) -> Response<Body> {
        let order = Order::of(head.uri.query());
        let json = accept::wants_json(&head.headers);
        let (files, path) = (self.clone(), target.path.to_vec());
        let job = move || -> Result<String, Errno> {
            let mut entries = files.entries(&path, &folder)?;
            entries.list.sort_by(|one, other| order.compare(one, other));
            Ok(match json {
                true => as_json(&path, &entries),
                false => page::html(&path, &entries, order),
            })
        };
        let text = match run_blocking(job).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return self.explain(head, target, error.into()),
            Err(error) => return self.fail(head, StatusCode::INTERNAL_SERVER_ERROR, &error),
        };
        let length = text.len();
        let mut response = match head.method == Method::HEAD {
            true => Response::new(Body::empty()),
            false => Response::new(Body::from(text)),
        };
        let headers = response.headers_mut();
        let kind = match json {
            true => "application/json",
            false => "text/html; charset=utf-8",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from(ACCEPT));
        // A page that is made of names which others chose runs no script, whatever is in them.
        let policy =
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        response
    }

    /// Reads a folder: what can be asked for, and so no hidden names, pipes, absolute links and links that
    /// leave.
    fn entries(&self, path: &[u8], folder: &Opened) -> Result<Entries, Errno> {
        let mut entries = Entries::default();
        for entry in Dir::read_from(&folder.file)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || (name.starts_with(b".") && !self.0.options.hidden) {
                continue;
            }
            let stat = match entry.file_type() {
                FileType::Symlink | FileType::Unknown => self.0.folder.stat(&join(path, name)),
                _ => statat(&folder.file, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW),
            };
            let Some(entry) = stat.ok().and_then(|stat| Entry::of(name, &stat)) else {
                continue;
            };
            if entries.list.len() == LIMIT {
                entries.cut = true;
                break;
            }
            entries.list.push(entry);
        }
        Ok(entries)
    }
}

impl Entry {
    fn of(name: &[u8], stat: &Stat) -> Option<Entry> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
        let seconds = (stat.st_mtime as i64).max(0).unsigned_abs();
        matches!(kind, FileType::RegularFile | FileType::Directory).then(|| Entry {
            name: name.to_vec(),
            is_folder: kind == FileType::Directory,
            length: stat.st_size.unsigned_abs(),
            modified: UNIX_EPOCH + Duration::from_secs(seconds),
        })
    }

    /// Returns where the file is, relative to its folder. A name with a colon is not taken for a scheme.
    pub(super) fn href(&self) -> String {
        let slash = if self.is_folder { "/" } else { "" };
        format!("./{}{slash}", plain::encode(&self.name))
    }
}

#[derive(Serialize)]
struct JsonList<'a> {
    path: String,
    complete: bool,
    entries: Vec<JsonEntry<'a>>,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    name: Cow<'a, str>,
    href: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    modified: String,
}

fn as_json(path: &[u8], entries: &Entries) -> String {
    let list = entries.list.iter().map(|entry| JsonEntry {
        name: String::from_utf8_lossy(&entry.name),
        href: entry.href(),
        kind: if entry.is_folder { "directory" } else { "file" },
        size: (!entry.is_folder).then_some(entry.length),
        modified: timestamp(entry.modified),
    });
    let list = JsonList {
        path: format!("/{}", String::from_utf8_lossy(path)),
        complete: !entries.cut,
        entries: list.collect(),
    };
    // Strings and numbers can always be written.
    serde_json::to_string(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, is_folder: bool, length: u64, seconds: u64) -> Entry {
        Entry {
            name: name.into(),
            is_folder,
            length,
            modified: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn folders_come_first_in_every_order() {
        for (query, expected) in [
            ("", ["sub", "a", "B"]),
            ("sort=name&order=desc", ["sub", "B", "a"]),
            ("sort=size", ["sub", "B", "a"]),
            ("sort=size&order=desc", ["sub", "a", "B"]),
            ("sort=time", ["sub", "a", "B"]),
            ("sort=nonsense&order=desc", ["sub", "B", "a"]),
        ] {
            let mut list = [
                entry("B", false, 1, 9),
                entry("a", false, 5, 3),
                entry("sub", true, 9, 9),
            ];
            let order = Order::of(Some(query));
            list.sort_by(|one, other| order.compare(one, other));
            let names = list
                .iter()
                .map(|entry| String::from_utf8_lossy(&entry.name));
            assert_eq!(names.collect::<Vec<_>>(), expected, "{query}");
        }
    }

    #[test]
    fn names_are_encoded_and_never_a_scheme() {
        assert_eq!(
            entry("a b?#%.txt", false, 0, 0).href(),
            "./a%20b%3F%23%25.txt"
        );
        assert_eq!(
            entry("javascript:alert(1)", false, 0, 0).href(),
            "./javascript%3Aalert%281%29"
        );
        assert_eq!(entry("é", true, 0, 0).href(), "./%C3%A9/");
    }
}
