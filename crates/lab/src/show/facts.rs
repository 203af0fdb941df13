//! What is said of a machine and of a run, for every output.

use serde_json::Value;

use super::unit::{grouped, say};
use crate::machine::Machine;
use crate::report::Unit;

/// Returns what is known of the machine, as names and values. A field that is unknown here is shown by its name in the
/// JSON.
pub(super) fn facts(machine: &Machine) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(machine) {
        for (name, value) in fields {
            facts.extend(fact(&name, &value));
        }
    }
    let order = ["processor", "cores", "memory", "kernel"];
    facts.sort_by_key(|(name, _)| {
        order
            .iter()
            .position(|known| known == name)
            .unwrap_or(order.len())
    });
    facts
}

fn fact(name: &str, value: &Value) -> Option<(String, String)> {
    let name = match name {
        "cpu" => "processor".to_owned(),
        name => name.trim_end_matches("_bytes").replace('_', " "),
    };
    let value = match value {
        Value::Null | Value::Bool(false) => return None,
        Value::Bool(true) => "yes".to_owned(),
        Value::Number(number) => {
            let number = number.as_f64()?;
            match name.as_str() {
                "memory" if number == 0.0 => return None,
                "memory" => say(Unit::Bytes, number),
                _ => grouped(number, if number.fract() == 0.0 { 0 } else { 2 }),
            }
        }
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(parts) => {
            let parts = parts.iter().filter(|(_, value)| !value.is_null());
            let parts =
                parts.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
            parts.collect::<Vec<_>>().join("; ")
        }
    };
    (!value.is_empty()).then_some((name, value))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() == 0.0 => grouped(number, 0),
            _ => number.to_string(),
        },
        value => value.to_string(),
    }
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
    fn fields_that_are_not_known_here_are_shown_by_their_names() {
        let limits = serde_json::json!({"open_files": 20000, "of": null});
        let shown = fact("limits", &limits).unwrap();
        assert_eq!(shown, ("limits".into(), "open files 20,000".into()));
        assert_eq!(fact("memory_bytes", &serde_json::json!(0)), None);
        assert_eq!(fact("container", &Value::Null), None);
    }
}
