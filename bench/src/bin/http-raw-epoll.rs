//! The limit for HTTP: a level-triggered epoll loop and nothing else. Every request gets the same 13 bytes, or
//! the file of its path in the folder that the second argument names, by sendfile.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::path::PathBuf;

use switchboard_bench::backend::{answer, head};
use switchboard_bench::epoll::{Epoll, events};

/// Files this long are sent corked: two system calls more, and a sixth less time for 1 MiB.
const LONG: usize = 256 * 1024;

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    hello: Vec<u8>,
    folder: Option<PathBuf>,
    /// The files that are being sent, with the bytes left of each, by the descriptor of the connection.
    left: HashMap<i32, (File, usize)>,
    buffer: Vec<u8>,
}

fn main() -> io::Result<()> {
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    let listening = listener.as_raw_fd() as u64;
    epoll.add(&listener, libc::EPOLLIN, listening)?;
    let mut server = Server {
        epoll,
        listener,
        hello: answer(13),
        folder: std::env::args_os().nth(2).map(PathBuf::from),
        left: HashMap::new(),
        buffer: vec![0; switchboard_bench::BUFFER],
    };
    let mut events = events();
    loop {
        let ready = server.epoll.wait(&mut events, -1)?;
        for event in &events[..ready] {
            if event.u64 == listening {
                server.accept()?;
                continue;
            }
            // SAFETY: the descriptor was a stream's, was let go by `accept`, and is let go again below.
            let stream = unsafe { TcpStream::from_raw_fd(event.u64 as i32) };
            // Dropped, and so closed, where this fails.
            if server.serve(&stream).is_ok() {
                let _ = stream.into_raw_fd();
            } else {
                server.left.remove(&stream.as_raw_fd());
            }
        }
    }
}

impl Server {
    fn accept(&self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let fd = stream.into_raw_fd();
            self.epoll.add(&fd, libc::EPOLLIN, fd as u64)?;
        }
        Ok(())
    }

    fn serve(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        if !self.left.is_empty()
            && let Some((file, left)) = self.left.remove(&stream.as_raw_fd())
        {
            return self.send(stream, file, left, true);
        }
        let read = match stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        let request = &self.buffer[..read];
        // Its load sends whole requests, one at a time.
        if !request.ends_with(b"\r\n\r\n") {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(folder) = &self.folder else {
            return stream.write_all(&self.hello);
        };
        let path = request
            .split(|&byte| byte == b' ')
            .nth(1)
            .unwrap_or_default();
        let path = String::from_utf8_lossy(path);
        let file = File::open(folder.join(path.trim_start_matches('/')))?;
        let length = file.metadata()?.len() as usize;
        let head = head(length);
        if length >= LONG {
            cork(stream, true);
        }
        // SAFETY: a plain system call on a buffer of this length. The head waits for the file's bytes.
        let sent = unsafe {
            let flags = libc::MSG_MORE | libc::MSG_NOSIGNAL;
            libc::send(stream.as_raw_fd(), head.as_ptr().cast(), head.len(), flags)
        };
        match sent == head.len() as isize {
            true => self.send(stream, file, length, false),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Sends what is left of a file; `later` if it is not the first time.
    fn send(
        &mut self,
        stream: &TcpStream,
        file: File,
        mut left: usize,
        later: bool,
    ) -> io::Result<()> {
        let (fd, long) = (stream.as_raw_fd(), left >= LONG);
        while left > 0 {
            // SAFETY: a plain system call. The file's own position moves.
            match unsafe { libc::sendfile(fd, file.as_raw_fd(), std::ptr::null_mut(), left) } {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent @ 1.. => left -= sent as usize,
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::WouldBlock {
                        return Err(error);
                    }
                    self.left.insert(fd, (file, left));
                    return match later {
                        true => Ok(()),
                        false => self.epoll.modify(stream, libc::EPOLLOUT, fd as u64),
                    };
                }
            }
        }
        if later || long {
            cork(stream, false);
        }
        match later {
            true => self.epoll.modify(stream, libc::EPOLLIN, fd as u64),
            false => Ok(()),
        }
    }
}

/// Has the kernel hold back what does not fill a packet, or lets it go.
fn cork(stream: &TcpStream, on: bool) {
    let on = i32::from(on);
    let size = size_of::<i32>() as u32;
    // SAFETY: a plain system call, which reads so many bytes.
    unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CORK,
            value,
            size,
        );
    }
}
