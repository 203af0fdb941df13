//! Twelve sayings with verdicts.

use switchboard_lab::{Section, Verdict, Verdicts};

pub(crate) fn section() -> Section {
    use Verdicts::{Depends, False, NotShown, True};
    let verdicts = [
        (
            "Async is faster than threads",
            Depends,
            "1.9 (1.8–2.1) times at 50 clients, 1.0 (0.9–1.1) times at 4",
        ),
        (
            "Threads cost 50 KB each",
            False,
            "28.8 kB (28.6–29.1 kB): 9.8 kB in the program, 19 kB in the kernel",
        ),
        (
            "One runs out of threads before sockets",
            True,
            "16,012 threads, 20,000 sockets",
        ),
        (
            "select slows down with descriptors",
            True,
            "1.9 (1.7–2.2) times from 100 to 900 connections",
        ),
        (
            "Processes beat threads for CPU work",
            NotShown,
            "1.01 (0.97–1.04) times: inside the noise",
        ),
        (
            "Green threads cost nothing",
            False,
            "a switch takes 21 ns (20–22 ns), a task's 9 ns (9–10 ns)",
        ),
        (
            "A pool of ten is enough",
            Depends,
            "up to 48 requests a second; above, each waits 210 ms",
        ),
        (
            "io_uring is always faster",
            False,
            "0.98 (0.95–1.02) times epoll at 64 bytes, 1.3 (1.2–1.4) times at 64 KiB",
        ),
        (
            "Callbacks beat coroutines",
            NotShown,
            "1.02 (0.98–1.05) times",
        ),
        (
            "One thread per core is best",
            True,
            "2 workers: 1.7 (1.6–1.8) times one, 3 are no better",
        ),
        (
            "TCP_NODELAY matters",
            True,
            "a second small write waits 40 ms (40–41 ms) without it",
        ),
        (
            "A bigger buffer is faster",
            Depends,
            "up to 16 KiB; 1.00 (0.98–1.02) times beyond",
        ),
    ];
    let verdicts = verdicts.map(|(saying, verdict, effect)| Verdict {
        saying: saying.to_owned(),
        verdict,
        effect: effect.to_owned(),
        how: "The echo server under both, by turns, seven times 2 s, the load on the other core."
            .to_owned(),
    });
    Section {
        experiment: "folklore".to_owned(),
        title: "Which of the sayings are true here?".to_owned(),
        findings: vec!["Four of twelve hold on this machine as they are said.".to_owned()],
        verdicts: verdicts.to_vec(),
        took_s: 24.0,
        ..Section::default()
    }
}
