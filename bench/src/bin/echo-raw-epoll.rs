//! The limit: a level-triggered epoll loop and nothing else, one buffer for all connections.

use std::os::fd::{AsRawFd, IntoRawFd};

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let mut buffer = vec![0_u8; switchboard_bench::BUFFER];
    let listening = listener.as_raw_fd();
    // SAFETY: plain system calls on descriptors this loop owns, with buffers that outlive them.
    unsafe {
        let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let add = |fd: i32| {
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: fd as u64,
            };
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event)
        };
        add(listening);
        let mut events: [libc::epoll_event; 1024] = std::mem::zeroed();
        loop {
            let ready = libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, -1).max(0) as usize;
            for event in &events[..ready] {
                let fd = event.u64 as i32;
                if fd == listening {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nodelay(true)?;
                        stream.set_nonblocking(true)?;
                        add(stream.into_raw_fd());
                    }
                    continue;
                }
                let length = libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0);
                if length <= 0 {
                    if length == 0
                        || std::io::Error::last_os_error().kind() != std::io::ErrorKind::WouldBlock
                    {
                        libc::close(fd);
                    }
                    continue;
                }
                let mut sent = 0;
                while sent < length {
                    let rest = buffer.as_ptr().add(sent as usize).cast();
                    let more = libc::send(fd, rest, (length - sent) as usize, libc::MSG_NOSIGNAL);
                    if more > 0 {
                        sent += more;
                    } else if std::io::Error::last_os_error().kind()
                        == std::io::ErrorKind::WouldBlock
                    {
                        // Its load never sends so much that this is more than a moment.
                        let mut one = libc::pollfd {
                            fd,
                            events: libc::POLLOUT,
                            revents: 0,
                        };
                        libc::poll(&mut one, 1, -1);
                    } else {
                        libc::close(fd);
                        break;
                    }
                }
            }
        }
    }
}
