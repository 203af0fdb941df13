//! The table of habits.

use super::mistakes::Habit;
use super::rows::Workload;
use super::table::against;
use crate::report::{Better, Column, Figure, Line, Mark, Table, Unit, Value};
use crate::rounds::Trial;

/// The title of the table of mistakes.
pub(super) const MISTAKES: &str = "Mistakes in coroutines, beside what is right";

/// Returns the table of habits, from figures of wall and processor time.
pub(super) fn table(habits: &[Habit], trials: Vec<Trial>) -> Table {
    let mut right: Option<Figure> = None;
    let rows = habits
        .iter()
        .zip(trials)
        .enumerate()
        .map(|(at, (habit, trial))| {
            let mistake = at % 2 == 1;
            let time = trial.figures.first().cloned().flatten();
            if !mistake {
                right = time.clone();
            }
            let price = against(time.as_ref(), Some(&right), Workload::Io).filter(|_| mistake);
            let cpu = trial.figures.get(1).cloned().flatten();
            Line {
                name: habit.name().to_owned(),
                mark: if mistake { Mark::Mistake } else { Mark::Plain },
                values: [time, price, cpu]
                    .map(|figure| figure.map(Value::Figure))
                    .to_vec(),
                error: trial.error,
            }
        });
    Table {
        title: MISTAKES.to_owned(),
        rows_are: "habit".to_owned(),
        columns: vec![
            Column::new("time", Unit::Seconds, Better::Less),
            Column::new("price", Unit::Ratio, Better::Less),
            Column::new("CPU", Unit::Seconds, Better::Less),
        ],
        rows: rows.collect(),
    }
}
