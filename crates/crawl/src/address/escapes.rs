//! Percent-escapes in one form.

/// Appends a path or a query to `out`, with its escapes normalised.
pub(super) fn push_normalised(out: &mut String, part: &str) {
    let mut rest = part;
    // Where in `out` the last `%` is that begins no escape.
    let mut bare = None;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(byte) = escape(rest.as_bytes()) else {
            bare = Some(out.len());
            out.push('%');
            rest = &rest[1..];
            continue;
        };
        let would_complete = bare.is_some_and(|bare| out.len() - bare <= 2);
        if is_unreserved(byte) && !would_complete {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(rest[1..3].chars().map(|digit| digit.to_ascii_uppercase()));
        }
        rest = &rest[3..];
    }
    out.push_str(rest);
}

/// The byte that an escape at the begin of `text` stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
