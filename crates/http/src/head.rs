//! The end of a request's head.

/// Returns whether `bytes`, the first of a connection, hold a whole request head: whether an empty line
/// is among them. For servers that run a handler only once it has something to do.
///
/// ```
/// use switchboard_http::has_head;
///
/// assert!(!has_head(b"GET / HTTP/1.1\r\nHost: example.org\r\n"));
/// assert!(has_head(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
/// ```
pub fn has_head(bytes: &[u8]) -> bool {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // The bytes after the last end of line are not a line yet.
    lines.next_back();
    // Empty lines before the request are allowed, and are not its end.
    lines
        .skip_while(|line| line.is_empty())
        .any(<[u8]>::is_empty)
}
