//! Reloads on SIGHUP under load: each request is answered, a wrong file changes nothing, and the service
//! manager is told. The servers run in processes of their own, because signals go to a whole process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use switchboard_server::{Model, Reload, Server, Workers};

/// The number of reloads of each server.
const RELOADS: u32 = 20;

const SERVERS: [(&str, &str); 5] = [
    ("tasks", "threads"),
    ("threads", "threads"),
    ("processes", "threads"),
    ("tasks", "processes"),
    ("processes", "processes"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, model, workers, file] = &arguments[..]
        && serve == "serve"
    {
        return serve_number(model.parse().unwrap(), workers, file.into());
    }
    let reloads = std::env::var("RELOADS").map_or(RELOADS, |count| count.parse().unwrap());
    for (model, workers) in SERVERS {
        println!(
            "{model}, workers as {workers}: {} requests",
            reload(model, workers, reloads)
        );
    }
    println!("{} passed, 0 failed", SERVERS.len());
}

/// Answers each connection with the number that is in `file`.
fn serve_number(model: Model, workers: &str, file: PathBuf) {
    let number = Arc::new(AtomicU32::new(0));
    let reload = Reload::default();
    let place = number.clone();
    reload.register("number", move || {
        let read: u32 = std::fs::read_to_string(&file)?.trim().parse()?;
        let place = place.clone();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(move || {
            place.store(read, Ordering::SeqCst);
        })
    });
    let workers = match workers {
        "processes" => Workers::Processes(2),
        _ => Workers::Threads(1),
    };
    let server = Server::new().model(model).workers(workers);
    let server = server.on_signals(true).managed(true).reload(reload);
    let server = server.bind("127.0.0.1:0").unwrap();
    println!("{}", server.local_addr());
    let report = server.serve(move |stream| {
        let number = number.clone();
        async move {
            let number = number.load(Ordering::SeqCst).to_be_bytes();
            stream.write_all(&number).await
        }
    });
    assert_eq!(report.unwrap().failed, 0);
}

struct Served {
    child: Child,
    addr: String,
    manager: UnixDatagram,
    stderr: BufReader<ChildStderr>,
    /// What was read of `stderr`.
    log: String,
}

impl Served {
    fn start(model: &str, workers: &str, file: &PathBuf) -> Served {
        let socket = file.with_extension("socket");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_secs(600)))
            .unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", model, workers])
            .arg(file)
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut addr = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut addr).unwrap();
        let addr = addr.trim().to_owned();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Served {
            child,
            addr,
            manager,
            stderr,
            log: String::new(),
        }
    }

    /// Returns what the service manager is told next.
    fn told(&self) -> String {
        let mut buffer = [0; 200];
        let length = self.manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn number(&self) -> u32 {
        let mut bytes = [0; 4];
        let mut stream = TcpStream::connect(&self.addr).unwrap();
        stream.read_exact(&mut bytes).unwrap();
        u32::from_be_bytes(bytes)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Sends SIGHUP, and waits until the manager knows that the server has reloaded.
    fn reload(&self) {
        self.signal(Signal::HUP);
        assert!(self.told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(self.told(), "READY=1");
    }

    /// Waits until each worker process has said that it has read the file, too. The manager hears of a reload
    /// before they are told to.
    fn workers_have_reloaded(&mut self, workers: &str) {
        let mut left = match workers {
            "processes" => vec!["worker 0: reloaded\n", "worker 1: reloaded\n"],
            _ => Vec::new(),
        };
        while !left.is_empty() {
            let from = self.log.len();
            let length = self.stderr.read_line(&mut self.log).unwrap();
            let line = &self.log[from..];
            assert!(length > 0 && !line.contains(" died: "), "{}", self.log);
            left.retain(|said| !line.ends_with(said));
        }
    }
}

/// Returns how many requests were answered.
fn reload(model: &str, workers: &str, reloads: u32) -> u32 {
    let name = format!(
        "switchboard-reload-{}-{model}-{workers}",
        std::process::id()
    );
    let file = std::env::temp_dir().join(name);
    let mut served = Served::start(model, workers, &file);
    assert_eq!(served.told(), "READY=1");
    let mut requests = 0;
    for number in 1..=reloads {
        std::fs::write(&file, number.to_string()).unwrap();
        served.reload();
        // Each worker process reads for itself.
        for _ in 0..10 {
            let answered = served.number();
            assert!(
                answered == number || answered + 1 == number,
                "{answered} of {number}"
            );
        }
        served.workers_have_reloaded(workers);
        // Enough to reach both workers, nearly always.
        for _ in 0..10 {
            assert_eq!(served.number(), number);
        }
        std::fs::write(&file, "nonsense").unwrap();
        served.reload();
        assert_eq!(served.number(), number);
        requests += 21;
    }
    served.signal(Signal::TERM);
    assert_eq!(served.told(), "STOPPING=1");
    let Served { stderr, log, .. } = &mut served;
    stderr.read_to_string(log).unwrap();
    let log = &served.log;
    assert!(served.child.wait().unwrap().success(), "{log}");
    let refused = "not reloaded, the old settings go on: number: invalid digit found in string";
    assert_eq!(log.matches(refused).count() as u32, reloads, "{log}");
    let _ = std::fs::remove_file(file.with_extension("socket"));
    std::fs::remove_file(file).unwrap();
    requests
}
