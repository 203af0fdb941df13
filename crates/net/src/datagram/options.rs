//! The options of a UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::SockRef;

use super::udp::UdpSocket;

// Each method fails with the system's error.
impl UdpSocket {
    /// Sets whether datagrams can be sent to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    /// The system's.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_broadcast(on)
    }

    /// Returns whether datagrams can be sent to broadcast addresses.
    ///
    /// # Errors
    /// The system's.
    pub fn broadcast(&self) -> io::Result<bool> {
        SockRef::from(self).broadcast()
    }

    /// Sets how many routers datagrams to IPv4 groups may pass. 1 unless it is set.
    ///
    /// # Errors
    /// The system's.
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        SockRef::from(self).set_multicast_ttl_v4(hops)
    }

    /// Returns how many routers datagrams to IPv4 groups may pass.
    ///
    /// # Errors
    /// The system's.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        SockRef::from(self).multicast_ttl_v4()
    }

    /// Sets whether this machine receives its own datagrams to IPv4 groups. On unless it is set.
    ///
    /// # Errors
    /// The system's.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_multicast_loop_v4(on)
    }

    /// Returns whether this machine receives its own datagrams to IPv4 groups.
    ///
    /// # Errors
    /// The system's.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        SockRef::from(self).multicast_loop_v4()
    }

    /// Sets whether this machine receives its own datagrams to IPv6 groups. On unless it is set.
    ///
    /// # Errors
    /// The system's.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_multicast_loop_v6(on)
    }

    /// Returns whether this machine receives its own datagrams to IPv6 groups.
    ///
    /// # Errors
    /// The system's.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        SockRef::from(self).multicast_loop_v6()
    }

    /// Joins a multicast group, so that datagrams to it are received, on the interface with this address; the
    /// system chooses for `UNSPECIFIED`.
    ///
    /// # Errors
    /// The system's, such as `AddrNotAvailable` for an address that is no group.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        SockRef::from(self).join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group on the interface with this address; the system chooses for `UNSPECIFIED`.
    ///
    /// # Errors
    /// The system's, such as `AddrNotAvailable` for an address that is no group.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        SockRef::from(self).leave_multicast_v4(&group, &interface)
    }

    /// Joins a multicast group, so that datagrams to it are received, on the interface with this number; the
    /// system chooses for 0.
    ///
    /// # Errors
    /// The system's, such as `AddrNotAvailable` for an address that is no group.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        SockRef::from(self).join_multicast_v6(&group, interface)
    }

    /// Leaves a multicast group on the interface with this number; the system chooses for 0.
    ///
    /// # Errors
    /// The system's, such as `AddrNotAvailable` for an address that is no group.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        SockRef::from(self).leave_multicast_v6(&group, interface)
    }
}
