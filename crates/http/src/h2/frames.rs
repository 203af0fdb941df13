//! What the frames of a connection carry, read from their heads as the bytes pass.

use super::tally::{Tally, add};

/// The bytes of a frame's head.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ENHANCE_YOUR_CALM: u8 = 11;

/// The frames of one direction.
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of a head has passed.
    have: usize,
    /// The bytes of a payload that are still to pass.
    left: usize,
    /// The last stream that was begun.
    last: u32,
}

impl Frames {
    /// Returns those that begin after so many bytes.
    pub(super) fn after(bytes: usize) -> Frames {
        Frames {
            head: [0; HEAD],
            have: 0,
            left: bytes,
            last: 0,
        }
    }

    /// Counts the frames in bytes that pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8], tally: &Tally) {
        while !bytes.is_empty() {
            let payload = bytes.len().min(self.left);
            self.left -= payload;
            bytes = &bytes[payload..];
            let more = bytes.len().min(HEAD - self.have);
            self.head[self.have..self.have + more].copy_from_slice(&bytes[..more]);
            self.have += more;
            bytes = &bytes[more..];
            if self.have == HEAD {
                self.have = 0;
                self.begin(tally);
            }
        }
    }

    /// Counts a frame whose head has passed.
    fn begin(&mut self, tally: &Tally) {
        let [a, b, c, kind, _, stream @ ..] = self.head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        if kind == HEADERS {
            self.last = self.last.max(u32::from_be_bytes(stream) & (u32::MAX >> 1));
        }
        let carries = matches!(kind, DATA | HEADERS | CONTINUATION) && self.left > 0;
        let counter = if carries {
            &tally.carried
        } else {
            &tally.empty
        };
        add(counter, (HEAD + self.left) as u64);
    }

    /// Returns whether another frame may follow what has passed.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Returns the frame that tells the sender of these ones that they are too many.
    pub(super) fn farewell(&self) -> [u8; HEAD + 8] {
        let mut frame = [0; HEAD + 8];
        frame[2] = 8;
        frame[3] = GOAWAY;
        frame[HEAD..HEAD + 4].copy_from_slice(&self.last.to_be_bytes());
        frame[HEAD + 7] = ENHANCE_YOUR_CALM;
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_their_bytes_come() {
        let frame = |kind: u8, stream: u8, length: u8| {
            let head = [0, 0, length, kind, 0, 0x80, 0, 0, stream];
            [&head[..], &vec![kind; length as usize]].concat()
        };
        let (ping, settings) = (6, 4);
        let bytes = [
            b"greeting".to_vec(),
            frame(settings, 0, 0),
            frame(HEADERS, 3, 20),
            frame(CONTINUATION, 3, 5),
            frame(ping, 0, 8),
            frame(DATA, 3, 0),
            frame(DATA, 3, 200),
            frame(HEADERS, 1, 1),
        ]
        .concat();
        for size in 1..bytes.len() {
            let (mut frames, tally) = (Frames::after(8), Tally::default());
            for piece in bytes.chunks(size) {
                frames.pass(piece, &tally);
            }
            assert!(frames.is_between());
            assert_eq!(tally.empty.get(), 9 + 17 + 9, "{size}");
            assert_eq!(tally.carried.get(), 29 + 14 + 209 + 10, "{size}");
            let farewell = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 11];
            assert_eq!(frames.farewell(), farewell);
            frames.pass(&[0], &tally);
            assert!(!frames.is_between());
        }
    }
}
