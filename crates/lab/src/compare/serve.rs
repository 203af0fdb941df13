//! The runs of `echo` and `http`: servers.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::cell::CellSpec;
use super::measured::{Answers, Measured};
use super::rows::{Row, Workload};
use super::run::{Cell, MESSAGE, RATE, by_turns, cells, in_child, noted, spec};
use super::{duration, findings, left_out, rounds, table};
use crate::experiment::Lab;
use crate::machine::cores;
use crate::report::Section;
use crate::text::count;
use crate::unit;
use crate::ways::{load_core, one_core, serve};

/// The page of `http`.
const PAGE: &[u8] = b"Hello, world!";

/// A folder with the page of `http`, which goes when this value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let path = std::env::temp_dir().join(format!("switchboard-lab-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let folder = Folder(path);
        fs::write(folder.0.join("hello"), PAGE)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is a page of 13 bytes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn serving(lab: &Lab, workload: Workload) -> io::Result<Section> {
    let duration = duration(lab);
    let cells = cells(lab, workload, |_| duration.mul_f64(2.7))?;
    let folder = Folder::new()?;
    let dir = folder.0.to_string_lossy().into_owned();
    let mut answers: Vec<(String, Answers)> = Vec::new();
    let run = |cell: &Cell| {
        let found = serve_cell(lab, workload, cell.row, &dir)?;
        let measured = found.answers.clone().unwrap_or_default();
        answers.push((cell.row.to_string(), measured.clone()));
        let at = |quantile| table::latency(&measured, quantile);
        let tail = [0.5, 0.99, 0.999].map(at);
        Ok([
            &[measured.per_s, measured.cpu_s][..],
            &tail,
            &[found.peak_rss_bytes as f64],
        ]
        .concat())
    };
    let (trials, disturbance) = by_turns(lab, workload, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let title = match workload {
        Workload::Http => "Serving small pages",
        _ => "Serving small messages",
    };
    let mut section = Section {
        title: title.to_owned(),
        settings: settings(lab, workload),
        ..table::answers(workload, &rows, trials, &answers, lab.sizes.clients)
    };
    section.warnings.extend(left_out(lab, workload));
    findings::add(&mut section);
    section.warnings.extend(one_core());
    noted(&mut section, [disturbance, None]);
    Ok(section)
}

fn settings(lab: &Lab, workload: Workload) -> Vec<String> {
    let what = match workload {
        Workload::Http => "GET of a file of 13 bytes, by `serve files`".to_owned(),
        _ => format!("messages of {MESSAGE} bytes, by `serve echo`"),
    };
    let clients = count(lab.sizes.clients, "client");
    let each = unit::seconds(duration(lab).as_secs_f64());
    let rate = unit::per_second(RATE);
    vec![
        format!("{clients}, which stay connected; {what}"),
        format!(
            "answers/s and CPU: a closed loop for {each}, each client asks when it is answered"
        ),
        format!(
            "latencies: an open loop for {each}, {rate} over all clients by a fixed schedule, from when each request \
             was due; one that is never answered counts until the end of the loop"
        ),
        placed(),
    ]
}

fn placed() -> String {
    match cores().len() {
        1 => "the server and the load on the one core".to_owned(),
        _ => "the server on one core, the load on another".to_owned(),
    }
}

/// Starts a server, and puts a load on it from another process.
fn serve_cell(lab: &Lab, workload: Workload, row: Row, dir: &str) -> io::Result<Measured> {
    let mut arguments = match workload {
        // The last request of a connection that may have so many is answered with another head.
        Workload::Http => vec!["files", dir, "--max-requests", "0"],
        _ => vec!["echo"],
    };
    let slow = lab
        .slowed(row.model)
        .map(|slow| slow.as_millis().to_string());
    if let Some(slow) = slow.as_deref().filter(|_| workload == Workload::Echo) {
        arguments.extend(["--slow", slow]);
    }
    let server = serve(lab, row, &arguments)?;
    let spec = CellSpec {
        addr: Some(server.addr()),
        server: Some(server.pid()),
        ..spec(lab, workload, row)
    };
    in_child(lab, spec, load_core())
}
