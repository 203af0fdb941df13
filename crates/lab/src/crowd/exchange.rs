//! A request, and the recognition of the end of its answer.

use std::io;
use std::rc::Rc;

use super::Says;

/// The most bytes of an answer's head.
const HEAD: usize = 16 << 10;

/// Bytes that are asked, and what is left of the answer.
pub(super) enum Answer {
    /// The bytes of the request, from this one on.
    Echo(usize),
    /// The head as far as it has come.
    Head(Vec<u8>),
    /// So many bytes of the body.
    Body(usize),
}

impl Says {
    /// Returns what a client says as its `nth` request.
    pub(super) fn request(&self, client: usize, clients: usize, nth: u64, fresh: bool) -> Rc<[u8]> {
        match self {
            Says::Echo(length) => (0..*length).map(|at| (at * 31 + client) as u8).collect(),
            Says::Page(prefix, pages) => {
                let number = (client as u64 + nth * clients as u64) % (*pages as u64).max(1);
                let close = if fresh { "connection: close\r\n" } else { "" };
                let text = format!("GET {prefix}{number} HTTP/1.1\r\nhost: lab\r\n{close}\r\n");
                text.into_bytes().into()
            }
        }
    }

    pub(super) fn answer(&self) -> Answer {
        match self {
            Says::Echo(_) => Answer::Echo(0),
            Says::Page(..) => Answer::Head(Vec::new()),
        }
    }
}

impl Answer {
    /// Takes received bytes; returns whether the answer is whole now.
    pub(super) fn take(&mut self, mut bytes: &[u8], request: &[u8]) -> io::Result<bool> {
        if let Answer::Head(head) = self {
            let before = head.len();
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return match head.len() {
                    ..HEAD => Ok(false),
                    _ => Err(io::Error::other("the server's head does not end")),
                };
            };
            let length = body_length(&head[..end])?;
            bytes = &bytes[end + 4 - before..];
            *self = Answer::Body(length);
        }
        let more = || io::Error::other("the server sent more than was asked for");
        match self {
            Answer::Echo(from) => {
                let same = request.get(*from..*from + bytes.len()).ok_or_else(more)?;
                if same != bytes {
                    return Err(io::Error::other("the server sent other bytes back"));
                }
                *from += bytes.len();
                Ok(*from == request.len())
            }
            Answer::Body(left) => {
                *left = left.checked_sub(bytes.len()).ok_or_else(more)?;
                Ok(*left == 0)
            }
            Answer::Head(_) => Ok(false),
        }
    }
}

/// Returns the length of the body that the head announces.
fn body_length(head: &[u8]) -> io::Result<usize> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("the server answered `{status}`")));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    length.ok_or_else(|| io::Error::other("the server's answer does not say how long it is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_come_in_any_pieces() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 1..text.len() {
            let mut answer = Says::Page("/".into(), 1).answer();
            assert!(!answer.take(&text[..cut], b"").unwrap(), "{cut}");
            assert!(answer.take(&text[cut..], b"").unwrap(), "{cut}");
        }
        let mut whole = Says::Page("/".into(), 1).answer();
        assert!(whole.take(text, b"").unwrap());
    }

    #[test]
    fn wrong_answers_are_errors() {
        for text in [
            "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            let mut answer = Says::Page("/".into(), 1).answer();
            assert!(answer.take(text.as_bytes(), b"").is_err(), "{text}");
        }
        let says = Says::Echo(3);
        let request = says.request(0, 1, 0, false);
        assert!(says.answer().take(b"abc", &request).is_err());
        assert!(
            says.answer()
                .take(&[&*request, b"x"].concat(), &request)
                .is_err()
        );
        assert!(says.answer().take(&request, &request).unwrap());
    }

    #[test]
    fn clients_ask_for_all_pages_before_they_repeat_one() {
        let says = Says::Page("/f/".into(), 6);
        let asked: Vec<Rc<[u8]>> = (0..3)
            .flat_map(|nth| (0..3).map(move |client| (client, nth)))
            .map(|(client, nth)| says.request(client, 3, nth, false))
            .collect();
        assert!((1..6).all(|at| !asked[..at].contains(&asked[at])));
        assert_eq!(asked[..3], asked[6..]);
    }
}
