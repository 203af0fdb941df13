//! The options that connections and UDP sockets share.

use std::io;

use socket2::SockRef;

/// Gives a type of socket the methods of the options.
macro_rules! socket_options {
    ($($socket:ty),*) => {
        $(
            impl $socket {
                /// Sets the size of the send buffer in bytes (`SO_SNDBUF`). Linux doubles the number.
                ///
                /// # Errors
                /// The system's.
                pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
                    SockRef::from(self).set_send_buffer_size(bytes)
                }

                /// Returns the size of the send buffer in bytes, as the system counts it.
                ///
                /// # Errors
                /// The system's.
                pub fn send_buffer_size(&self) -> io::Result<usize> {
                    SockRef::from(self).send_buffer_size()
                }

                /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`). Linux doubles the number.
                ///
                /// # Errors
                /// The system's.
                pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
                    SockRef::from(self).set_recv_buffer_size(bytes)
                }

                /// Returns the size of the receive buffer in bytes, as the system counts it.
                ///
                /// # Errors
                /// The system's.
                pub fn recv_buffer_size(&self) -> io::Result<usize> {
                    SockRef::from(self).recv_buffer_size()
                }

                /// Sets how many routers packets may pass (`IP_TTL`, or the hop limit of IPv6).
                ///
                /// # Errors
                /// The system's; a Unix socket has no such option.
                pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
                    let socket = SockRef::from(self);
                    match socket.local_addr()?.is_ipv6() {
                        true => socket.set_unicast_hops_v6(hops),
                        false => socket.set_ttl_v4(hops),
                    }
                }

                /// Returns how many routers packets may pass.
                ///
                /// # Errors
                /// The system's; a Unix socket has no such option.
                pub fn ttl(&self) -> io::Result<u32> {
                    let socket = SockRef::from(self);
                    match socket.local_addr()?.is_ipv6() {
                        true => socket.unicast_hops_v6(),
                        false => socket.ttl_v4(),
                    }
                }

                /// Takes the error that the system keeps for the socket (`SO_ERROR`), if there is one.
                ///
                /// # Errors
                /// The system's, of asking.
                pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                    SockRef::from(self).take_error()
                }
            }
        )*
    };
}

socket_options!(crate::Stream, crate::UdpSocket);
