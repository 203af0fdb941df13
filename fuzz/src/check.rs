//! The properties.

use http::header::{CONTENT_LENGTH, DATE, HOST};
use http::{HeaderMap, Version};

use crate::message::{Connection, Message, No, Start};
use crate::naive;
use crate::written::written;

/// The number of fields with which an answer may have too many once a date, `connection` and a length are added.
const MANY: usize = 126;

/// Takes the first byte for the lengths of the pieces in which the others come, and checks these as requests and as
/// answers. Panics if
/// - what comes in pieces is another message than what comes at once, or is refused where that is not;
/// - a message ends elsewhere, or has other fields or another body, than a naive reader finds;
/// - a message that is written and read again is another one.
pub fn check(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let pieces = [1 + usize::from(first >> 4), 1 + usize::from(first & 15)];
    let (mut whole, mut split) = (
        Connection::new(bytes, None),
        Connection::new(bytes, Some(pieces)),
    );
    while let Some(request) = same(whole.request(), split.request()) {
        is_as_naive(bytes, &request, false);
        is_as_written(&request, false, |connection| connection.request());
    }
    for head in [false, true] {
        let (mut whole, mut split) = (
            Connection::new(bytes, None),
            Connection::new(bytes, Some(pieces)),
        );
        while let Some(answer) = same(whole.answer(head), split.answer(head)) {
            is_as_naive(bytes, &answer, head);
            is_as_written(&answer, head, |connection| connection.answer(head));
        }
    }
}

/// Returns the message if there is one. The reason of a refusal may be another: a limit is seen earlier in pieces.
fn same(whole: Result<Message, No>, split: Result<Message, No>) -> Option<Message> {
    match (whole, split) {
        (Ok(whole), Ok(split)) => {
            assert_eq!(whole, split);
            Some(whole)
        }
        (Err(No::Whole), Err(No::Whole)) | (Err(No::Refused(_)), Err(No::Refused(_))) => None,
        (whole, split) => panic!("at once {whole:?}, in pieces {split:?}"),
    }
}

fn is_as_naive(bytes: &[u8], message: &Message, head: bool) {
    let no_body = match &message.start {
        Start::Answer(status) => {
            head || status.is_informational() || matches!(status.as_u16(), 204 | 304)
        }
        // Without a length there is no body; that of an answer ends with the connection.
        Start::Request(..) => {
            let fields = ["content-length", "transfer-encoding"];
            !fields.iter().any(|it| message.headers.contains_key(*it))
        }
    };
    let found = naive::read(bytes, message.begin, no_body).expect("a message");
    assert_eq!(message.head_end, found.head_end);
    assert_eq!(message.end, found.end);
    assert_eq!(message.body, found.body);
    assert!(message.trailers.len() <= found.trailers);
    for name in message.headers.keys() {
        let values: Vec<_> = message.headers.get_all(name).iter().collect();
        let found = found.values(name.as_str());
        let is_absolute =
            matches!(&message.start, Start::Request(_, uri) if uri.authority().is_some());
        match *name {
            HOST if is_absolute => {}
            // The same one twice is one.
            CONTENT_LENGTH => assert_eq!(values[0], found[0]),
            _ => assert_eq!(values, found),
        }
    }
    if let Start::Request(..) = message.start {
        assert_eq!(message.headers.len(), found.fields.len());
    }
}

fn is_as_written(
    message: &Message,
    head: bool,
    read: impl FnOnce(&mut Connection<'_>) -> Result<Message, No>,
) {
    let bytes = written(message, head);
    // What the encoder adds and spells out may exceed a limit.
    let again = match read(&mut Connection::new(&bytes, None)) {
        Ok(again) => again,
        Err(No::Refused(refusal)) if refusal.status == 431 || refusal.status == 414 => return,
        Err(No::Refused(_)) if message.headers.len() >= MANY => return,
        Err(no) => panic!("{no:?} of {:?}", String::from_utf8_lossy(&bytes)),
    };
    assert_eq!(again.end, bytes.len());
    assert_eq!(again.start, message.start);
    assert_eq!(again.framing, message.framing);
    assert_eq!(again.body, message.body);
    assert_eq!(again.trailers, message.trailers);
    let mut headers = again.headers;
    match message.start {
        Start::Request(..) => {
            assert_eq!(again.version, message.version);
            assert_eq!(again.keeps_alive, message.keeps_alive);
            assert_eq!(again.expects_continue, message.expects_continue);
            assert_eq!(again.upgrades, message.upgrades);
        }
        Start::Answer(_) => {
            assert_eq!(again.version, Version::HTTP_11);
            assert_eq!(again.keeps_alive, message.keeps_alive);
            if !message.headers.contains_key(DATE) {
                headers.remove(DATE);
            }
        }
    }
    assert_eq!(lengths(headers), lengths(message.headers.clone()));
}

/// Has a length written as a number is.
fn lengths(mut headers: HeaderMap) -> HeaderMap {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| {
        let text = value.to_str().ok()?;
        text.parse::<u64>().ok()
    });
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    headers
}
