//! Reading a report from its JSON.

use serde_json::{Value, error::Category};

use super::Report;

impl Report {
    /// Reads a report from its JSON.
    ///
    /// # Errors
    /// One line that says what the text is instead: no JSON, another program's, of a newer version, or not of the form
    /// of its version.
    ///
    /// ```
    /// use switchboard_lab::Report;
    ///
    /// let error = Report::from_json("{}").unwrap_err();
    /// assert!(error.contains("schema"), "{error}");
    /// ```
    pub fn from_json(text: &str) -> Result<Report, String> {
        if text.trim().is_empty() {
            return Err(
                "it is empty; a run of `compare` that was stopped may have left it so".to_owned(),
            );
        }
        let value: Value = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Eof => format!(
                "the JSON ends early, at line {}: the file is cut",
                error.line()
            ),
            _ => format!("it is no JSON: {error}"),
        })?;
        let (schema, version) = (&value["schema"], &value["version"]);
        match schema.as_str() {
            Some(Report::SCHEMA) => {}
            Some(other) => {
                return Err(format!(
                    "its schema is `{}`, not `{}`",
                    other.escape_debug(),
                    Report::SCHEMA
                ));
            }
            None => {
                return Err(format!(
                    "it has no schema `{}`; `switchboard compare EXPERIMENT --json FILE` writes such a report",
                    Report::SCHEMA
                ));
            }
        }
        match version.as_u64() {
            Some(version) if version > Report::VERSION.into() => {
                return Err(format!(
                    "it has version {version} of the schema, and this program reads {} and before; use a newer one",
                    Report::VERSION
                ));
            }
            Some(1..) => {}
            _ => {
                return Err(format!(
                    "its version of the schema is `{version}`, which is none"
                ));
            }
        }
        serde_json::from_value(value)
            .map_err(|error| format!("it is not of the form of its schema: {error}"))
    }
}
