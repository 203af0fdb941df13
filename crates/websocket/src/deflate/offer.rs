//! The negotiation of permessage-deflate in the field `sec-websocket-extensions`.

use std::io;

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::{Agreed, Deflate, MOST_BITS};

const NAME: &str = "permessage-deflate";

/// What one offer or answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)` is the parameter without a value, which only an offer may have.
    client_bits: Option<Option<u8>>,
}

impl Parameters {
    /// Parses what stands behind the name; `None` for what is invalid.
    fn parse(parameters: &[(&str, Option<&str>)]) -> Option<Parameters> {
        let mut parsed = Parameters::default();
        for &(name, value) in parameters {
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut parsed.server_no_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut parsed.client_no_takeover, true)
                }
                ("server_max_window_bits", Some(value)) => {
                    parsed.server_bits.replace(bits(value)?).is_none()
                }
                ("client_max_window_bits", value) => {
                    let value = value.map(|value| bits(value).ok_or(())).transpose().ok()?;
                    parsed.client_bits.replace(value).is_none()
                }
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(parsed)
    }
}

/// Parses the bits of a window: 8 to 15, without leading zeros.
fn bits(text: &str) -> Option<u8> {
    let bits = text.parse().ok()?;
    let is_valid = (8..=MOST_BITS).contains(&bits) && !text.starts_with(['0', '+']);
    is_valid.then_some(bits)
}

/// An extension with its parameters.
type Extension<'a> = (&'a str, Vec<(&'a str, Option<&'a str>)>);

/// Parses the extensions of a head. None of the known ones has a comma or a semicolon within quotes.
fn extensions(headers: &HeaderMap) -> impl Iterator<Item = Extension<'_>> {
    let fields = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let texts = fields.map(|value| value.to_str().unwrap_or("?"));
    let texts = texts.flat_map(|text| text.split(',')).map(str::trim);
    texts.filter(|text| !text.is_empty()).map(|text| {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let parameters = parts.map(|part| match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        });
        (name, parameters.collect())
    })
}

/// Returns what a server agrees to of a client's offers, and its answer; `None` if there is no compression.
pub(crate) fn accept(headers: &HeaderMap, permitted: Deflate) -> Option<(Agreed, String)> {
    let offers = extensions(headers).filter(|(name, _)| *name == NAME);
    let offer = offers.filter_map(|(_, parameters)| Parameters::parse(&parameters));
    let offer = offer.into_iter().next()?;
    let own_takeover = permitted.takeover && !offer.server_no_takeover;
    let peer_takeover = permitted.takeover && !offer.client_no_takeover;
    let own_bits = permitted
        .window_bits
        .min(offer.server_bits.unwrap_or(MOST_BITS));
    let mut answer = NAME.to_owned();
    if !own_takeover {
        answer.push_str("; server_no_context_takeover");
    }
    if !peer_takeover {
        answer.push_str("; client_no_context_takeover");
    }
    if own_bits < MOST_BITS || offer.server_bits.is_some() {
        answer.push_str(&format!("; server_max_window_bits={own_bits}"));
    }
    if let Some(client_bits) = offer.client_bits {
        let bits = permitted.window_bits.min(client_bits.unwrap_or(MOST_BITS));
        if bits < MOST_BITS {
            answer.push_str(&format!("; client_max_window_bits={bits}"));
        }
    }
    let agreed = Agreed {
        own_takeover,
        peer_takeover,
        own_bits,
    };
    Some((agreed, answer))
}

/// Returns a client's offer.
pub(crate) fn offer(permitted: Deflate) -> String {
    let mut offer = NAME.to_owned();
    if !permitted.takeover {
        offer.push_str("; server_no_context_takeover; client_no_context_takeover");
    }
    match permitted.window_bits {
        MOST_BITS => offer.push_str("; client_max_window_bits"),
        bits => offer.push_str(&format!(
            "; server_max_window_bits={bits}; client_max_window_bits={bits}"
        )),
    }
    offer
}

