//! The log of a server, which is written without ever waiting for its reader.
//!
//! A server that waits for the reader of its log no longer serves. Each line is therefore offered to the
//! system once. A line that is not taken, because a pipe is full or closed or a disk has no room, is lost and
//! counted, and the count is written before the next line that is taken. No thread is needed, so that a
//! server can fork.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FileType;
use rustix::net::SendFlags;

use crate::output::Count;

/// How long the last lines of a server may wait for the reader.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The bytes that a pipe takes at once if poll(2) says that it is writable.
const PIECE: usize = 4096;

/// A log on a standard stream. A clone writes to the same log.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<State>>);

struct State {
    sink: Sink,
    /// The end of a line of which the beginning was written.
    rest: Vec<u8>,
    /// Lines that were lost and not reported yet.
    lost: u64,
    /// The process that lost them: a forked one starts anew.
    process: u32,
}

impl Log {
    pub(crate) fn stdout() -> Log {
        Log::new(io::stdout().as_fd(), 1)
    }

    pub(crate) fn stderr() -> Log {
        Log::new(io::stderr().as_fd(), 2)
    }

    fn new(stream: BorrowedFd<'_>, number: u32) -> Log {
        Log(Arc::new(Mutex::new(State {
            sink: Sink::new(stream, number),
            rest: Vec::new(),
            lost: 0,
            process: std::process::id(),
        })))
    }

    /// Writes a line, or counts it as lost. Never blocks, and returns whether it was written.
    pub(crate) fn line(&self, text: impl fmt::Display) -> bool {
        self.line_within(Duration::ZERO, text)
    }

    /// Writes a line, for which the reader may take `limit` to make room.
    pub(crate) fn line_within(&self, limit: Duration, text: impl fmt::Display) -> bool {
        let line = format!("{text}\n");
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.line(line.as_bytes(), Instant::now() + limit)
    }

    /// Writes the panics of this process to this log, in place of std's hook, which would wait for the
    /// reader of stderr.
    pub(crate) fn catch_panics(&self) {
        let log = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("<unnamed>").to_owned();
            let trace = std::backtrace::Backtrace::capture();
            match trace.status() {
                std::backtrace::BacktraceStatus::Captured => {
                    log.line(format_args!("thread '{name}' {panic}\n{trace}"))
                }
                _ => log.line(format_args!("thread '{name}' {panic}")),
            };
        }));
    }
}

impl State {
    fn line(&mut self, line: &[u8], deadline: Instant) -> bool {
        let process = std::process::id();
        if std::mem::replace(&mut self.process, process) != process {
            (self.lost, self.rest) = (0, Vec::new());
        }
        let written = self.write_backlog(deadline) && self.write(line, deadline);
        self.lost += u64::from(!written);
        written
    }

