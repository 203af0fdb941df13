//! What slow clients do to a server's others: honest clients alone, then beside thousands that send half of a
//! request, or a byte a second, or do not read.
//!
//! `slow-clients [--slow N] [--honest N] [--seconds S] [--small PATH] [--large PATH] -- SERVER…`

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use switchboard::{Model, Stream, gather, sleep, sleep_until, spawn, timeout};

/// The pause between two requests of an honest client, and between two bytes of a slow one.
const PAUSE: Duration = Duration::from_millis(20);
const DRIP: Duration = Duration::from_secs(1);
/// The time after which a client that was ended comes again; sooner, connecting would be the load.
const RETURN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Options {
    slow: usize,
    honest: usize,
    seconds: u64,
    small: String,
    large: String,
    /// Where the server listens, in the process of the slow clients.
    target: Option<String>,
    server: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    match &options.target {
        Some(target) => Ok(slow(target, &options)?),
        None => Ok(compare(&options)?),
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        slow: 9_000,
        honest: 50,
        seconds: 20,
        small: "/".to_owned(),
        large: "/large".to_owned(),
        target: None,
        server: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--" {
            options.server = words.collect();
            return Ok(options);
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{word} {value}: use a number"))
        };
        match word.as_str() {
            "--slow" => options.slow = number()? as usize,
            "--honest" => options.honest = number()? as usize,
            "--seconds" => options.seconds = number()?,
            "--small" => options.small = value,
            "--large" => options.large = value,
            "--target" => options.target = Some(value),
            _ => return Err(format!("{word} is not known")),
        }
    }
    match options.target {
        Some(_) => Ok(options),
        None => Err("name the server's command line after --".to_owned()),
    }
}

/// A server that runs; it is killed when it is dropped.
struct Server(Child, String);