/// Returns what a server has agreed to of a client's offer.
///
/// # Errors
/// `InvalidData` for an answer that the offer does not permit.
pub(crate) fn answered(
    headers: &HeaderMap,
    offered: Option<Deflate>,
) -> io::Result<Option<Agreed>> {
    let mut answers = extensions(headers);
    let Some((name, parameters)) = answers.next() else {
        return Ok(None);
    };
    let refused = |text| Err(io::Error::new(io::ErrorKind::InvalidData, text));
    let (Some(offered), NAME, None) = (offered, name, answers.next()) else {
        return refused("the server has agreed to an extension that was not offered");
    };
    let answer = Parameters::parse(&parameters);
    let Some(answer) = answer.filter(|answer| answer.client_bits != Some(None)) else {
        return refused("the server's parameters of permessage-deflate are invalid");
    };
    let server_bits = answer.server_bits.unwrap_or(MOST_BITS);
    if !offered.takeover && !answer.server_no_takeover || server_bits > offered.window_bits {
        return refused("the server keeps a larger window than was offered");
    }
    let client_bits = answer.client_bits.flatten().unwrap_or(MOST_BITS);
    Ok(Some(Agreed {
        own_takeover: offered.takeover && !answer.client_no_takeover,
        peer_takeover: !answer.server_no_takeover,
        own_bits: client_bits.min(offered.window_bits),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> HeaderMap {
        let value = text.parse().unwrap();
        HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, value)])
    }

    #[test]
    fn offers_are_answered() {
        let none = Deflate::new();
        let keeps = none.takeover(true);
        let small = none.window_bits(10);
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (offer, permitted, expected) in [
            ("permessage-deflate", none, both),
            ("permessage-deflate", keeps, "permessage-deflate"),
            ("x-webkit-deflate-frame", none, ""),
            ("", none, ""),
            ("permessage-deflate; what", none, ""),
            ("permessage-deflate; what, permessage-deflate", none, both),
            ("permessage-deflate; server_no_context_takeover=1", none, ""),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                none,
                "",
            ),
            ("permessage-deflate; server_max_window_bits", none, ""),
            ("permessage-deflate; server_max_window_bits=7", none, ""),
            ("permessage-deflate; server_max_window_bits=16", none, ""),
            ("permessage-deflate; server_max_window_bits=010", none, ""),
            ("permessage-deflate; client_max_window_bits=7", none, ""),
            (
                "permessage-deflate; server_max_window_bits=8",
                keeps,
                "permessage-deflate; server_max_window_bits=8",
            ),
            (
                "permessage-deflate; server_max_window_bits=\"12\"; client_max_window_bits",
                keeps,
                "permessage-deflate; server_max_window_bits=12",
            ),
            (
                "permessage-deflate; client_max_window_bits; client_no_context_takeover",
                small.takeover(true),
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=10",
            ),
        ] {
            let answer = accept(&head(offer), permitted);
            let answer = answer.map(|(_, answer)| answer).unwrap_or_default();
            assert_eq!(answer, expected, "{offer}");
        }
    }

    #[test]
    fn both_sides_agree_on_the_same() {
        for client in [Deflate::new(), Deflate::new().takeover(true)] {
            for server in [Deflate::new(), Deflate::new().takeover(true)] {
                for (client_bits, server_bits) in [(15, 15), (9, 15), (15, 9), (11, 12)] {
                    let client = client.window_bits(client_bits);
                    let server = server.window_bits(server_bits);
                    let (at_server, answer) = accept(&head(&offer(client)), server).unwrap();
                    let at_client = answered(&head(&answer), Some(client)).unwrap().unwrap();
                    assert_eq!(at_server.own_takeover, at_client.peer_takeover);
                    assert_eq!(at_server.peer_takeover, at_client.own_takeover);
                    let least = client_bits.min(server_bits);
                    assert_eq!((at_server.own_bits, at_client.own_bits), (least, least));
                }
            }
        }
    }

    #[test]
    fn answers_that_were_not_offered_are_refused() {
        let offered = Some(Deflate::new());
        for answer in [
            "x-other",
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover, permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; what=1",
        ] {
            let error = answered(&head(answer), offered).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{answer}");
        }
        let plain = head("permessage-deflate; server_no_context_takeover");
        assert!(answered(&plain, None).is_err());
        assert!(answered(&plain, offered).unwrap().is_some());
        assert_eq!(answered(&HeaderMap::new(), offered).unwrap(), None);
    }
}
