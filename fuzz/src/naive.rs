//! The same messages, read in the plainest way from bytes that are all there. It only knows what the codec has
//! accepted: where it finds something else, one of both is wrong.

use crate::h1::framing::Framing;

/// A name in small letters, and a value.
type Field = (String, Vec<u8>);

pub(crate) struct Naive {
    pub(crate) fields: Vec<Field>,
    pub(crate) head_end: usize,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: usize,
    pub(crate) end: usize,
}

/// Reads the message that begins at `begin`, whose fields tell its end unless it has `no_body`.
pub(crate) fn read(bytes: &[u8], begin: usize, no_body: bool) -> Option<Naive> {
    let mut at = begin;
    // Empty lines before an answer belong to nothing.
    while line(bytes, at)?.0.is_empty() {
        at = line(bytes, at)?.1;
    }
    (_, at) = line(bytes, at)?;
    let (fields, head_end) = fields(bytes, at)?;
    let mut naive = Naive {
        fields,
        head_end,
        body: Vec::new(),
        trailers: 0,
        end: head_end,
    };
    match naive.framing() {
        _ if no_body => {}
        Some(Framing::Length(length)) => {
            naive.end = head_end.checked_add(length.try_into().ok()?)?;
            naive.body = bytes.get(head_end..naive.end)?.to_vec();
        }
        Some(Framing::Chunked) => naive.chunks(bytes)?,
        None => {
            naive.end = bytes.len();
            naive.body = bytes[head_end..].to_vec();
        }
    }
    Some(naive)
}

impl Naive {
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.fields.iter().filter(|field| field.0 == name);
        named.map(|field| &field.1[..]).collect()
    }

    /// Returns what the fields say: `None` without a length.
    pub(crate) fn framing(&self) -> Option<Framing> {
        if let Some(coding) = self.values("transfer-encoding").first() {
            let text = String::from_utf8_lossy(coding).to_ascii_lowercase();
            let last = text.rsplit(',').next().unwrap().trim().to_owned();
            return (last == "chunked").then_some(Framing::Chunked);
        }
        let length = self.values("content-length").first().copied()?;
        Some(Framing::Length(
            std::str::from_utf8(length).ok()?.parse().ok()?,
        ))
    }

    fn chunks(&mut self, bytes: &[u8]) -> Option<()> {
        loop {
            let (size, next) = line(bytes, self.end)?;
            let size =
                std::str::from_utf8(size.split(|byte| b"; \t".contains(byte)).next()?).ok()?;
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                let (trailers, end) = fields(bytes, next)?;
                (self.trailers, self.end) = (trailers.len(), end);
                return Some(());
            }
            let end = next.checked_add(size)?;
            self.body.extend_from_slice(bytes.get(next..end)?);
            assert_eq!(bytes.get(end..end + 2)?, b"\r\n");
            self.end = end + 2;
        }
    }
}

/// Returns the line at `at` without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = bytes.get(at..)?.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[at..at + length];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + length + 1))
}

/// Returns the fields up to an empty line, and where that ends.
fn fields(bytes: &[u8], mut at: usize) -> Option<(Vec<Field>, usize)> {
    let mut fields = Vec::new();
    loop {
        let (text, next) = line(bytes, at)?;
        at = next;
        if text.is_empty() {
            return Some((fields, at));
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&text[..colon]).to_ascii_lowercase();
        fields.push((name, text[colon + 1..].trim_ascii().to_vec()));
    }
}
