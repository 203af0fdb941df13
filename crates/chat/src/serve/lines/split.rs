//! Bytes as lines.

/// What a client sent, up to the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Line(&'a [u8]),
    /// It had too many bytes, which are discarded.
    TooLong,
}

/// Finds lines, which end with LF or CR LF. Between lines it holds no memory.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The beginning of a line.
    begun: Vec<u8>,
    /// The line is too long already.
    discards: bool,
}

impl Splitter {
    /// Takes bytes, and calls `take` with each line that they end, of `longest` bytes at most.
    pub(super) fn feed(&mut self, bytes: &[u8], longest: usize, mut take: impl FnMut(Piece<'_>)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', part)) => (part, true),
                _ => (part, false),
            };
            // A CR is no byte of the line, if one follows.
            if self.discards || self.begun.len() + part.len() > longest + 1 {
                self.discards = true;
                self.begun = Vec::new();
            } else if !ends || !self.begun.is_empty() {
                self.begun.extend_from_slice(part);
            }
            if ends {
                self.end(part, longest, &mut take);
            }
        }
    }

    /// Ends a line whose last part is `part`, if no other part of it was kept.
    fn end(&mut self, part: &[u8], longest: usize, take: &mut impl FnMut(Piece<'_>)) {
        let begun = std::mem::take(&mut self.begun);
        let line = if begun.is_empty() { part } else { &begun[..] };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_too_long = std::mem::take(&mut self.discards) || line.len() > longest;
        take(match is_too_long {
            true => Piece::TooLong,
            false => Piece::Line(line),
        });
    }

    /// Ends the last line, at the end of input.
    pub(super) fn finish(&mut self, longest: usize, mut take: impl FnMut(Piece<'_>)) {
        if self.discards || !self.begun.is_empty() {
            self.end(b"", longest, &mut take);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut found) = (Splitter::default(), Vec::new());
        let mut take = |piece: Piece<'_>| {
            found.push(match piece {
                Piece::Line(line) => String::from_utf8(line.to_vec()).unwrap(),
                Piece::TooLong => "too long".to_owned(),
            });
        };
        for piece in pieces {
            splitter.feed(piece, 5, &mut take);
        }
        splitter.finish(5, take);
        found
    }

    #[test]
    fn lines_are_found_however_the_bytes_come() {
        let bytes = b"one\r\n\ntwo\nfive!\nfive!\r\nlonger\nmuch longer\nthree\r\rend";
        let expected = [
            "one", "", "two", "five!", "five!", "too long", "too long", "too long",
        ];
        for size in 1..bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(lines(&pieces), expected, "{size}");
        }
        assert_eq!(lines(&[b"a\nend"]), ["a", "end"]);
    }
}
