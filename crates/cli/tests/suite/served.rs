//! A `switchboard serve` process for one test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_switchboard");

/// A running server. It stops when this value is dropped, by the end of its stdin.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) addr: String,
    pub(crate) stderr: BufReader<std::process::ChildStderr>,
}

impl Served {
    /// Starts `switchboard serve …`, with a limit of descriptors if one is given.
    pub(crate) fn start(arguments: &[&str], descriptors: Option<usize>) -> Served {
        match descriptors {
            None => Served::start_under(&[], arguments),
            Some(limit) => {
                let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
                Served::start_under(&["sh", "-c", &script], arguments)
            }
        }
    }

    /// Starts the server as an argument of another program, such as strace.
    pub(crate) fn start_under(program: &[&str], arguments: &[&str]) -> Served {
        let words = [program, &[BINARY]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        Served::start_command(command, arguments)
    }

    /// Starts the server with `command`, which runs `switchboard`.
    pub(crate) fn start_command(mut command: Command, arguments: &[&str]) -> Served {
        let mut child = command
            .arg("serve")
            .args(arguments)
            .arg("--until-eof")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| {
                let mut text = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut text)
                    .unwrap();
                panic!("{arguments:?} printed {line:?} and {text}")
            });
        Served {
            addr: addr.to_owned(),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    pub(crate) fn echo(arguments: &[&str]) -> Served {
        Served::start(
            &[&["echo", "--listen", "127.0.0.1:0"], arguments].concat(),
            None,
        )
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let addr: SocketAddr = self.addr.parse().unwrap();
        let stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    /// Stops the server and returns the rest of its stderr.
    pub(crate) fn stop(mut self) -> String {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "{text}");
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Sends one small message and receives it back.
pub(crate) fn round_trip(stream: &mut TcpStream) {
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

/// Sends `bytes` in pieces of `write` bytes and meanwhile reads to the end, `read` bytes at most at a
/// time. Returns what came back.
pub(crate) fn echo_through<S: Read + Write + Send>(
    mut reader: S,
    mut writer: S,
    bytes: &[u8],
    write: usize,
    read: usize,
    half_close: impl FnOnce() + Send,
) -> Vec<u8> {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in bytes.chunks(write) {
                writer.write_all(piece).unwrap();
            }
            half_close();
        });
        let mut back = Vec::new();
        let mut buffer = vec![0; read];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return back,
                Ok(length) => back.extend_from_slice(&buffer[..length]),
                // A read with a time limit is not restarted when its process was stopped and goes on.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
}

pub(crate) fn echo_tcp(stream: &TcpStream, bytes: &[u8], write: usize, read: usize) -> Vec<u8> {
    let (reader, writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    echo_through(reader, writer, bytes, write, read, || {
        stream.shutdown(Shutdown::Write).unwrap();
    })
}

/// Runs the command until it ends, without the proxies of this machine.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
