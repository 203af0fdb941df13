//! The JSON of a report is of the form that `docs/lab.schema.json` says.

mod sample;

use serde_json::Value;
use switchboard_lab::Report;

const SCHEMA: &str = include_str!("../../../docs/lab.schema.json");

/// Checks a value against a schema, of which it knows the words that are used, and fails at others. With `closed`, a
/// member that the schema does not name is an error too.
fn check(
    root: &Value,
    schema: &Value,
    value: &Value,
    place: &str,
    closed: bool,
) -> Result<(), String> {
    for (word, given) in schema.as_object().unwrap() {
        let right = match word.as_str() {
            "$schema" | "title" | "description" | "$defs" | "properties" => true,
            "$ref" => {
                let path = given.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, place, closed)?;
                true
            }
            "const" => value == given,
            "enum" => given.as_array().unwrap().contains(value),
            "type" => {
                let types = given
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![given.clone()]);
                types.iter().any(|name| is(value, name.as_str().unwrap()))
            }
            "required" => {
                let names = given.as_array().unwrap();
                names
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, given, item, &format!("{place}/{nth}"), closed)?;
                }
                true
            }
            "anyOf" => given
                .as_array()
                .unwrap()
                .iter()
                .any(|one| check(root, one, value, place, closed).is_ok()),
            other => panic!("the schema says `{other}`, which this test does not know"),
        };
        if !right {
            return Err(format!("{place}: {word}: {given}"));
        }
    }
    if let (Some(known), Some(members)) = (schema.get("properties"), value.as_object()) {
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => check(root, schema, member, &format!("{place}/{name}"), closed)?,
                None if closed => return Err(format!("{place}/{name} is not in the schema")),
                None => {}
            }
        }
    }
    Ok(())
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

fn checked(value: &Value, closed: bool) -> Result<(), String> {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    check(&schema, &schema, value, "", closed)
}

fn written() -> Value {
    serde_json::to_value(sample::report(1)).unwrap()
}

/// All that is written is in the schema, but for what the machine is found to have, which may be more.
#[test]
fn a_report_is_of_the_form_of_its_schema() {
    assert_eq!(checked(&written(), false), Ok(()));
    let mut closed = written();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let known = schema["$defs"]["machine"]["properties"]
        .as_object()
        .unwrap();
    closed["machine"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| known.contains_key(name));
    assert_eq!(checked(&closed, true), Ok(()));
    assert_eq!(
        schema["$defs"]["report"]["properties"]["version"]["const"],
        Report::VERSION
    );
    assert_eq!(
        schema["$defs"]["report"]["properties"]["schema"]["const"],
        Report::SCHEMA
    );
}

#[test]
fn what_is_of_another_form_is_found() {
    let changes: [(&str, Value); 6] = [
        ("/version", 2.into()),
        ("/machine/cores", 1.5.into()),
        ("/sections/0/tables/0/columns/0/unit", "parsecs".into()),
        ("/sections/0/tables/0/rows/0/values/0/samples/0", "1".into()),
        ("/sections/5/verdicts/0/verdict", "maybe".into()),
        ("/sections/4/plots/0/series/0/points/0/low", true.into()),
    ];
    for (place, value) in changes {
        let mut report = written();
        *report.pointer_mut(place).unwrap() = value;
        assert!(checked(&report, false).is_err(), "{place}");
    }
    let mut report = written();
    report["sections"][0]
        .as_object_mut()
        .unwrap()
        .remove("plots");
    assert!(
        checked(&report, false)
            .unwrap_err()
            .starts_with("/sections/0: required")
    );
}

/// The example in the documentation can be read.
#[test]
fn the_example_is_a_report() {
    let text = include_str!("../../../docs/lab-json.md");
    let example = text
        .split("```json\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert_eq!(
        checked(&serde_json::from_str(example).unwrap(), true),
        Ok(())
    );
    assert!(Report::from_json(example).is_ok());
}
