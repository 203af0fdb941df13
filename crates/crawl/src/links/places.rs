//! Lines and columns of byte offsets.

/// Turns offsets into lines and columns. It looks at each byte once, if offsets come in order.
pub(super) struct Places<'a> {
    text: &'a [u8],
    offset: usize,
    line: u32,
    column: u32,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            offset: 0,
            line: 1,
            column: 1,
        }
    }

    /// The line and the column of an offset, both from 1 on.
    pub(super) fn at(&mut self, offset: usize) -> (u32, u32) {
        // Whoever goes back has all counted again, and a page could have that done for each link.
        debug_assert!(offset >= self.offset, "offsets come in order");
        let offset = offset.min(self.text.len());
        if offset < self.offset {
            (self.offset, self.line, self.column) = (0, 1, 1);
        }
        let passed = &self.text[self.offset..offset];
        let lines = count(passed, |byte| byte == b'\n');
        let mut last = passed;
        if lines > 0 {
            self.line = self.line.saturating_add(lines);
            self.column = 1;
            let end = passed.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            last = &passed[end + 1..];
        }
        self.column = self
            .column
            .saturating_add(count(last, is_first_of_character));
        self.offset = offset;
        (self.line, self.column)
    }
}

/// Whether a byte of UTF-8 begins a character.
pub(super) fn is_first_of_character(byte: u8) -> bool {
    byte as i8 >= -0x40
}

/// How many bytes there are of a kind. The sums fit a byte, so that the processor adds sixteen of them at once.
fn count(bytes: &[u8], is_counted: impl Fn(u8) -> bool) -> u32 {
    let sums = bytes.chunks(192).map(|chunk| {
        chunk
            .iter()
            .map(|byte| u8::from(is_counted(*byte)))
            .sum::<u8>()
    });
    sums.map(u32::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_with_a_line_feed() {
        let text = "a\r\nÄ€x\n\n𝄞!";
        let mut places = Places::new(text);
        let at = |places: &mut Places<'_>, needle: &str| places.at(text.find(needle).unwrap());
        assert_eq!(at(&mut places, "a"), (1, 1));
        assert_eq!(at(&mut places, "x"), (2, 3));
        assert_eq!(at(&mut places, "!"), (4, 2));
        assert_eq!(places.at(1000), (4, 3));
    }

    #[test]
    fn long_texts_are_counted_as_short_ones() {
        let text = "\n".repeat(1000) + &"é".repeat(1000);
        assert_eq!(Places::new(&text).at(text.len()), (1001, 1001));
    }
}
