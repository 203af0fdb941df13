//! The PROXY protocol, versions 1 and 2: a proxy in front of this server says who its client is, before the
//! bytes of the client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use switchboard_net::{Addr, Stream};
use switchboard_runtime as runtime;

/// How long a header may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest header of version 1, with the end of its line.
const LONGEST_LINE: usize = 107;
/// The longest rest of a header of version 2 that is read: addresses, and what else the proxy says.
const LONGEST_REST: usize = 4096;
/// The begin of a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The proxies that a server believes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl Proxies {
    /// Reads networks as `10.0.0.0/8`, addresses, and `unix` for all peers of Unix sockets.
    pub(crate) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> io::Result<Proxies> {
        let mut proxies = Proxies::default();
        for text in texts.map(str::trim) {
            let network = text.parse().ok();
            match network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
                Some(network) => proxies.networks.push(network),
                None if text == "unix" => proxies.unix = true,
                None => {
                    let text = format!("{text:?} is no network: use one as 10.0.0.0/8, or unix");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
            }
        }
        Ok(proxies)
    }

    pub(crate) fn trust(&self, peer: &Addr) -> bool {
        match peer {
            Addr::Unix(_) => self.unix,
            Addr::Tcp(peer) => {
                let address = peer.ip().to_canonical();
                self.networks
                    .iter()
                    .any(|network| network.contains(&address))
            }
        }
    }
}

