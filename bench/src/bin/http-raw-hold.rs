//! The limit for slow clients: a level-triggered epoll loop that answers `GET / ` with 13 bytes and `GET /large `
//! with as many as the socket takes, and holds what is no whole head, or has a body, for ever.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

use switchboard_bench::backend::{answer, head};
use switchboard_bench::epoll::{Epoll, events};

const LARGE: usize = 16 * 1024 * 1024;

fn main() -> io::Result<()> {
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    let listening = listener.as_raw_fd() as u64;
    epoll.add(&listener, libc::EPOLLIN, listening)?;
    let hello = answer(13);
    let large = [head(LARGE).into_bytes(), vec![b'x'; LARGE]].concat();
    let mut buffer = vec![0; switchboard_bench::BUFFER];
    let mut slow = HashSet::new();
    let mut events = events();
    loop {
        let ready = epoll.wait(&mut events, -1)?;
        for event in &events[..ready] {
            if event.u64 == listening {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    let fd = stream.into_raw_fd();
                    epoll.add(&fd, libc::EPOLLIN, fd as u64)?;
                }
                continue;
            }
            let fd = event.u64 as i32;
            // SAFETY: the descriptor was a stream's, was let go when it was accepted, and is let go again below.
            let mut stream = unsafe { TcpStream::from_raw_fd(fd) };
            let kept = match stream.read(&mut buffer) {
                Ok(0) => false,
                Ok(_) if slow.contains(&fd) => true,
                Ok(read) => {
                    let whole = buffer[..read].ends_with(b"\r\n\r\n");
                    match &buffer[..read] {
                        request if whole && request.starts_with(b"GET / ") => {
                            stream.write_all(&hello).is_ok()
                        }
                        request if whole && request.starts_with(b"GET /large ") => {
                            slow.insert(fd);
                            stream.write(&large).is_ok()
                        }
                        _ => slow.insert(fd),
                    }
                }
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            // Dropped, and so closed, where it has ended.
            if kept {
                let _ = stream.into_raw_fd();
            } else {
                slow.remove(&fd);
            }
        }
    }
}
