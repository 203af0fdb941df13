//! Decompressing with a limit.

use flate2::bufread::GzDecoder;
use std::io::Read;

/// Members of a file that are read, at most: each takes time, though it may be empty.
const MEMBERS: usize = 10_000;

/// What was decompressed, and why no more was.
pub(super) struct Decompressed {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

pub(super) enum End {
    /// That is all.
    Whole,
    /// There is more than the limit.
    Limit,
    /// The rest is damaged or missing, for this reason.
    Damaged(String),
}

/// Whether the bytes begin as a gzip file does.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Decompresses up to `limit` bytes, all members one after the other. Zeros behind the last one are ignored.
pub(super) fn decompress(bytes: &[u8], limit: u64) -> Decompressed {
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut members = 0;
    let end = loop {
        members += 1;
        if members > MEMBERS {
            break End::Damaged(format!("it has more than {MEMBERS} members"));
        }
        let mut member = GzDecoder::new(rest);
        let space = (limit - out.len() as u64).saturating_add(1);
        let result = (&mut member).take(space).read_to_end(&mut out);
        if out.len() as u64 > limit {
            out.truncate(limit as usize);
            break End::Limit;
        }
        if let Err(error) = result {
            break End::Damaged(error.to_string());
        }
        rest = member.into_inner();
        if rest.iter().all(|byte| *byte == 0) {
            break End::Whole;
        }
    };
    Decompressed { bytes: out, end }
}
