//! Texts of others, made harmless: names of models, errors and machines are data.

use std::borrow::Cow;

/// Returns a text without control characters and without characters that turn or hide others: they are written out.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if c.is_control() => written.extend(c.escape_debug()),
            c if is_harmful(c) => written.extend(c.escape_unicode()),
            c => written.push(c),
        }
    }
    Cow::Owned(written)
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61C}'
                | '\u{200B}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_obey_is_written_out() {
        assert_eq!(harmless("tasks/é"), "tasks/é");
        assert_eq!(harmless("\x1b[2J\n\u{202e}x"), "\\u{1b}[2J\\n\\u{202e}x");
    }
}
