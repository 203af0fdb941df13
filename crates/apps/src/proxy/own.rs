//! Whether a back end is the proxy itself.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use switchboard_net::{Addr, Target};

use super::backend::Backend;

/// Refuses a back end that listens where the proxy does.
///
/// # Errors
/// `InvalidInput`, with both addresses.
pub(super) fn refuse(backend: &Backend, listen: &Addr) -> io::Result<()> {
    let is_own = match (listen, backend.to().target()) {
        (Addr::Tcp(listen), _) => backend.addrs().iter().any(|addr| is_same(addr, listen)),
        (Addr::Unix(Some(listen)), Target::Path(path)) => {
            let same_file = || Some(listen.canonicalize().ok()? == path.canonicalize().ok()?);
            listen == path || same_file() == Some(true)
        }
        (Addr::Unix(_), _) => false,
    };
    match is_own {
        false => Ok(()),
        true => {
            let text = format!(
                "the back end {backend} is this proxy itself, which listens on {listen}: use another address"
            );
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

/// Returns whether a connection to `addr` reaches who listens on `listen`.
pub(super) fn is_same(addr: &SocketAddr, listen: &SocketAddr) -> bool {
    if addr.port() != listen.port() {
        return false;
    }
    let (ip, listen) = (addr.ip().to_canonical(), listen.ip().to_canonical());
    // An unspecified address listens on all of this machine's, and connects to this machine.
    ip == listen
        || (listen.is_unspecified() && is_local(addr))
        || (ip.is_unspecified() && listen.is_loopback())
}

/// Returns whether an address is of this machine: only such a one can be bound.
fn is_local(addr: &SocketAddr) -> bool {
    UdpSocket::bind((addr.ip(), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_known_in_every_form() {
        let same = |a: &str, b: &str| is_same(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("127.0.0.1:80", "127.0.0.1:80"));
        assert!(same("127.0.0.1:80", "0.0.0.0:80"));
        assert!(same("127.3.2.1:80", "0.0.0.0:80"));
        assert!(same("0.0.0.0:80", "127.0.0.1:80"));
        assert!(same("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
        assert!(!same("127.0.0.1:81", "127.0.0.1:80"));
        assert!(!same("127.0.0.2:80", "127.0.0.1:80"));
        // An address for documentation, which no machine has.
        assert!(!same("192.0.2.1:80", "0.0.0.0:80"));
    }
}
