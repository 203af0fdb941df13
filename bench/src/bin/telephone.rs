//! Many clients at once through a proxy to a back end that thinks for 200 ms: what waits for what, by the proxy's own
//! access log. One that waits for all of them at a time takes little more than 200 ms for all.
//!
//! `telephone [CLIENTS] -- switchboard serve proxy --model MODEL …`

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use switchboard::{Model, Server, Stream, gather, sleep};

const THINKS: Duration = Duration::from_millis(200);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let clients = match words
        .next()
        .ok_or("name the proxy's command line after --")?
    {
        word if word == "--" => 2_000,
        word => {
            words.next();
            word.parse()?
        }
    };
    let command: Vec<String> = words.collect();
    let back_end = Server::new().model(Model::Tasks).bind("127.0.0.1:0")?;
    let addr = back_end.local_addr().to_string();
    std::thread::spawn(move || back_end.serve(answer));
    let mut proxy = Proxy(start(&command, &addr)?);
    let mut lines = BufReader::new(proxy.0.stdout.take().ok_or("no stdout")?).lines();
    let stderr = BufReader::new(proxy.0.stderr.take().ok_or("no stderr")?);
    let log = std::thread::spawn(|| stderr.lines().map_while(Result::ok).collect::<Vec<_>>());
    let line = lines.next().ok_or("the proxy does not start")??;
    let listens = line.rsplit(' ').next().unwrap_or_default().to_owned();

    let begun = Instant::now();
    let answered = Model::Tasks.run(async {
        gather((0..clients).map(|_| ask(&listens)))
            .await
            .into_iter()
            .filter(Result::is_ok)
            .count()
    })?;
    println!(
        "{answered} of {clients} answered within {:.2?}",
        begun.elapsed()
    );

    // All lines have come once the proxy has ended.
    drop(proxy);
    let log = log.join().map_err(|_| "the log could not be read")?;
    // Each line ends with the back end, the seconds waited for it and taken by it, and the tries.
    let (mut waited, mut took) = (Vec::new(), Vec::new());
    for line in log.iter().filter(|line| line.contains("\"GET / ")) {
        let mut fields = line.rsplit(' ').skip(1);
        took.extend(fields.next().and_then(|field| field.parse::<f64>().ok()));
        waited.extend(fields.next().and_then(|field| field.parse::<f64>().ok()));
    }
    for (name, seconds) in [
        ("waited for a back end", &mut waited),
        ("back end took", &mut took),
    ] {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let at = (seconds.len() as f64 * share) as usize;
            seconds.get(at).copied().unwrap_or(f64::NAN)
        };
        println!(
            "{name}, by {} lines: p50 {:.3} s, p99 {:.3} s",
            seconds.len(),
            at(0.5),
            at(0.99)
        );
    }
    Ok(())
}

async fn answer(stream: Stream) -> io::Result<()> {
    stream.recv().await?;
    sleep(THINKS).await;
    stream.write_all(ANSWER).await
}

async fn ask(addr: &str) -> io::Result<()> {
    let stream = Stream::connect(addr).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            break;
        }
        answer.extend_from_slice(&chunk);
    }
    match answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"hello\n") {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A proxy that runs; it is killed when it is dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &[String], back_end: &str) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        .args([
            "--to",
            &format!("http://{back_end}"),
            "--listen",
            "127.0.0.1:0",
        ])
        .args(["--check", "off", "--access-log", "combined"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}
