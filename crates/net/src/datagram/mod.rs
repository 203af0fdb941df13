//! Datagrams: the system calls that UDP and Unix sockets share.

mod options;
pub(crate) mod udp;
pub(crate) mod unix;

use std::io;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recv, recvfrom, send};
use switchboard_runtime::{Direction, Source, Transfer};

fn recv_flags(may_block: bool) -> RecvFlags {
    match may_block {
        true => RecvFlags::empty(),
        false => RecvFlags::DONTWAIT,
    }
}

fn send_flags(may_block: bool) -> SendFlags {
    match may_block {
        true => SendFlags::NOSIGNAL,
        false => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    }
}

/// Returns the transfer of one datagram. That it is shorter than a buffer says nothing about the next.
fn datagram(bytes: usize) -> Transfer {
    let short = false;
    Transfer { bytes, short }
}

fn poll_send(source: &Source, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    source.poll_call(context, Direction::Write, |fd, may_block| {
        let sent = send(fd, bytes, send_flags(may_block))?;
        Ok((sent, datagram(sent)))
    })
}

fn poll_recv(
    source: &Source,
    context: &mut Context<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Poll<io::Result<usize>> {
    source.poll_call(context, Direction::Read, |fd, may_block| {
        let (_, length) = recv(fd, &mut *buffer, recv_flags(may_block) | flags)?;
        Ok((length, datagram(length)))
    })
}

fn poll_recv_from(
    source: &Source,
    context: &mut Context<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Poll<io::Result<(usize, Option<SocketAddrAny>)>> {
    source.poll_call(context, Direction::Read, |fd, may_block| {
        let (_, length, from) = recvfrom(fd, &mut *buffer, recv_flags(may_block) | flags)?;
        Ok(((length, from), datagram(length)))
    })
}
