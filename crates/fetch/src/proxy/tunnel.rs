//! What a client says to a proxy that is to connect further: `CONNECT` (RFC 9110), or SOCKS 5 (RFC 1928 and 1929).

use std::io;
use std::net::{IpAddr, SocketAddr};

use switchboard_net::Stream;

use crate::target::Origin;

use super::{Kind, Proxy};

/// The most bytes of a proxy's answer to `CONNECT`.
const LONGEST_ANSWER: usize = 64 * 1024;

impl Proxy {
    /// Has the proxy connect further to `origin`, over a connection to the proxy. A proxy that wants an address gets
    /// `addr`.
    ///
    /// # Errors
    /// What the proxy refuses, with its name.
    pub(crate) async fn tunnel(
        &self,
        stream: &Stream,
        origin: &Origin,
        addr: Option<SocketAddr>,
    ) -> io::Result<()> {
        let made = match self.kind {
            Kind::Http => self.connect(stream, origin).await,
            Kind::Socks(_) => self.socks(stream, origin, addr).await,
        };
        made.map_err(|error| io::Error::new(error.kind(), format!("{self}: {error}")))
    }

    async fn connect(&self, stream: &Stream, origin: &Origin) -> io::Result<()> {
        let host = match origin.host.contains(':') {
            true => format!("[{}]:{}", origin.host, origin.port),
            false => format!("{}:{}", origin.host, origin.port),
        };
        let mut head = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
        if let Some(credentials) = &self.credentials {
            head.extend_from_slice(b"proxy-authorization: ");
            head.extend_from_slice(credentials.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await?;
        let mut answer = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            let length = stream.read(&mut buffer).await?;
            if length == 0 {
                return Err(refused(
                    "it closed the connection while it was to connect further",
                ));
            }
            answer.extend_from_slice(&buffer[..length]);
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut parsed = httparse::Response::new(&mut fields);
            let whole = parsed.parse(&answer).map_err(|error| {
                let text = format!("it does not answer in HTTP: {error}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            let code = parsed.code.unwrap_or_default();
            match whole {
                httparse::Status::Partial if answer.len() > LONGEST_ANSWER => {
                    return Err(refused("its answer does not end"));
                }
                httparse::Status::Partial => {}
                httparse::Status::Complete(length) if code / 100 == 2 => {
                    if answer.len() > length {
                        return Err(refused("it sent bytes of its own before the server's"));
                    }
                    return Ok(());
                }
                httparse::Status::Complete(_) => {
                    let reason = parsed.reason.unwrap_or_default();
                    let text = format!("it answers {code} {reason} to a request for {host}");
                    return Err(refused(text.trim()));
                }
            }
        }
    }

    async fn socks(
        &self,
        stream: &Stream,
        origin: &Origin,
        addr: Option<SocketAddr>,
    ) -> io::Result<()> {
        // Version 5, and the ways to authenticate: none, or by a password.
        let with_password = self.credentials.is_some();
        let methods: &[u8] = if with_password {
            &[5, 2, 0, 2]
        } else {
            &[5, 1, 0]
        };
        stream.write_all(methods).await?;
        match answer(stream).await? {
            [5, 0] => {}
            [5, 2] if with_password => {
                let mut login = vec![1, self.user.len() as u8];
                login.extend_from_slice(&self.user);
                login.push(self.password.len() as u8);
                login.extend_from_slice(&self.password);
                stream.write_all(&login).await?;
                if answer::<2>(stream).await?[1] != 0 {
                    return Err(refused("it does not accept the user and the password"));
                }
            }
            [5, _] => return Err(refused("it wants another way to authenticate")),
            _ => return Err(refused("it does not speak SOCKS 5")),
        }
        // Connect, to an address of version 4 or 6, or to a name.
        let mut request = vec![5, 1, 0];
        match addr
            .map(|addr| addr.ip())
            .or_else(|| origin.host.parse().ok())
        {
            Some(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                request.push(4);
                request.extend_from_slice(&ip.octets());
            }
            None => {
                let Ok(length) = u8::try_from(origin.host.len()) else {
                    return Err(refused("a host's name has more than 255 bytes"));
                };
                request.extend_from_slice(&[3, length]);
                request.extend_from_slice(origin.host.as_bytes());
            }
        }
        request.extend_from_slice(&origin.port.to_be_bytes());
        stream.write_all(&request).await?;
        let [version, status, _, kind] = answer(stream).await?;
        if version != 5 || status != 0 {
            let text = format!("it cannot connect to {}: {}", origin.host, why(status));
            return Err(refused(&text));
        }
        // The address that it connects from, which says nothing to a client.
        let length = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(answer::<1>(stream).await?[0]),
            _ => return Err(refused("it does not speak SOCKS 5")),
        };
        let mut rest = vec![0; length + 2];
        stream.read_exact(&mut rest).await
    }
}

/// Reads exactly so many bytes, since what follows is the server's.
async fn answer<const LENGTH: usize>(stream: &Stream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn why(status: u8) -> String {
    let text = match status {
        2 => "its rules do not allow it",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "it took too long",
        _ => return format!("status {status}"),
    };
    text.to_owned()
}

fn refused(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, text)
}
