//! The work of other programs on the cores that are measured.

use std::time::{Duration, Instant};

use switchboard_bench::contenders::{Server, clock};

pub(crate) struct Noise {
    cores: Vec<usize>,
    start: Instant,
    busy: Duration,
    own: Duration,
}

impl Noise {
    pub(crate) fn start(cores: &[usize], servers: [&Server; 2]) -> Noise {
        // The server's and the load's.
        let cores = cores[..cores.len().min(2)].to_vec();
        Noise {
            start: Instant::now(),
            busy: busy(&cores),
            own: own(servers),
            cores,
        }
    }

    /// How much of the cores' time went elsewhere since. The system counts it in clock ticks, so
    /// hundredths are as fine as it gets.
    pub(crate) fn others(&self, servers: [&Server; 2]) -> f64 {
        let time = self.start.elapsed().as_secs_f64() * self.cores.len() as f64;
        let busy = busy(&self.cores).saturating_sub(self.busy);
        busy.saturating_sub(own(servers) - self.own).as_secs_f64() / time
    }
}

fn own(servers: [&Server; 2]) -> Duration {
    clock(0) + servers[0].clock() + servers[1].clock()
}

/// The time that the cores were not idle, whoever had them, another machine included.
fn busy(cores: &[usize]) -> Duration {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut ticks = 0;
    for core in cores {
        let name = format!("cpu{core} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        // user nice system idle iowait irq softirq steal; what follows is counted in the first two.
        let fields = line.unwrap_or_default().split_ascii_whitespace().take(8);
        for (at, field) in fields.enumerate() {
            if at != 3 && at != 4 {
                ticks += field.parse::<u64>().unwrap_or(0);
            }
        }
    }
    let second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs_f64(ticks as f64 / second as f64)
}