impl Server {
    fn start(words: &[String]) -> io::Result<Server> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let addr = line.trim().rsplit(' ').next().unwrap_or_default();
        Ok(Server(child, addr.to_owned()))
    }

    /// Memory of the process in KiB, pages shared with others divided.
    fn memory(&self) -> io::Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.0.id());
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let number = line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        number.ok_or_else(|| io::Error::other("no Pss"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn compare(options: &Options) -> io::Result<()> {
    let server = Server::start(&options.server)?;
    let addr = &server.1;
    println!("| | requests | failed | p50 | p99 | most | server's memory |");
    println!("|---|---|---|---|---|---|---|");
    let before = server.memory()?;
    let alone = honest(addr, options)?;
    print_row("alone", &alone, before);
    let mut others = Command::new(std::env::current_exe()?)
        .args(["--target", addr, "--slow", &options.slow.to_string()])
        .args(["--seconds", &(options.seconds + 15).to_string()])
        .args(["--small", &options.small, "--large", &options.large])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::new(others.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    // The first line says that all are connected.
    out.read_line(&mut line)?;
    let beside = honest(addr, options)?;
    print_row("beside slow clients", &beside, server.memory()?);
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    others.wait()?;
    let ratio = beside.0.value_at_quantile(0.99) as f64 / alone.0.value_at_quantile(0.99) as f64;
    println!("\np99 beside ÷ alone: {ratio:.2}\n\n{line}{rest}");
    Ok(())
}

/// Latencies in microseconds, and how many requests failed.
type Latencies = (Histogram<u64>, u64);

fn print_row(name: &str, (latencies, failed): &Latencies, memory: u64) {
    let ms = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "| {name} | {} | {failed} | {:.2} ms | {:.2} ms | {:.2} ms | {:.1} MiB |",
        latencies.len(),
        ms(0.5),
        ms(0.99),
        latencies.max() as f64 / 1000.0,
        memory as f64 / 1024.0,
    );
}

/// Has honest clients ask, each at its own moments, whether or not the answer before came in time.
fn honest(addr: &str, options: &Options) -> io::Result<Latencies> {
    let request = format!("GET {} HTTP/1.1\r\nhost: here\r\n\r\n", options.small);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let all = Arc::new(Mutex::new((Histogram::<u64>::new(3).unwrap(), 0)));
    Model::Tasks.run(async {
        let clients = (0..options.honest).map(|at| {
            let (all, request, addr) = (all.clone(), request.clone(), addr.to_owned());
            async move {
                let mut due = Instant::now() + PAUSE * at as u32 / 50;
                let mut stream = None;
                while due < end {
                    sleep_until(due).await;
                    let answered =
                        timeout(Duration::from_secs(10), ask(&addr, &mut stream, &request)).await;
                    let mut all = all.lock().unwrap();
                    match answered {
                        Ok(Ok(())) => all.0.record(due.elapsed().as_micros() as u64).unwrap(),
                        _ => {
                            all.1 += 1;
                            stream = None;
                        }
                    }
                    due += PAUSE;
                }
            }
        });
        gather(clients).await;
    })?;
    let all = Arc::into_inner(all).unwrap().into_inner().unwrap();
    Ok(all)
}

/// Asks once and reads the whole answer.
async fn ask(addr: &str, stream: &mut Option<Stream>, request: &str) -> io::Result<()> {
    let stream = match stream {
        Some(stream) => stream,
        None => stream.insert(Stream::connect(addr).await?),
    };
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if !head.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(head.to_owned()));
        }
        if Some(body.len()) >= length {
            return Ok(());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    HalfHead,
    DrippedHead,
    HalfBody,
    DrippedBody,
    NoReader,
}

const KINDS: [Kind; 5] = [
    Kind::HalfHead,
    Kind::DrippedHead,
    Kind::HalfBody,
    Kind::DrippedBody,
    Kind::NoReader,
];

/// How slow clients of a kind ended, each with its number and the seconds that they lived in all.
type Endings = Arc<Mutex<BTreeMap<(Kind, String), (u64, f64)>>>;

fn note(endings: &Endings, of: (Kind, String), begun: Instant) {
    let mut endings = endings.lock().unwrap();
    let (count, seconds) = endings.entry(of).or_default();
    *count += 1;
    *seconds += begun.elapsed().as_secs_f64();
}

/// Keeps so many slow clients connected until the time is over.
fn slow(addr: &str, options: &Options) -> io::Result<()> {
    let endings = Endings::default();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let connected = Arc::new(Mutex::new(0_usize));
    Model::Tasks.run(async {
        for at in 0..options.slow {
            let (endings, options, connected) =
                (endings.clone(), options.clone(), connected.clone());
            let addr = addr.to_owned();
            let kind = KINDS[at % KINDS.len()];
            spawn(async move {
                while Instant::now() < end {
                    let begun = Instant::now();
                    let ending = match Stream::connect(addr.as_str()).await {
                        Ok(stream) => {
                            *connected.lock().unwrap() += 1;
                            kind.be(&stream, &options).await
                        }
                        Err(error) => format!("not connected: {error}"),
                    };
                    note(&endings, (kind, ending), begun);
                    sleep(RETURN).await;
                }
            })
            .detach();
            if at % 100 == 99 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        sleep(Duration::from_millis(500)).await;
        println!("{} slow clients have connected", connected.lock().unwrap());
        sleep_until(end).await;
    })?;
    for ((kind, ending), (count, seconds)) in &*endings.lock().unwrap() {
        println!(
            "{kind:?}: {count} ended after {:.1} s on average: {ending}",
            seconds / *count as f64
        );
    }
    Ok(())
}

impl Kind {
    /// Is slow until the server ends it; returns how it did.
    async fn be(self, stream: &Stream, options: &Options) -> String {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n",
            options.small
        );
        let get = format!("GET {} HTTP/1.1\r\nhost: here\r\n\r\n", options.large);
        let (first, drips) = match self {
            Kind::HalfHead => (&head[..head.len() / 2], false),
            Kind::DrippedHead => ("", true),
            Kind::HalfBody => (&head[..], false),
            Kind::DrippedBody => (&head[..], true),
            Kind::NoReader => (&get[..], false),
        };
        if let Err(error) = stream.write_all(first.as_bytes()).await {
            return error.to_string();
        }
        let reader = async {
            if self == Kind::NoReader {
                // Whether the server has given it up shows at the end of what the socket holds.
                while !stream.is_hung_up() {
                    sleep(DRIP).await;
                }
                return "closed".to_owned();
            }
            let mut status = String::new();
            loop {
                match stream.recv().await {
                    Ok(chunk) if chunk.is_empty() => return format!("{status} and closed"),
                    Ok(chunk) if status.is_empty() => {
                        status = String::from_utf8_lossy(&chunk).chars().take(12).collect();
                    }
                    Ok(_) => {}
                    Err(error) => return format!("{status} and {error}"),
                }
            }
        };
        let writer = async {
            // The head has no end: its last field goes on and on.
            let bytes: Vec<u8> = match self {
                Kind::DrippedHead => "GET / HTTP/1.1\r\nhost: here\r\nx: "
                    .bytes()
                    .chain([b'y'; 10_000])
                    .collect(),
                _ => vec![b'z'; 10_000],
            };
            for byte in bytes {
                if !drips || stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(DRIP).await;
            }
            std::future::pending::<String>().await
        };
        switchboard::race(reader, writer).await
    }
}