    /// Writes what comes before the next line; returns whether nothing is left of it.
    fn write_backlog(&mut self, deadline: Instant) -> bool {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            if !self.write(&rest, deadline) {
                self.rest = rest;
            }
            if !self.rest.is_empty() {
                return false;
            }
        }
        if self.lost > 0 {
            let was = if self.lost == 1 { "was" } else { "were" };
            let lost = Count(self.lost, "line");
            let text =
                format!("switchboard: {lost} {was} lost, because the log was not writable\n");
            if !self.write(text.as_bytes(), deadline) {
                return false;
            }
            self.lost = 0;
        }
        self.rest.is_empty()
    }

    /// Writes bytes and returns whether some of them were taken; the others become the rest.
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> bool {
        let mut left = bytes;
        while !left.is_empty() {
            match self.sink.write(left) {
                Ok(taken) if taken > 0 => left = &left[taken..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && Instant::now() < deadline
                        && self.sink.is_writable_by(deadline) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let taken = left.len() < bytes.len();
        if taken {
            self.rest = left.to_vec();
        }
        taken
    }
}

/// A standard stream, as it is written to without waiting.
enum Sink {
    /// A pipe or a terminal that was opened again. The flag O_NONBLOCK of the stream itself is shared with
    /// other processes, which may not expect it.
    Reopened(File),
    Socket(OwnedFd),
    /// A file; and a pipe that cannot be opened again, which could still block if another process writes
    /// to it at the same moment.
    Polled(File),
    /// Not to be had, for want of a descriptor.
    Missing,
}

impl Sink {
    fn new(stream: BorrowedFd<'_>, number: u32) -> Sink {
        let kind = rustix::fs::fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
        if matches!(kind, Ok(FileType::Fifo | FileType::CharacterDevice))
            && let Some(file) = reopen(number)
        {
            return Sink::Reopened(file);
        }
        match (stream.try_clone_to_owned(), kind) {
            (Ok(stream), Ok(FileType::Socket)) => Sink::Socket(stream),
            (Ok(stream), _) => Sink::Polled(stream.into()),
            (Err(_), _) => Sink::Missing,
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Reopened(file) => (&*file).write(bytes),
            Sink::Socket(socket) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(socket, bytes, flags)?)
            }
            Sink::Polled(file) => match self.is_writable_by(Instant::now()) {
                true => (&*file).write(&bytes[..bytes.len().min(PIECE)]),
                false => Err(io::ErrorKind::WouldBlock.into()),
            },
            Sink::Missing => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Waits until a write would not block, and returns whether that was so before `deadline`.
    fn is_writable_by(&self, deadline: Instant) -> bool {
        let stream = match self {
            Sink::Reopened(file) | Sink::Polled(file) => file.as_fd(),
            Sink::Socket(socket) => socket.as_fd(),
            Sink::Missing => return false,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        let mut fds = [PollFd::from_borrowed_fd(stream, PollFlags::OUT)];
        let polled = rustix::event::poll(&mut fds, left.as_ref());
        // After a signal the caller looks at the time, and asks again.
        matches!(polled, Ok(1..) | Err(rustix::io::Errno::INTR))
    }
}

/// Opens a standard stream again, in non-blocking mode. Only Linux gives it flags of its own.
fn reopen(number: u32) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = File::options();
    options.write(true).custom_flags(flags.bits().cast_signed());
    let path = format!("/proc/self/fd/{number}");
    cfg!(target_os = "linux")
        .then(|| options.open(path).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn fill(log: &Log) -> usize {
        let mut written = 0;
        while log.line(format_args!("line {written} {}", "x".repeat(100))) {
            written += 1;
        }
        written
    }

    /// Fills the log, loses more lines, reads all, and expects the count before the next line.
    fn assert_lost_lines_are_counted(log: &Log, mut reader: impl Read) {
        let written = fill(log);
        assert!(written > 5);
        assert!(!log.line("lost as well"));
        let mut text = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        let length = reader.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..length]);
        assert!(log.line("next"));
        while !text.ends_with(b"next\n") {
            let length = reader.read(&mut buffer).unwrap();
            text.extend_from_slice(&buffer[..length]);
        }
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let ends = &lines[lines.len() - 2..];
        let counted = "switchboard: 2 lines were lost, because the log was not writable";
        assert_eq!(ends, [counted, "next"]);
        for (at, line) in lines[..written].iter().enumerate() {
            assert_eq!(*line, format!("line {at} {}", "x".repeat(100)));
        }
        assert_eq!(lines.len(), written + 2);
    }

    fn number(stream: &impl AsRawFd) -> u32 {
        stream.as_raw_fd().cast_unsigned()
    }

    #[test]
    fn lines_that_a_full_pipe_does_not_take_are_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer.as_fd(), number(&writer));
        assert_lost_lines_are_counted(&log, reader);
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_polled() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer.as_fd(), u32::MAX);
        assert_lost_lines_are_counted(&log, reader);
    }

    #[test]
    fn lines_that_a_full_socket_does_not_take_are_counted() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let log = Log::new(writer.as_fd(), number(&writer));
        assert_lost_lines_are_counted(&log, reader);
    }

    #[test]
    fn a_last_line_waits_for_its_reader() {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer.as_fd(), number(&writer));
        fill(&log);
        assert!(!log.line_within(Duration::from_millis(20), "no reader"));
        let reading = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(log.line_within(Duration::from_secs(60), "the report"));
        drop((log, writer));
        assert!(reading.join().unwrap().ends_with("\nthe report\n"));
    }

    #[test]
    fn a_closed_pipe_and_a_full_disk_lose_lines_only() {
        let (reader, writer) = io::pipe().unwrap();
        let closed = Log::new(writer.as_fd(), number(&writer));
        drop(reader);
        let disk = File::options().write(true).open("/dev/full").unwrap();
        let full = Log::new(disk.as_fd(), number(&disk));
        for log in [closed, full] {
            assert!(!log.line("lost"));
            assert!(!log.line_within(Duration::from_secs(60), "lost"));
        }
    }
}
