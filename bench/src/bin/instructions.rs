//! User instructions of a round trip, counted by valgrind's callgrind: two runs of different length, and
//! the difference between them, so that what is done once cancels.
//!
//!     instructions [http] CONTENDER [function | file | line]

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use switchboard_bench::clients::Clients;
use switchboard_bench::contenders::{self, Contender, Service};
use switchboard_bench::exchange::Exchange;
use switchboard_bench::site::Site;

const CONNECTIONS: usize = 50;
const MESSAGE: usize = 64;
/// Round trips of each connection.
const SHORT: usize = 400;
const LONG: usize = 2_400;
const TOP: usize = 25;

/// The key by which instructions are summed.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Function,
    File,
    Line,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1).peekable();
    let (all, what) = match words.next_if(|word| word == "http") {
        Some(_) => (contenders::http(Service::Hello), "answers of 13 bytes"),
        None => (contenders::built(), "messages of 64 bytes"),
    };
    let name = words.next().unwrap_or_else(|| "tasks/epoll".to_owned());
    let by = match words.next().as_deref() {
        None | Some("function") => By::Function,
        Some("file") => By::File,
        Some("line") => By::Line,
        Some(other) => return Err(format!("{other} is none of function, file, line").into()),
    };
    let contender = all
        .into_iter()
        .find(|one| one.name == name)
        .ok_or_else(|| format!("{name} is not known; see bench/README.md"))?;
    let core = switchboard_lab::cores()[0];
    switchboard_lab::pin(None, core)?;
    let site = Site::new()?;
    let count = |trips| count(&contender, &site, core, trips, by);
    let before = count(SHORT)?;
    let mut rows: Vec<(String, f64)> = count(LONG)?
        .into_iter()
        .map(|(name, after)| {
            let more = after as f64 - before.get(&name).copied().unwrap_or(0) as f64;
            (name, more / ((LONG - SHORT) * CONNECTIONS) as f64)
        })
        .collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let total: f64 = rows.iter().map(|row| row.1).sum();
    let mut text = format!(
        "{name}: {total:.1} user instructions a round trip, {CONNECTIONS} connections, {what}\n"
    );
    let listed = rows.iter().take(TOP);
    let rest = total - listed.clone().map(|row| row.1).sum::<f64>();
    for (name, each) in listed.filter(|row| row.1 >= 0.05) {
        text += &format!("{each:9.1}  {name}\n");
    }
    text += &format!("{rest:9.1}  the others\n");
    // At once, for a reader that wants the head only.
    print!("{text}");
    Ok(())
}

/// Instructions of a whole run of so many round trips of each connection.
///
/// The server does not run before all connections have sent, since it has the load's core and, as a
/// batch process, never preempts the load; so each of its turns finds the same events every time.
fn count(
    contender: &Contender,
    site: &Site,
    core: usize,
    trips: usize,
    by: By,
) -> io::Result<HashMap<String, u64>> {
    let out = std::env::temp_dir().join(format!("callgrind.{}", std::process::id()));
    let wrapper = format!(
        "chrt --batch 0 valgrind --tool=callgrind --callgrind-out-file={}",
        out.display()
    );
    let wrapper: Vec<String> = wrapper.split(' ').map(str::to_owned).collect();
    let server = contender.start(core, &wrapper, site, None)?;
    let exchange = match contender.service {
        Service::Echo => Exchange::echo(MESSAGE),
        _ => Exchange::get(server.addr, "/hello", 13, None)?.0,
    };
    let mut clients = Clients::new(exchange, 1, false)?;
    for _ in 0..CONNECTIONS {
        clients.connect(server.addr)?;
    }
    for _ in 0..trips {
        clients.drive(Instant::now())?;
    }
    // Asleep, with nothing left to do, it has counted what the round trips cost and no more.
    server.cpu();
    let dumped = Command::new("vgdb")
        .arg(format!("--pid={}", server.pid()))
        .arg("dump")
        .stderr(Stdio::null())
        .status()?;
    drop(server);
    let dump = out.with_added_extension("1");
    let counted = read(&dump, by);
    for file in [out, dump] {
        let _ = std::fs::remove_file(file);
    }
    if !dumped.success() {
        return Err(io::Error::other(
            "callgrind was asked for its counts, and gave none",
        ));
    }
    counted
}

/// Sums up callgrind's file: lines of `position cost` under the function and the file they belong to. The
/// line after `calls=` is what the callee cost, and belongs there.
fn read(path: &Path, by: By) -> io::Result<HashMap<String, u64>> {
    let text = std::fs::read_to_string(path)?;
    let mut names = Names::default();
    let (mut function, mut file) = (String::new(), String::new());
    let (mut line_number, mut callee) = (0, false);
    let mut sums = HashMap::new();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "fn" => function = names.of('n', value),
                "fl" | "fi" | "fe" => file = names.of('f', value),
                "cfn" => drop(names.of('n', value)),
                "cfi" | "cfl" => drop(names.of('f', value)),
                "calls" => callee = true,
                _ => {}
            }
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(place), Some(cost), None) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Ok(cost) = cost.parse::<u64>() else {
            continue;
        };
        // A line's number may be told by its distance from the one before.
        line_number = match place.as_bytes()[0] {
            b'*' => line_number,
            b'+' => line_number + place[1..].parse().unwrap_or(0),
            b'-' => line_number - place[1..].parse().unwrap_or(0),
            b'0'..=b'9' => place.parse::<i64>().unwrap_or(0),
            // The sums of all.
            _ => continue,
        };
        if std::mem::take(&mut callee) {
            continue;
        }
        let name = match by {
            By::Function => function.clone(),
            By::File => file.clone(),
            By::Line => format!("{file}:{line_number} in {function}"),
        };
        *sums.entry(name).or_insert(0) += cost;
    }
    Ok(sums)
}

/// Callgrind writes a name once, as `(number) name`, and only its number from then on.
#[derive(Default)]
struct Names(HashMap<(char, String), String>);

impl Names {
    fn of(&mut self, kind: char, value: &str) -> String {
        let Some((number, name)) = value.split_once(')') else {
            return value.to_owned();
        };
        let known = self.0.entry((kind, number.to_owned())).or_default();
        if !name.is_empty() {
            *known = name.trim().to_owned();
        }
        known.clone()
    }
}
