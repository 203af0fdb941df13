//! Lines of text with colours, or without.

use super::Look;
use crate::show::harmless::harmless;

/// What colour says, in addition to the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::show) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
}

/// Text that is being written.
pub(in crate::show) struct Page {
    look: Look,
    text: String,
}

impl Page {
    pub(in crate::show) fn new(look: Look) -> Page {
        let width = look.width.max(40);
        Page {
            look: Look { width, ..look },
            text: String::new(),
        }
    }

    /// Returns the columns of a line.
    pub(super) fn width(&self) -> usize {
        self.look.width
    }

    /// Returns whether more than ASCII may be written.
    pub(super) fn unicode(&self) -> bool {
        self.look.unicode
    }

    /// Returns the text.
    pub(in crate::show) fn finish(self) -> String {
        match self.look.unicode {
            true => self.text,
            false => self.text.chars().map(plain).collect(),
        }
    }

    /// Begins a new paragraph.
    pub(in crate::show) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Writes a head of a section.
    pub(in crate::show) fn title(&mut self, name: &str, title: &str) {
        let separator = if name.is_empty() || title.is_empty() {
            ""
        } else {
            ": "
        };
        self.wrap("", &format!("{name}{separator}{title}"), Ink::Strong);
    }

    /// Writes a sentence, broken between words; the lines after the first are indented further.
    pub(in crate::show) fn wrap(&mut self, indent: &str, line: &str, ink: Ink) {
        self.broken(indent, indent.len() + 2, "", Ink::Plain, line, ink);
    }

    /// Writes a sentence after a head, below which none of its lines begins.
    pub(in crate::show) fn hang(&mut self, indent: &str, head: &str, ink: Ink, line: &str) {
        let hanging = indent.len() + head.chars().count();
        self.broken(indent, hanging, head, ink, line, Ink::Plain);
    }

    fn broken(
        &mut self,
        indent: &str,
        hanging: usize,
        head: &str,
        head_ink: Ink,
        line: &str,
        ink: Ink,
    ) {
        let line = harmless(line);
        let mut lines = vec![String::new()];
        let mut used = indent.len() + head.chars().count();
        for (nth, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            let last = lines.len() - 1;
            if nth > 0 && used + 1 + length > self.look.width {
                lines.push(word.to_owned());
                used = hanging + length;
                continue;
            }
            if nth > 0 {
                lines[last].push(' ');
                used += 1;
            }
            lines[last].push_str(word);
            used += length;
        }
        for (nth, line) in lines.iter().enumerate() {
            match nth {
                0 => {
                    self.text.push_str(indent);
                    self.inked(head, head_ink);
                }
                _ => self.text.push_str(&" ".repeat(hanging)),
            }
            self.inked(line.trim_end(), ink);
            self.text.push('\n');
        }
    }

    /// Writes a piece of a line, which is harmless and as wide as it should be.
    pub(super) fn inked(&mut self, text: &str, ink: Ink) {
        let code = match ink {
            Ink::Plain => "",
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Warning => "33",
        };
        if self.look.colour && !code.is_empty() && !text.trim().is_empty() {
            self.text.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
        } else {
            self.text.push_str(text);
        }
    }

    /// Ends a line, without spaces at its end.
    pub(super) fn end(&mut self) {
        let length = self.text.trim_end_matches(' ').len();
        self.text.truncate(length);
        self.text.push('\n');
    }
}

/// Returns a character of ASCII for each that is not, so that columns stay where they are.
fn plain(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        'µ' => 'u',
        '×' => 'x',
        '–' | '—' | '−' | '─' => '-',
        '…' => '.',
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        '±' => '~',
        '✓' => '+',
        '✗' => '-',
        '█' => '#',
        '·' => '.',
        _ => '?',
    }
}

/// Cuts a text at a number of characters.
pub(super) fn clipped(text: &str, width: usize) -> String {
    let text = harmless(text);
    match text.chars().nth(width) {
        None => text.into_owned(),
        Some(_) => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}
