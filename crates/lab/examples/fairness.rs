//! Measures how one client that sends without pause affects the latency of small clients: alternates runs
//! without and with it, against a server that is started first:
//!
//!     switchboard serve echo &
//!     cargo run --release -p switchboard-lab --example fairness -- 127.0.0.1:7007

use std::time::Duration;

use switchboard_lab::{Load, pin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr = std::env::args()
        .nth(1)
        .ok_or("usage: fairness HOST:PORT")?
        .parse()?;
    pin(None, 1)?;
    let mut ratios = Vec::new();
    for _ in 0..7 {
        let mut p99 = [0.0; 2];
        for push in [false, true] {
            let load = Load {
                addr,
                connections: 50,
                message: 64,
                warm_up: Duration::from_millis(200),
                duration: Duration::from_secs(1),
                push,
            };
            let outcome = load.run(|| (), || ())?;
            let micros = |quantile| outcome.latencies.value_at_quantile(quantile) as f64 / 1e3;
            p99[usize::from(push)] = micros(0.99);
            println!(
                "{}: p50 {:.0} us, p99 {:.0} us, {} MB pushed, {} errors",
                if push { "beside a pusher" } else { "alone" },
                micros(0.5),
                micros(0.99),
                outcome.pushed / 1_000_000,
                outcome.errors.len()
            );
        }
        ratios.push(p99[1] / p99[0]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "p99 beside ÷ alone: median {:.2}, from {:.2} to {:.2}",
        ratios[3], ratios[0], ratios[6]
    );
    Ok(())
}
