//! A small `switchboard compare`.

use crate::served::run;

#[test]
fn every_cell_runs_and_is_reported() {
    let path = std::env::temp_dir().join(format!("switchboard-compare-{}", std::process::id()));
    let output = run(&[
        "compare",
        "--jobs",
        "3",
        "--pages",
        "2",
        "--latency",
        "10",
        "--clients",
        "4",
        "--duration",
        "150",
        "--repeat",
        "2",
        "--json",
        path.to_str().unwrap(),
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    assert_eq!(errors, "", "no progress bar unless stderr is a terminal");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let cells = json["cells"].as_array().unwrap();
    for (workload, rows) in [("io", 6), ("cpu", 7), ("echo", 11)] {
        let of_it = cells.iter().filter(|cell| cell["workload"] == workload);
        assert_eq!(of_it.count(), rows, "{workload}");
    }
    for cell in cells {
        let (model, measured) = (cell["model"].as_str().unwrap(), &cell["measured"]);
        assert!(text.contains(model), "{model}");
        assert!(measured["wall_s"].as_f64().unwrap() > 0.0, "{cell}");
        assert!(measured["peak_rss_bytes"].as_u64().unwrap() > 0, "{cell}");
        if cell["workload"] == "echo" {
            let echo = &measured["echo"];
            assert!(echo["round_trips_per_s"].as_f64().unwrap() > 0.0, "{cell}");
            assert!(echo["p50_us"].as_f64() <= echo["p99_us"].as_f64(), "{cell}");
        }
    }
    assert!(text.contains("in short: "), "{text}");
}

#[test]
fn only_the_chosen_workloads_and_models_run() {
    let output = run(&[
        "compare",
        "--workloads",
        "cpu",
        "--models",
        "blocking,pool",
        "--jobs",
        "1",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("pool") && !text.contains("threads"), "{text}");
    assert!(!text.contains("echo:") && !text.contains("io:"), "{text}");
}
