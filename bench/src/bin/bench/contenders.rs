//! Who is compared, and how each is started.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server to compare.
pub(crate) struct Contender {
    pub(crate) name: String,
    program: PathBuf,
    before: Vec<String>,
    after: Vec<String>,
}

/// A server that runs; it ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that its threads have used up.
    pub(crate) fn cpu(&self) -> Duration {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both are told where to write.
        unsafe {
            libc::clock_getcpuclockid(self.child.id().cast_signed(), &raw mut clock);
            libc::clock_gettime(clock, &raw mut time);
        }
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those built here, another build of our server if there is one, and those of other languages that this
/// machine can run.
pub(crate) fn all(other: Option<&str>) -> Vec<Contender> {
    let beside = |program: &str| {
        let mut path = std::env::current_exe().unwrap_or_default();
        path.set_file_name(program);
        path
    };
    let built = |name: &str, program: &str, after: &[&str]| Contender {
        name: name.to_owned(),
        program: beside(program),
        before: Vec::new(),
        after: after.iter().map(|&word| word.to_owned()).collect(),
    };
    let mut all = vec![
        built("raw-epoll", "echo-raw-epoll", &[]),
        built("raw-uring", "echo-raw-uring", &[]),
        built("tasks/epoll", "echo-switchboard", &["tasks", "epoll"]),
        built("tasks/uring", "echo-switchboard", &["tasks", "uring"]),
        built("green/epoll", "echo-switchboard", &["green", "epoll"]),
        built(
            "callbacks/epoll",
            "echo-switchboard",
            &["callbacks", "epoll"],
        ),
        built("threads", "echo-switchboard", &["threads"]),
        built("tokio", "echo-tokio", &[]),
        built("tokio-multi", "echo-tokio", &["multi"]),
        built("monoio", "echo-monoio", &[]),
        built("compio", "echo-compio", &[]),
        built("smol", "echo-smol", &[]),
        built("may", "echo-may", &[]),
        built("std-threads", "echo-threads", &[]),
    ];
    if let Some(other) = other {
        for driver in ["epoll", "uring"] {
            let program = other.into();
            let build = built(&format!("beside/{driver}"), "", &["tasks", driver]);
            all.push(Contender { program, ..build });
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let go = beside("echo-go");
    let compiled = Command::new("go")
        .args(["build", "-o"])
        .arg(&go)
        .arg(format!("{folder}/echo.go"))
        .status();
    if compiled.is_ok_and(|status| status.success()) {
        all.push(built("go", "echo-go", &[]));
    }
    for (name, program, probe, script, after) in [
        (
            "asyncio",
            "python3",
            "import asyncio",
            "echo_asyncio.py",
            "",
        ),
        (
            "uvloop",
            "python3",
            "import uvloop",
            "echo_asyncio.py",
            "uvloop",
        ),
        ("gevent", "python3", "import gevent", "echo_gevent.py", ""),
        (
            "twisted",
            "python3",
            "import twisted",
            "echo_twisted.py",
            "",
        ),
        ("node", "node", "", "echo.js", ""),
    ] {
        let option = if program == "node" { "-e" } else { "-c" };
        // Whoever has no interpreter, or not its module, is left out.
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
                after: Some(after.to_owned())
                    .filter(|word| !word.is_empty())
                    .into_iter()
                    .collect(),
            });
        }
    }
    all
}

impl Contender {
    /// Starts it on `core`.
    pub(crate) fn start(&self, core: usize) -> io::Result<Server> {
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(&self.program)
            .args(&self.before)
            // Any address of the machine: a crowd of clients needs more than one.
            .arg("0.0.0.0:0")
            .args(&self.after)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
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
