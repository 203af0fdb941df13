use super::*;
use crate::compare::comparison::Spread;
use crate::compare::measured::{Echo, Measured};

fn cell(model: &str, wall_s: f64, user_s: f64) -> Cell {
    Cell {
        workload: Workload::Io,
        model: model.into(),
        measured: Some(Measured {
            wall_s,
            user_s,
            peak_rss_bytes: 1 << 20,
            ..Measured::default()
        }),
        spread: Spread::default(),
        speed_up: Some(10.0 / wall_s),
        error: None,
        mistake: false,
    }
}

fn spread(mut cell: Cell, min_s: f64, max_s: f64) -> Cell {
    cell.spread = Spread { min_s, max_s };
    cell
}

#[test]
fn the_fastest_row_is_recommended() {
    let of = |threads, tasks| {
        advise(&[
            cell("blocking", 10.0, 0.1),
            cell("threads", threads, 0.1),
            cell("tasks", tasks, 0.1),
        ])
    };
    assert_eq!(
        of(1.0, 2.0),
        [
            "for work that waits for the network, run threads: 10.0 times as fast as blocking; \
             tasks takes 2.00 times as long",
            "in short: threads for I/O-bound work"
        ]
    );
    assert_eq!(
        of(4.0, 2.5),
        [
            "for work that waits for the network, run tasks: 4.0 times as fast as blocking; \
             threads takes 1.60 times as long",
            "in short: tasks for I/O-bound work"
        ]
    );
    assert_eq!(
        of(20.0, 30.0)[0],
        "for work that waits for the network, run blocking; threads takes 2.00 times as long"
    );
}

#[test]
fn equal_time_is_decided_by_processor_time_then_by_memory() {
    let mut cells = [cell("threads", 1.00, 0.9), cell("tasks", 1.05, 0.1)];
    let first = advise(&cells).swap_remove(0);
    assert!(
        first.ends_with(
            "run tasks; as fast within 10 %: threads; of them it takes the least CPU (100 ms)"
        ),
        "{first}"
    );
    cells[0].measured.as_mut().unwrap().user_s = 0.1;
    assert!(advise(&cells)[0].contains("run threads"));
    assert!(advise(&cells)[0].ends_with("; nothing measured here sets it apart from tasks"));
    cells[0].measured.as_mut().unwrap().peak_rss_bytes = 2 << 20;
    assert!(advise(&cells)[0].contains("run tasks"));
    assert!(advise(&cells)[0].ends_with("and the least memory (1.0 MiB)"));
}

#[test]
fn the_default_driver_wins_among_equals() {
    let best = format!("tasks/{}", Driver::best());
    let cells = [cell("tasks/select", 1.00, 1.00), cell(&best, 1.02, 1.04)];
    assert!(advise(&cells)[0].contains(&format!("run {best};")));
    // A measured difference counts before the default.
    let cells = [cell("tasks/select", 1.00, 1.00), cell(&best, 1.02, 1.10)];
    assert!(advise(&cells)[0].contains("run tasks/select;"));
}

#[test]
fn overlapping_runs_are_reported_as_noise() {
    let near = [
        spread(cell("threads", 1.00, 0.1), 0.90, 1.10),
        spread(cell("tasks", 1.02, 0.1), 0.95, 1.20),
        spread(cell("pool", 1.05, 0.1), 1.15, 1.20),
    ];
    let line = advise(&near).swap_remove(0);
    assert!(
        line.contains("no clear winner in time: tasks within noise;"),
        "{line}"
    );
    let short = "in short: threads for I/O-bound work (within noise)";
    assert_eq!(advise(&near)[1], short);
    let far = [
        spread(cell("threads", 1.0, 0.1), 0.9, 1.6),
        spread(cell("tasks", 1.5, 0.1), 1.2, 1.9),
    ];
    let line = advise(&far).swap_remove(0);
    assert!(
        line.contains("1.50 times as long, but within noise"),
        "{line}"
    );
    let clear = [
        spread(cell("threads", 1.0, 0.1), 0.9, 1.1),
        spread(cell("tasks", 1.5, 0.1), 1.4, 1.6),
    ];
    assert!(!advise(&clear).join(" ").contains("noise"));
}

#[test]
fn the_winner_is_the_fastest_or_the_cheapest_of_equals() {
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..1000 {
        let mut cells: Vec<Cell> = (0..rng.usize(1..6))
            .map(|n| cell(&format!("m{n}"), 0.1 + rng.f64(), rng.f64()))
            .collect();
        for cell in &mut cells {
            cell.mistake = rng.u8(..) < 40;
            cell.error = (rng.u8(..) < 40).then(|| "no".into());
        }
        let fair = |cell: &&Cell| !cell.mistake && cell.error.is_none();
        let wall = |cell: &Cell| cell.measured.as_ref().unwrap().wall_s;
        let least = cells.iter().filter(fair).map(wall).min_by(f64::total_cmp);
        let expected = least.and_then(|least| {
            let equal = cells
                .iter()
                .filter(fair)
                .filter(|cell| wall(cell) <= least * EQUAL);
            // Memory is equal in all cells. Of cells with equal cost the fastest wins.
            let least = equal.clone().map(cost).min_by(f64::total_cmp)?;
            let cheap = equal.filter(|cell| cost(cell) <= least * SAME);
            cheap.min_by(|a, b| wall(a).total_cmp(&wall(b)))
        });
        let all: Vec<&Cell> = cells.iter().collect();
        let chosen = choose(&all).map(|choice| choice.chosen.model.clone());
        assert_eq!(
            chosen,
            expected.map(|cell| cell.model.clone()),
            "seed {seed}"
        );
        let said = advise(&cells).pop().unwrap();
        match &chosen {
            Some(model) => assert_eq!(said, format!("in short: {model} for I/O-bound work")),
            None => assert!(said.contains("nothing to recommend"), "{said}"),
        }
    }
}

#[test]
fn mistakes_failures_and_unserved_clients_are_never_recommended() {
    let mut inline = cell("tasks/epoll on the loop", 0.5, 0.1);
    inline.mistake = true;
    let mut failed = cell("pool", 0.1, 0.1);
    failed.error = Some("no".into());
    let mut starving = cell("blocking", 0.1, 0.1);
    starving.measured.as_mut().unwrap().echo = Some(Echo {
        round_trips_per_s: 1e9,
        served: 1,
        clients: 50,
        ..Echo::default()
    });
    let cells = [inline, failed, starving, cell("tasks/epoll", 0.2, 0.1)];
    let advice = advise(&cells).join("\n");
    assert!(
        advice.contains("run tasks/epoll; it has no rival here"),
        "{advice}"
    );
    assert!(advice.contains("blocking 49 of 50"), "{advice}");
    assert!(advice.contains("2.50 times as long"), "{advice}");
}

#[test]
fn the_last_line_is_a_summary_of_all_workloads() {
    let of = |workload, model: &str| Cell {
        workload,
        ..cell(model, 1.0, 0.1)
    };
    let mut cells = vec![
        of(Workload::Io, "tasks/epoll"),
        of(Workload::Cpu, "processes"),
        of(Workload::Echo, "threads"),
    ];
    assert_eq!(
        advise(&cells).last().unwrap(),
        "in short: tasks/epoll for I/O-bound work, processes for CPU-bound work, threads for a server"
    );
    cells[1].error = Some("no".into());
    let advice = advise(&cells);
    assert!(
        advice.contains(&"for work that computes, nothing to recommend: no row did it all".into())
    );
    assert!(!advice.last().unwrap().contains("CPU-bound"));
    assert!(advise(&[]).is_empty());
}
