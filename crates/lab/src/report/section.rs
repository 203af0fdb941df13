//! What one experiment found, in a form that every output can show.

use serde::{Deserialize, Serialize};

use super::figure::Figure;

/// What one experiment found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Section {
    /// The name by which it is run, such as `limits`.
    pub experiment: String,
    /// The title, such as `How many can there be?`.
    pub title: String,
    /// What was run, one line each: sizes, times, what is on which core.
    pub settings: Vec<String>,
    /// What follows from the numbers, one sentence each, the most important first.
    pub findings: Vec<String>,
    /// The sayings that were tested.
    pub verdicts: Vec<Verdict>,
    /// The numbers.
    pub tables: Vec<Table>,
    /// The pictures of them.
    pub plots: Vec<Plot>,
    /// What could not be measured, or not be trusted, and why, one sentence each.
    pub warnings: Vec<String>,
    /// Seconds that it took.
    pub took_s: f64,
    /// The greatest factor by which other programs can have slowed what was measured; 1 or less if nothing disturbed.
    pub slowed: f64,
    /// Whether the load itself was the limit of servers, which may do more than is shown.
    pub load_limited: bool,
    /// Why nothing could be measured.
    pub error: Option<String>,
}

/// A table of figures. The first column, the name of the row, is not among the columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The title; empty if the section's is enough.
    pub title: String,
    /// What the rows are, as the head of the first column: `model`.
    pub rows_are: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Line>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The name, of one or two words.
    pub name: String,
    /// The unit of its figures.
    pub unit: Unit,
    /// Which of two figures is better.
    pub better: Better,
}

/// The base unit of a column or an axis. What shows a figure chooses the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// A number of things a second.
    PerSecond,
    /// A quotient; 2 is twice as much.
    Ratio,
    /// A share; 0.5 is shown as 50 %.
    Share,
    /// Words.
    Text,
}

/// Which of two figures is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// The smaller.
    Less,
    /// The greater.
    More,
    /// Neither: it describes.
    #[default]
    Neither,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The name, by which two reports are compared: `tasks/epoll`.
    pub name: String,
    /// What the row is.
    pub mark: Mark,
    /// A value for each column; `None` where nothing was measured.
    pub values: Vec<Option<Value>>,
    /// Why the row, or a run of it, failed.
    pub error: Option<String>,
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// One of several.
    #[default]
    Plain,
    /// The best, beyond noise.
    Best,
    /// A mistake, shown for its price.
    Mistake,
    /// Another program's, shown beside ours.
    Beside,
}

/// A value in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Measured.
    Figure(Figure),
    /// Said.
    Text(String),
}

/// A saying that was tested here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The saying.
    pub saying: String,
    /// What came of it.
    pub verdict: Verdicts,
    /// The effect in numbers, one sentence: `tasks 1.9 (1.8–2.1) times threads at 50 clients`.
    pub effect: String,
    /// What the experiment did, one sentence.
    pub how: String,
}

/// What came of a saying, on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdicts {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It holds in some cases, which the effect names.
    Depends,
    /// The difference is inside the noise, or it could not be measured.
    NotShown,
}

/// A picture of numbers. It is described, not drawn: what shows the report draws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// The title.
    pub title: String,
    /// What is to be seen, one sentence, also for readers who cannot see it.
    pub caption: String,
    /// How it is drawn.
    pub kind: PlotKind,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// The series, each with a name in the legend.
    pub series: Vec<Series>,
}

/// How a plot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlotKind {
    /// One bar for each point, by its label, as long as its `y`; intervals as whiskers.
    Bars,
    /// A line through the points of each series, with its intervals.
    Lines,
    /// Steps: `y` holds from a point to the next one.
    Steps,
    /// Spans of time: each point is a piece from `low` to `high` on the axis to the right, in the row of its label.
    Timeline,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it shows.
    pub name: String,
    /// The unit.
    pub unit: Unit,
    /// Whether each step multiplies.
    pub log: bool,
}

/// The points of one line, or bars of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name.
    pub name: String,
    /// The points, from left to right.
    pub points: Vec<Point>,
}

/// One point of a plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// To the right; unused by bars.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// The low end of the interval.
    pub low: Option<f64>,
    /// The high end of the interval.
    pub high: Option<f64>,
    /// The name of a bar or of a row of a timeline.
    pub label: Option<String>,
}

impl Section {
    /// Returns whether all was measured: neither the section nor a row of it failed. Another program's row may fail, as it
    /// may not be installed.
    pub fn is_whole(&self) -> bool {
        let mut rows = self.tables.iter().flat_map(|table| &table.rows);
        self.error.is_none() && rows.all(|row| row.error.is_none() || row.mark == Mark::Beside)
    }
}

impl Column {
    /// Creates a column.
    pub fn new(name: &str, unit: Unit, better: Better) -> Column {
        let name = name.to_owned();
        Column { name, unit, better }
    }
}

impl Axis {
    /// Creates an axis whose steps are equal.
    pub fn linear(name: &str, unit: Unit) -> Axis {
        let name = name.to_owned();
        Axis {
            name,
            unit,
            log: false,
        }
    }

    /// Creates an axis each of whose steps multiplies.
    pub fn log(name: &str, unit: Unit) -> Axis {
        let name = name.to_owned();
        Axis {
            name,
            unit,
            log: true,
        }
    }
}

impl Point {
    /// Creates a bar of this name, with the figure's interval.
    pub fn bar(label: &str, figure: &Figure) -> Point {
        Point {
            label: Some(label.to_owned()),
            ..Point::at(0.0, figure)
        }
    }

    /// Creates a point at `x`, with the figure's interval.
    pub fn at(x: f64, figure: &Figure) -> Point {
        let interval = figure.interval();
        Point {
            x,
            y: figure.median(),
            low: Some(interval.low),
            high: Some(interval.high),
            label: None,
        }
    }
}

impl Table {
    /// Returns the figure of a row and a column by their names.
    pub fn figure(&self, row: &str, column: &str) -> Option<&Figure> {
        let column = self.columns.iter().position(|each| each.name == column)?;
        let row = self.rows.iter().find(|each| each.name == row)?;
        match row.values.get(column)?.as_ref()? {
            Value::Figure(figure) => Some(figure),
            Value::Text(_) => None,
        }
    }
}
