//! Shows an invented report as a page: `cargo run -p switchboard-lab --example sample_report > x.html`, or as what the
//! argument says: `text`, `plain` (ASCII), `csv`, `json`.

#[path = "../tests/sample/mod.rs"]
mod sample;

use switchboard_lab::show::{self, Look};

fn main() {
    let report = sample::report(7);
    let shown = match std::env::args().nth(1).as_deref() {
        None | Some("html") => show::html(&report),
        Some("text") => show::text(&report, Look::default()),
        Some("plain") => show::text(
            &report,
            Look {
                unicode: false,
                ..Look::default()
            },
        ),
        Some("csv") => show::csv(&report),
        Some("json") => serde_json::to_string_pretty(&report).expect("a report can be written"),
        Some(other) => {
            eprintln!("unknown form `{other}`: use one of html, text, plain, csv, json");
            std::process::exit(2);
        }
    };
    print!("{shown}");
}