/// Reads the header that a proxy sends first, and nothing behind it; returns the client's address. `None` means
/// that the proxy speaks for itself, or does not know.
///
/// # Errors
/// `InvalidData` for what is no header, `TimedOut` after five seconds, `UnexpectedEof`; the system's.
pub(crate) async fn read_header(stream: &Stream) -> io::Result<Option<SocketAddr>> {
    let late = |_| {
        let text = "the proxy sent no whole PROXY header in 5 s";
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    let header = runtime::timeout(LIMIT, header(stream)).await;
    header.unwrap_or_else(late)
}

async fn header(stream: &Stream) -> io::Result<Option<SocketAddr>> {
    // No header is shorter than this.
    let mut first = [0; SIGNATURE.len()];
    stream.read_exact(&mut first).await?;
    if &first == SIGNATURE {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if length > LONGEST_REST {
            return Err(invalid());
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        return version_2(fixed[0], fixed[1], &rest);
    }
    if !first.starts_with(b"PROXY ") {
        return Err(invalid());
    }
    let mut line = first.to_vec();
    while line.last() != Some(&b'\n') {
        let mut more = [0; LONGEST_LINE];
        let room = LONGEST_LINE - line.len();
        if room == 0 {
            return Err(invalid());
        }
        // Behind the end of the line are the bytes of the client.
        let seen = stream.peek(&mut more[..room]).await?;
        let end = more[..seen].iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(seen, |end| end + 1);
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        stream.read_exact(&mut more[..taken]).await?;
        line.extend_from_slice(&more[..taken]);
    }
    let line = std::str::from_utf8(&line).map_err(|_| invalid())?;
    version_1(line.strip_suffix("\r\n").ok_or_else(invalid)?)
}

fn version_1(line: &str) -> io::Result<Option<SocketAddr>> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        [
            "PROXY",
            family @ ("TCP4" | "TCP6"),
            source,
            destination,
            port,
            to_port,
        ] => {
            let source: IpAddr = source.parse().map_err(|_| invalid())?;
            let destination: IpAddr = destination.parse().map_err(|_| invalid())?;
            let port: u16 = port.parse().map_err(|_| invalid())?;
            let _: u16 = to_port.parse().map_err(|_| invalid())?;
            let is_v4 = family == "TCP4";
            match source.is_ipv4() == is_v4 && destination.is_ipv4() == is_v4 {
                true => Ok(Some(SocketAddr::new(source, port))),
                false => Err(invalid()),
            }
        }
        _ => Err(invalid()),
    }
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> io::Result<Option<SocketAddr>> {
    match command {
        // LOCAL: the proxy speaks for itself, as in a check of this server's health.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(invalid()),
    }
    let port = |at: usize| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
    let source = match family {
        // TCP over IPv4: two addresses and two ports.
        0x11 => rest
            .first_chunk::<4>()
            .zip(port(8))
            .map(|(address, port)| SocketAddr::new(Ipv4Addr::from(*address).into(), port)),
        // TCP over IPv6.
        0x21 => rest
            .first_chunk::<16>()
            .zip(port(32))
            .map(|(address, port)| SocketAddr::new(Ipv6Addr::from(*address).into(), port)),
        // No family, or one without IP addresses.
        _ => return Ok(None),
    };
    source.map(Some).ok_or_else(invalid)
}

fn invalid() -> io::Error {
    let text = "the proxy sent no PROXY header: have it send one, or do not name it as a proxy";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use switchboard_runtime::Model;

    use super::*;

    fn sent(pieces: &[&[u8]], model: Model) -> io::Result<(Option<SocketAddr>, Vec<u8>)> {
        let (mut there, here) = UnixStream::pair().unwrap();
        let here = Stream::from(here);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for piece in pieces {
                    // A refused peer is closed before it has sent all.
                    let _ = there.write_all(piece);
                    std::thread::yield_now();
                }
            });
            model.run(async {
                let source = read_header(&here).await?;
                let mut rest = Vec::new();
                loop {
                    match &*here.recv().await? {
                        [] => return Ok((source, rest)),
                        more => rest.extend_from_slice(more),
                    }
                }
            })
        })?
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[test]
    fn headers_are_read_up_to_their_end() {
        let v4: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::7]:4711".parse().unwrap();
        let mut of_v6 = [0; 36];
        of_v6[..16].copy_from_slice(&(0x2001_0db8_u128 << 96 | 7).to_be_bytes());
        of_v6[32..34].copy_from_slice(&4711_u16.to_be_bytes());
        let of_v4 = [
            &[192, 0, 2, 7, 10, 0, 0, 1, 18, 103, 0, 80][..],
            &[3, 0, 1, 9],
        ]
        .concat();
        let right: [(Vec<u8>, Option<SocketAddr>); 8] = [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n".to_vec(),
                Some(v4),
            ),
            (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), Some(v6)),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &of_v4), Some(v4)),
            (v2(0x21, 0x21, &of_v6), Some(v6)),
            (v2(0x20, 0, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ];
        for (header, source) in right {
            let whole = [&header[..], b"hello\n"].concat();
            for model in [Model::Threads, Model::Tasks] {
                let all: Vec<&[u8]> = whole.chunks(1).collect();
                for pieces in [vec![&whole[..]], all] {
                    let read = sent(&pieces, model).unwrap();
                    assert_eq!(read, (source, b"hello\n".to_vec()), "{header:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ", &[b'1'; 200][..], b"\r\n"].concat();
        let wrong: [Vec<u8>; 10] = [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80 9\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 ::1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\n".to_vec(),
            long,
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 8]),
            v2(0x21, 0x11, &[0; 5000]),
        ];
        for header in wrong {
            let error = sent(&[&header], Model::Tasks).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{header:?}");
        }
        for cut in [
            &b"PROXY"[..],
            b"PROXY TCP4 192.0.2.7",
            &v2(0x21, 0x11, &[0; 12])[..20],
        ] {
            let error = sent(&[cut], Model::Threads).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut:?}");
        }
    }

    #[test]
    fn proxies_are_named_by_networks() {
        let proxies = Proxies::parse("10.0.0.0/8, 2001:db8::/32,192.0.2.1".split(',')).unwrap();
        let trust = |text: &str| proxies.trust(&Addr::Tcp(text.parse().unwrap()));
        assert!(trust("10.1.2.3:1") && trust("[::ffff:10.1.2.3]:1"));
        assert!(trust("[2001:db8::1]:1") && trust("192.0.2.1:1"));
        assert!(!trust("192.0.2.2:1") && !trust("[::1]:1") && !proxies.trust(&Addr::Unix(None)));
        assert!(
            Proxies::parse(["unix"].into_iter())
                .unwrap()
                .trust(&Addr::Unix(None))
        );
        let error = Proxies::parse(["10.0.0.0/40"].into_iter()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("\"10.0.0.0/40\" is no network")
        );
    }
}
