//! What is said of a machine and of a run, for every output.

use serde_json::Value;

use crate::machine::Machine;
use crate::report::{Figure, Unit};
use crate::unit::{grouped, say};

/// Returns what is known of the machine, as names and values, the most important first.
pub(super) fn facts(machine: &Machine) -> Vec<(String, String)> {
    let mut facts = vec![
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
    ];
    if let Some(mhz) = machine.mhz {
        facts.push(("clock", format!("{} MHz", grouped(mhz, 0))));
    }
    if machine.memory_bytes > 0 {
        facts.push(("memory", say(Unit::Bytes, machine.memory_bytes as f64)));
    }
    facts.push(("kernel", machine.kernel.clone()));
    facts.push(("in a", machine.within.join(", ")));
    if let Some(control) = &machine.control {
        facts.push(("control loop", drift(control)));
    }
    facts.push(("limits", limits(machine)));
    facts.retain(|(_, value)| !value.is_empty());
    let named = facts.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Says how far the machine's speed drifted, by a computation that was timed again and again.
fn drift(control: &Figure) -> String {
    let samples = control.samples().iter().copied();
    let (least, most) = samples.fold((f64::INFINITY, 0.0_f64), |(least, most), each| {
        (least.min(each), most.max(each))
    });
    let slower = (most / least - 1.0) * 100.0;
    format!("{}, up to {slower:.1} % slower", say(Unit::Seconds, least))
}

/// Names the limits that are known.
fn limits(machine: &Machine) -> String {
    let Ok(Value::Object(limits)) = serde_json::to_value(&machine.limits) else {
        return String::new();
    };
    let known = limits.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Number(number) => grouped(number.as_f64()?, 0),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        Some(format!("{} {value}", name.replace('_', " ")))
    });
    known.collect::<Vec<_>>().join(", ")
}

/// Writes how long a run took: `43 s`, `2 min 51 s`; nothing if it is unknown.
pub(super) fn took(seconds: f64) -> String {
    match seconds.round() {
        _ if !seconds.is_finite() || seconds <= 0.0 => String::new(),
        whole if whole < 10.0 => say(Unit::Seconds, seconds),
        whole if whole < 60.0 => format!("{whole} s"),
        whole => format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0),
    }
}

/// Writes a time as people do: `2026-11-28 14:54 UTC`. What is not such a time stays as it is.
pub(super) fn when(started: &str) -> String {
    let parts = started
        .strip_suffix('Z')
        .and_then(|time| time.split_once('T'));
    match parts {
        Some((day, time)) if day.len() == 10 && time.is_char_boundary(5) && time.len() >= 5 => {
            format!("{day} {} UTC", &time[..5])
        }
        _ => started.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_runs_are_in_minutes() {
        let shown = [0.0, 4.25, 43.2, 171.4].map(took);
        assert_eq!(shown, ["", "4.25 s", "43 s", "2 min 51 s"]);
    }

    #[test]
    fn the_beginning_is_written_for_people() {
        assert_eq!(when("2026-11-28T14:54:29Z"), "2026-11-28 14:54 UTC");
        assert_eq!(when("yesterdayTéZ"), "yesterdayTéZ");
    }

    #[test]
    fn the_drift_is_that_of_the_slowest_run() {
        let control = Figure::of(vec![0.0021, 0.002, 0.0025]);
        let machine = Machine {
            control,
            ..Machine::default()
        };
        let shown = facts(&machine);
        let drift = shown.iter().find(|(name, _)| name == "control loop");
        assert_eq!(drift.unwrap().1, "2 ms, up to 25.0 % slower");
        assert!(shown.iter().all(|(name, _)| name != "memory"), "{shown:?}");
    }
}
