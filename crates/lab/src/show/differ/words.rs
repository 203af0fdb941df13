//! What differs, in words.

use super::{Change, Differences, Direction, FALSE_ALARM};
use crate::report::Unit;
use crate::show::Look;
use crate::show::text::page::{Ink, Page};
use crate::text::count;
use crate::unit::say;

impl Differences {
    /// Formats what differs for a terminal: what makes the reports hard to compare first, then what became worse.
    pub fn text(&self, look: Look) -> String {
        let mut page = Page::new(look);
        let warn = |page: &mut Page, title: &str, lines: &[String]| {
            if !lines.is_empty() {
                page.wrap("", title, Ink::Warning);
                lines
                    .iter()
                    .for_each(|line| page.wrap("  ", line, Ink::Plain));
                page.gap();
            }
        };
        let machines = "The machines differ, and what follows may be due to that:";
        warn(&mut page, machines, &self.machines);
        let settings = "These were run with other settings, and may differ for that alone:";
        warn(&mut page, settings, &self.settings);
        let kinds = [
            (Direction::Worse, "worse", Ink::Bad),
            (Direction::Better, "better", Ink::Good),
            (Direction::Other, "other", Ink::Strong),
        ];
        for (direction, title, ink) in kinds {
            let of_it = self
                .changes
                .iter()
                .filter(|change| change.direction == direction);
            let lines: Vec<String> = of_it.map(Change::sentence).collect();
            if !lines.is_empty() {
                page.wrap("", title, ink);
                lines
                    .iter()
                    .for_each(|line| page.wrap("  ", line, Ink::Plain));
                page.gap();
            }
        }
        let lists = [
            ("failures and verdicts", &self.others),
            ("only in the first report", &self.only_before),
            ("only in the second report", &self.only_after),
        ];
        for (title, lines) in lists {
            if !lines.is_empty() {
                page.wrap("", title, Ink::Strong);
                lines
                    .iter()
                    .for_each(|line| page.wrap("  ", line, Ink::Plain));
                page.gap();
            }
        }
        page.wrap("", &self.summary(), Ink::Plain);
        page.finish()
    }

    /// Says how many figures were compared, and how.
    fn summary(&self) -> String {
        let ratio = (self.least_ratio - 1.0) * 100.0;
        let figures = count(self.compared, "figure");
        let mut said = match self.changes.len() {
            _ if self.compared == 0 => "No figure could be compared.".to_owned(),
            0 => format!("{figures} compared: none differs beyond noise."),
            1 => format!("{figures} compared: 1 differs beyond noise."),
            differ => format!("{figures} compared: {differ} differ beyond noise."),
        };
        if self.compared > 0 {
            let chance = FALSE_ALARM * self.compared as f64;
            said.push_str(&format!(
                " Noise alone would make about {chance:.1} differ if each were tested at 5 %. Therefore a figure counts only if \
                 the intervals do not overlap, the medians differ by {ratio:.0} % or more, and noise has a probability \
                 below 0.05/{}.",
                self.compared
            ));
        }
        if self.too_few > 0 {
            let few = count(self.too_few, "figure");
            said.push_str(&format!(
                " Not compared: {few} with too few samples to be told from noise."
            ));
        }
        said
    }
}

impl Change {
    /// Says what became of the figure, in one sentence: `io: threads/epoll, wall: 1.9 times slower: 2.00 s
    /// (1.98 s–2.05 s), was 1.05 s (1.01 s–1.07 s)`.
    pub fn sentence(&self) -> String {
        let more = self.after.median > self.before.median;
        let word = match (self.direction, self.unit, more) {
            (Direction::Worse, Unit::Seconds | Unit::PerSecond, _) => "slower",
            (Direction::Better, Unit::Seconds | Unit::PerSecond, _) => "faster",
            (_, _, true) => "more",
            (_, _, false) => "less",
        };
        let factor = self.factor();
        let by = match factor {
            factor if !factor.is_finite() => word.to_owned(),
            factor if factor >= 1.995 => format!(
                "{factor:.1} times {}",
                if word == "more" { "as much" } else { word }
            ),
            factor => format!("{:.0} % {word}", (factor - 1.0) * 100.0),
        };
        let by = match (word, factor) {
            ("less", factor) if factor.is_finite() && factor >= 1.995 => {
                format!("{factor:.1} times less")
            }
            ("less", factor) if factor.is_finite() => {
                format!("{:.0} % less", (1.0 - 1.0 / factor) * 100.0)
            }
            _ => by,
        };
        let side = |side: &super::Side| {
            let [median, low, high] =
                [side.median, side.low, side.high].map(|figure| say(self.unit, figure));
            match low == high {
                true => median,
                false => format!("{median} ({low}–{high})"),
            }
        };
        let table = if self.table.is_empty() {
            String::new()
        } else {
            format!(", {}", self.table)
        };
        format!(
            "{}{table}: {}, {}: {by}: {}, was {}",
            self.experiment,
            self.row,
            self.column,
            side(&self.after),
            side(&self.before)
        )
    }
}
