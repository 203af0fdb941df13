//! The contenders, and how each is started.

mod chat;
mod echo;
mod http;
mod programs;
mod server;

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use chat::{chat, chat_beside};
pub use echo::{beside, built, elsewhere};
pub use http::{http, http_beside};
pub use server::{Server, clock};

use crate::site::{Site, Told};

/// The priority that servers and load ask for.
pub const PRIORITY: i32 = -20;

/// The kind of service that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Echo: the server sends back every byte.
    Echo,
    /// It answers every request with a greeting of 13 bytes.
    Hello,
    /// The same, over TLS.
    Tls,
    /// It serves a folder.
    Files,
    /// It passes requests on to a back end.
    Proxy,
    /// Chat over WebSocket: who says something in a room is heard by all who are in it.
    Chat,
    /// The same, with what a server may do with a client that does not read.
    Frozen,
    /// It sends back every WebSocket message.
    WebSocket,
}

/// A server to compare.
#[derive(Clone)]
pub struct Contender {
    /// As `--only` knows it.
    pub name: String,
    /// What it does.
    pub service: Service,
    program: PathBuf,
    arguments: Vec<String>,
    /// What its file `configuration` has, if it reads one.
    configuration: &'static str,
    /// Why it can't run here.
    pub missing: Option<String>,
}

/// Gives this process, a child, a session of its own and the highest priority, and has it get the signal
/// `death` when its parent ends. The scheduler may divide a core among sessions before it looks at priorities.
///
/// # Errors
/// The system's. A priority that is refused is no error.
pub fn set_apart(death: i32) -> io::Result<()> {
    // SAFETY: plain system calls.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, death);
        if libc::setsid() < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::setpriority(libc::PRIO_PROCESS, 0, PRIORITY);
    }
    // The session's, where there is one.
    let _ = fs::write("/proc/self/autogroup", PRIORITY.to_string());
    Ok(())
}

impl Contender {
    /// The same under another name.
    #[must_use]
    pub fn called(&self, name: String) -> Contender {
        Contender {
            name,
            ..self.clone()
        }
    }

    /// Starts it on `core`, set apart; by `wrapper`, a program and its options, if there is one. A proxy
    /// passes requests on to the back end `to`.
    ///
    /// # Errors
    /// The system's; `Other` for a server that does not listen, with its reason.
    pub fn start(
        &self,
        core: usize,
        wrapper: &[String],
        site: &Site,
        to: Option<SocketAddr>,
    ) -> io::Result<Server> {
        if let Some(why) = &self.missing {
            return Err(io::Error::other(why.clone()));
        }
        let folder = site.server()?;
        let port = free_port()?;
        let told = Told {
            site,
            folder: &folder,
            port,
            to,
        };
        let configuration = told.fill(self.configuration);
        fs::write(folder.join("configuration"), &configuration)?;
        let arguments: Vec<String> = self.arguments.iter().map(|word| told.fill(word)).collect();
        // The others choose a port themselves, and say which.
        let chosen = self.arguments.iter().any(|word| word.contains("@PORT@"))
            || self.configuration.contains("@PORT@");
        let mut command = self.command(core, wrapper, chosen);
        command.args(&arguments).stdin(Stdio::null());
        let log = folder.join("log");
        command.stderr(File::create(&log)?);
        command.stdout(match chosen {
            true => Stdio::null(),
            false => Stdio::piped(),
        });
        let mut server = Server {
            child: command.spawn()?,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            has_workers: chosen,
            told: format!(
                "{} {}\n{configuration}",
                self.program.display(),
                arguments.join(" ")
            ),
        };
        let listens = match chosen {
            true => server.listens(),
            false => server.says_where(),
        };
        if !listens? {
            return Err(io::Error::other(format!("did not start: {}", reason(&log))));
        }
        Ok(server)
    }

    fn command(&self, core: usize, wrapper: &[String], chosen: bool) -> Command {
        let mut command = match wrapper {
            [] => Command::new(&self.program),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(&self.program);
                command
            }
        };
        // One worker, where it is Go's.
        command.env("GOMAXPROCS", "1");
        // What may have workers has to be able to end them.
        let death = if chosen { libc::SIGTERM } else { libc::SIGKILL };
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                set_apart(death)?;
                switchboard_lab::pin(None, core)
            });
        }
        command
    }
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(listener.local_addr()?.port())
}

/// The line in which a server that does not start says why.
fn reason(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.clone().next().unwrap_or("it said nothing");
    let words = ["[alert]", "[emerg]", "error"];
    let says = |line: &&str| words.iter().any(|word| line.to_lowercase().contains(word));
    lines.find(says).unwrap_or(first).to_owned()
}
