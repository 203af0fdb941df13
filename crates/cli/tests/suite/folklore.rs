//! Sayings under test, through the real command.

use serde_json::Value;

use crate::served::run;

#[test]
fn all_twelve_sayings_get_a_verdict_with_numbers() {
    let output = run(&["compare", "folklore", "--quick", "--json", "-"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let section = &report["sections"][0];
    assert_eq!(section["experiment"], "folklore");
    let verdicts = section["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 12);
    for verdict in verdicts {
        let words = ["true", "false", "depends", "not-shown"];
        assert!(
            words.iter().any(|word| verdict["verdict"] == *word),
            "{verdict}"
        );
        let effect = verdict["effect"].as_str().unwrap();
        // Only io_uring may be missing.
        let missing = effect.contains("io_uring cannot be used here");
        assert!(
            missing || (effect.contains('÷') && effect.contains('–')),
            "{verdict}"
        );
        assert!(!verdict["how"].as_str().unwrap().is_empty());
    }
    let rows = section["tables"][0]["rows"].as_array().unwrap();
    assert!(rows.len() > 12, "{rows:?}");
    assert_eq!(
        section["plots"][0]["series"][0]["points"]
            .as_array()
            .unwrap()
            .len(),
        rows.len()
    );
    assert!(!section["findings"].as_array().unwrap().is_empty());
}

#[test]
fn work_that_is_unknown_is_one_line() {
    for (spec, part) in [
        (
            r#"{"work":"folklore","saying":"gossip","case":"x"}"#,
            "no saying `gossip`",
        ),
        (
            r#"{"work":"folklore","saying":"buffer","case":"x"}"#,
            "no case `x`",
        ),
    ] {
        let output = run(&["cell", spec]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            errors.contains(part) && errors.lines().count() == 1,
            "{errors}"
        );
    }
}
