//! The contenders, and how each is started.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The priority that servers and load ask for.
pub const PRIORITY: i32 = -20;

/// A server to compare.
#[derive(Clone)]
pub struct Contender {
    /// As `--only` knows it.
    pub name: String,
    program: PathBuf,
    before: Vec<String>,
    after: Vec<String>,
}

/// A server that runs; it ends when it is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that its threads have used up, read when they are asleep: when the clock has stood
    /// still for a moment. Those that never rest are not waited for long.
    pub fn cpu(&self) -> Duration {
        let mut before = clock(self.pid());
        for _ in 0..20 {
            std::thread::sleep(Duration::from_micros(200));
            let now = clock(self.pid());
            if now == before {
                break;
            }
            before = now;
        }
        before
    }
}

/// A process's processor time; 0 is this one.
pub fn clock(pid: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both are told where to write.
    unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock);
        libc::clock_gettime(clock, &raw mut time);
    }
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives this process, a child, a session of its own and the highest priority, and has it end with its
/// parent. The scheduler may divide a core among sessions before it looks at priorities.
///
/// # Errors
/// The system's. A priority that is refused is no error.
pub fn set_apart() -> io::Result<()> {
    // SAFETY: plain system calls.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::setsid() < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::setpriority(libc::PRIO_PROCESS, 0, PRIORITY);
    }
    // The session's, where there is one.
    let _ = std::fs::write("/proc/self/autogroup", PRIORITY.to_string());
    Ok(())
}

fn beside_this(program: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    path.set_file_name(program);
    path
}

fn built_here(name: &str, program: &str, after: &[&str]) -> Contender {
    Contender {
        name: name.to_owned(),
        program: beside_this(program),
        before: Vec::new(),
        after: after.iter().map(|&word| word.to_owned()).collect(),
    }
}

/// Those built here.
pub fn built() -> Vec<Contender> {
    let ours = |name: &str| {
        built_here(
            name,
            "echo-switchboard",
            &name.split('/').collect::<Vec<_>>(),
        )
    };
    vec![
        built_here("raw-epoll", "echo-raw-epoll", &[]),
        built_here("raw-uring", "echo-raw-uring", &[]),
        ours("tasks/epoll"),
        ours("tasks/uring"),
        ours("green/epoll"),
        ours("callbacks/epoll"),
        ours("callbacks/uring"),
        ours("threads"),
        built_here("tokio", "echo-tokio", &[]),
        built_here("tokio-multi", "echo-tokio", &["multi"]),
        built_here("monoio", "echo-monoio", &[]),
        built_here("compio", "echo-compio", &[]),
        built_here("smol", "echo-smol", &[]),
        built_here("may", "echo-may", &[]),
        built_here("std-threads", "echo-threads", &[]),
    ]
}

/// Another build of `echo-switchboard`, under every model that is known here.
pub fn beside(program: &str) -> Vec<Contender> {
    let this = beside_this("echo-switchboard");
    let ours = built().into_iter().filter(|one| one.program == this);
    ours.map(|one| Contender {
        name: format!("beside/{}", one.name),
        program: program.into(),
        ..one
    })
    .collect()
}

/// Those of other languages that this machine can run.
pub fn elsewhere() -> Vec<Contender> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let mut all = Vec::new();
    let compiled = Command::new("go")
        .args(["build", "-o"])
        .arg(beside_this("echo-go"))
        .arg(format!("{folder}/echo.go"))
        .status();
    if compiled.is_ok_and(|status| status.success()) {
        all.push(built_here("go", "echo-go", &[]));
    }
    for (name, program, probe, script, after) in [
        (
            "asyncio",
            "python3",
            "import asyncio",
            "echo_asyncio.py",
            None,
        ),
        (
            "uvloop",
            "python3",
            "import uvloop",
            "echo_asyncio.py",
            Some("uvloop"),
        ),
        ("gevent", "python3", "import gevent", "echo_gevent.py", None),
        (
            "twisted",
            "python3",
            "import twisted",
            "echo_twisted.py",
            None,
        ),
        ("node", "node", "", "echo.js", None),
    ] {
        let option = if program == "node" { "-e" } else { "-c" };
        // A contender without an interpreter or its module is left out.
        let found = Command::new(program)
            .args([option, probe])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if found {
            all.push(Contender {
                name: name.to_owned(),
                program: program.into(),
                before: vec![format!("{folder}/{script}")],
                after: after.map(str::to_owned).into_iter().collect(),
            });
        }
    }
    all
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

    /// Starts it on `core`, set apart; by `wrapper`, a program and its options, if there is one.
    ///
    /// # Errors
    /// The system's; `Other` for a server that does not say where it listens.
    pub fn start(&self, core: usize, wrapper: &[String]) -> io::Result<Server> {
        let mut command = match wrapper {
            [] => Command::new(&self.program),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(&self.program);
                command
            }
        };
        command
            .args(&self.before)
            // Any address of the machine: a crowd of clients needs more than one.
            .arg("0.0.0.0:0")
            .args(&self.after)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                set_apart()?;
                switchboard_lab::pin(None, core)
            });
        }
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let port = line
            .trim()
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("nothing").to_owned();
            return Err(io::Error::other(format!("did not start: {said}")));
        };
        Ok(Server {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }
}
