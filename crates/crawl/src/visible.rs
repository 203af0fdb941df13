//! Texts of others, made harmless.

use std::borrow::Cow;

/// Returns a text without anything that a terminal would obey, and without characters that are known to hide or to turn
/// letters: they are written out. Letters that look alike stay. Line feeds are too, unless `keeps_lines`.
///
/// ```
/// use switchboard_crawl::visible::visible;
///
/// assert_eq!(visible("a\u{1b}[2J\nb", true), "a\\u{1b}[2J\nb");
/// ```
pub fn visible(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    let harmful = |c: char| is_harmful(c) && !(keeps_lines && c == '\n');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match harmful(c) {
            true if c.is_control() => written.extend(c.escape_debug()),
            true => written.extend(c.escape_unicode()),
            false => written.push(c),
        }
    }
    Cow::Owned(written)
}

/// Returns whether a terminal would obey a character, or it hides or turns others.
pub fn is_harmful(c: char) -> bool {
    c.is_control() || is_deceptive(c)
}

/// Returns whether a character is one of those that are shown as nothing, as another line, or changes the direction of
/// others. Joiners, which scripts and emoji need, are none of them.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let written = [
            ("plain ünï 👩‍🚀", "plain ünï 👩‍🚀"),
            ("\x1b[2J\x1b]0;owned\x07", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\tc\nd\0", "a\\rb\\tc\\nd\\0"),
            ("\u{202e}nna", "\\u{202e}nna"),
            ("a\u{200b}b\u{2028}c", "a\\u{200b}b\\u{2028}c"),
            ("a\u{ad}b\u{180e}", "a\\u{ad}b\\u{180e}"),
            ("\u{115f}\u{1160}", "\\u{115f}\\u{1160}"),
            ("\u{3164}\u{ffa0}", "\\u{3164}\\u{ffa0}"),
            ("\u{e0041}", "\\u{e0041}"),
        ];
        for (text, expected) in written {
            assert_eq!(visible(text, false), expected);
        }
        assert_eq!(visible("a\nb\r", true), "a\nb\\r");
    }

    #[test]
    fn any_text_is_harmless() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..10_000 {
            let text: String = (0..8).map(|_| rng.char('\0'..='\u{10FFFF}')).collect();
            let written = visible(&text, false);
            assert!(!written.contains(char::is_control), "{text:?}");
            assert!(!written.contains(is_deceptive), "{text:?}");
        }
    }
}
