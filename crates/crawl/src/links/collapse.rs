//! Texts with each run of blanks as one space.

use super::places::is_first_of_character;

/// Takes text in pieces, which may part a character, up to a limit of characters.
pub(super) struct Collapsed {
    bytes: Vec<u8>,
    characters: usize,
    limit: usize,
    after_blank: bool,
    is_full: bool,
}

impl Collapsed {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            characters: 0,
            limit,
            after_blank: false,
            is_full: false,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        for &byte in piece {
            if self.is_full {
                return;
            } else if byte.is_ascii_whitespace() {
                self.after_blank = true;
            } else if is_first_of_character(byte) {
                self.push_first(byte);
            } else {
                self.bytes.push(byte);
            }
        }
    }

    fn push_first(&mut self, byte: u8) {
        let space = self.after_blank && !self.bytes.is_empty();
        self.characters += 1 + usize::from(space);
        self.after_blank = false;
        if self.characters > self.limit {
            self.is_full = true;
            return;
        }
        if space {
            self.bytes.push(b' ');
        }
        self.bytes.push(byte);
    }

    /// The text, which begins anew.
    pub(super) fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        self.bytes.clear();
        (self.characters, self.after_blank, self.is_full) = (0, false, false);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collapse(pieces: &[&[u8]], limit: usize) -> String {
        let mut text = Collapsed::new(limit);
        pieces.iter().for_each(|piece| text.push(piece));
        text.take()
    }

    #[test]
    fn runs_of_blanks_are_one_space() {
        assert_eq!(collapse(&[b" \n a ", b" b", b"c\t"], 9), "a bc");
        assert_eq!(collapse(&[b""], 9), "");
    }

    #[test]
    fn a_limit_counts_characters_and_parts_none() {
        assert_eq!(collapse(&["äöüß".as_bytes()], 3), "äöü");
        assert_eq!(collapse(&["ä öü".as_bytes(), b"x"], 3), "ä ö");
        assert_eq!(collapse(&["aä".as_bytes()], 1), "a");
        let parts: Vec<&[u8]> = "€€€".as_bytes().chunks(1).collect();
        assert_eq!(collapse(&parts, 2), "€€");
    }
}
