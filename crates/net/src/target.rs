//! The target of a connect: a name, addresses, or a path.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;

use crate::addr::Addr;

/// The peer that [`Stream::connect`](crate::Stream::connect) connects to.
///
/// ```
/// use switchboard_net::{Target, ToTarget};
///
/// assert_eq!(
///     "example.org:80".to_target()?,
///     Target::Name("example.org".to_owned(), 80),
/// );
/// assert_eq!(
///     "[::1]:80".to_target()?,
///     Target::Addrs(vec!["[::1]:80".parse().unwrap()]),
/// );
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host name and a port. The name is looked up.
    Name(String, u16),
    /// Addresses of one host, in the order to try them.
    Addrs(Vec<SocketAddr>),
    /// The path of a Unix socket.
    Path(PathBuf),
}

/// Values that name a peer.
///
/// - `"host:port"`, `"1.2.3.4:port"`, `"[::1]:port"` and `"[fe80::1%eth0]:port"`, as `str` or `String`. The
///   scope of an IPv6 address, behind `%`, is the name or the number of a network interface.
/// - A pair of a host and a port. The host is a name or an address, and may be in brackets.
/// - A pair of an IP address and a port.
/// - One `SocketAddr`, or several as a slice, an array or a `Vec`.
/// - An [`Addr`], TCP or Unix.
///
/// ```
/// use switchboard_net::{Listener, Stream, ToTarget};
/// use switchboard_runtime::Model;
///
/// async fn greet(peer: impl ToTarget) -> std::io::Result<()> {
///     Stream::connect(peer).await?.write_all(b"hello").await
/// }
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
/// let port = addr.as_tcp().unwrap().port();
/// Model::Tasks.run(async {
///     greet(format!("localhost:{port}")).await?;
///     greet(("127.0.0.1", port)).await?;
///     greet(addr).await
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub trait ToTarget {
    /// Returns the peer. Looks no name up.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is neither a name nor an address with a port, and for the address of
    /// a Unix socket without a path; `NotFound` for a scope that names no network interface.
    fn to_target(&self) -> io::Result<Target>;
}

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> io::Result<Target> {
        (**self).to_target()
    }
}

impl ToTarget for Target {
    fn to_target(&self) -> io::Result<Target> {
        Ok(self.clone())
    }
}

impl ToTarget for str {
    fn to_target(&self) -> io::Result<Target> {
        let parts = self
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parts {
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
                invalid(self, "write an IPv6 address in brackets: [::1]:PORT")
            }
            Some((host, port)) => parse_host(host, port),
            None => invalid(self, "use HOST:PORT"),
        }
    }
}

impl ToTarget for String {
    fn to_target(&self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(&self) -> io::Result<Target> {
        parse_host(self.0, self.1)
    }
}

impl ToTarget for (String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        parse_host(&self.0, self.1)
    }
}

impl ToTarget for [SocketAddr] {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Addrs(self.to_vec()))
    }
}

impl<const N: usize> ToTarget for [SocketAddr; N] {
    fn to_target(&self) -> io::Result<Target> {
        self.as_slice().to_target()
    }
}

impl ToTarget for Vec<SocketAddr> {
    fn to_target(&self) -> io::Result<Target> {
        self.as_slice().to_target()
    }
}

impl ToTarget for Addr {
    fn to_target(&self) -> io::Result<Target> {
        match self {
            Addr::Tcp(addr) => addr.to_target(),
            Addr::Unix(Some(path)) => Ok(Target::Path(path.clone())),
            Addr::Unix(None) => invalid("unix", "this Unix socket has no path"),
        }
    }
}

/// Implements the trait for types that convert to one `SocketAddr`.
macro_rules! addresses {
    ($($type:ty),*) => {
        $(
            impl ToTarget for $type {
                fn to_target(&self) -> io::Result<Target> {
                    Ok(Target::Addrs(vec![SocketAddr::from(*self)]))
                }
            }
        )*
    };
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

fn invalid(text: &str, remedy: &str) -> io::Result<Target> {
    let text = format!("`{text}` is no address: {remedy}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Sorts a host into a name and an address, which may have brackets and a scope.
pub(crate) fn parse_host(host: &str, port: u16) -> io::Result<Target> {
    let bracketed = host.strip_prefix('[').map(|host| host.strip_suffix(']'));
    let literal = match bracketed {
        None => host,
        Some(Some(literal)) => literal,
        Some(None) => return invalid(host, "the bracket is not closed"),
    };
    if bracketed.is_none()
        && let Ok(ip) = literal.parse::<Ipv4Addr>()
    {
        return (ip, port).to_target();
    }
    let (text, scope) = match literal.split_once('%') {
        Some((text, scope)) => (text, Some(scope)),
        None => (literal, None),
    };
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        let scope = scope.map_or(Ok(0), parse_scope)?;
        return SocketAddrV6::new(ip, port, 0, scope).to_target();
    }
    if bracketed.is_some() || host.is_empty() || host.contains([':', '[', ']', '%']) {
        return invalid(host, "use a name, an IPv4 address, or [IPv6]");
    }
    Ok(Target::Name(host.to_owned(), port))
}

/// Returns the number of the network interface that a scope names.
fn parse_scope(scope: &str) -> io::Result<u32> {
    if let Ok(number) = scope.parse() {
        return Ok(number);
    }
    interface(scope).map_err(|error| {
        let text = format!("`{scope}` is no network interface: {error}");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn interface(name: &str) -> io::Result<u32> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(&socket, name)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn interface(name: &str) -> io::Result<u32> {
    use std::net::ToSocketAddrs;
    // The system's resolver knows the interfaces, and asks no server for an address.
    let mut found = (format!("fe80::1%{name}"), 0).to_socket_addrs()?;
    match found.next() {
        Some(SocketAddr::V6(addr)) if addr.scope_id() != 0 => Ok(addr.scope_id()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: impl ToTarget) -> SocketAddr {
        match text.to_target().unwrap() {
            Target::Addrs(addrs) => addrs[0],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_never_taken_for_names() {
        assert_eq!(addr("127.0.0.1:9").to_string(), "127.0.0.1:9");
        assert_eq!(addr("[::1]:9").to_string(), "[::1]:9");
        assert_eq!(addr(("::1", 9)).to_string(), "[::1]:9");
        assert_eq!(addr(("[::1]", 9)).to_string(), "[::1]:9");
        assert_eq!(addr(("[::1]".to_owned(), 9)).to_string(), "[::1]:9");
        let ip: IpAddr = "::1".parse().unwrap();
        assert_eq!(addr((ip, 9)).to_string(), "[::1]:9");
    }

    #[test]
    fn a_scope_is_a_number_or_an_interface() {
        assert_eq!(addr("[fe80::1%7]:9").to_string(), "[fe80::1%7]:9");
        if cfg!(target_os = "linux") {
            let SocketAddr::V6(by_name) = addr("[fe80::1%lo]:9") else {
                panic!("an IPv6 address");
            };
            assert_ne!(by_name.scope_id(), 0);
        }
        let error = "[fe80::1%none-such]:9".to_target().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn other_texts_are_refused() {
        let texts = [
            "nowhere",
            "host:",
            "host:x",
            "host:70000",
            ":80",
            "::1:80",
            "[::1:80",
            "[host]:80",
            "[127.0.0.1]:80",
            "[]:80",
            "a%b:80",
            "",
        ];
        for text in texts {
            let error = text.to_target().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
        assert!(Addr::Unix(None).to_target().is_err());
    }
}
