//! Plots as SVG. Colours, strokes and sizes of type are in `style.css`, so that they follow the reader's scheme.

mod axis;
mod bars;
mod lines;
mod marks;
mod ticks;
mod timeline;

use std::fmt::Write;

use super::escape;
use crate::report::{Plot, PlotKind};

pub(super) use marks::key;

/// Kinds of series that look different; the next one looks like the first again.
pub(super) const LOOKS: usize = 8;

/// The size of type in a plot, in pixels.
const TYPE: f64 = 13.0;

/// For which page a plot is drawn.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fit {
    /// Paper and screens of at least 700 pixels.
    Wide,
    /// Telephones.
    Narrow,
}

/// Draws a plot. `id` is unique in the page.
pub(super) fn draw(plot: &Plot, id: &str, fit: Fit) -> String {
    let mut canvas = Canvas::new(fit);
    match plot.kind {
        PlotKind::Bars => bars::draw(&mut canvas, plot),
        PlotKind::Lines | PlotKind::Steps => lines::draw(&mut canvas, plot),
        PlotKind::Timeline => timeline::draw(&mut canvas, plot),
    }
    canvas.finish(plot, id)
}

/// Returns whether the wide plot names its series beside their lines and needs no legend.
pub(super) fn names_its_series(plot: &Plot) -> bool {
    match plot.kind {
        PlotKind::Lines | PlotKind::Steps => lines::fits_labels(plot),
        PlotKind::Bars | PlotKind::Timeline => false,
    }
}

/// What is drawn on.
struct Canvas {
    fit: Fit,
    width: f64,
    height: f64,
    svg: String,
}

#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    fn new(fit: Fit) -> Canvas {
        Canvas {
            fit,
            width: if fit == Fit::Wide { 760.0 } else { 360.0 },
            height: 0.0,
            svg: String::new(),
        }
    }

    fn finish(self, plot: &Plot, id: &str) -> String {
        let (class, suffix) = match self.fit {
            Fit::Wide => ("wide", ""),
            Fit::Narrow => ("narrow", "n"),
        };
        format!(
            "<svg class=\"plot {class}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}{suffix}t \
             {id}{suffix}d\"><title id=\"{id}{suffix}t\">{}</title><desc id=\"{id}{suffix}d\">{}</desc>{}</svg>\n",
            px(self.width),
            px(self.height),
            escape(&plot.title),
            escape(&plot.caption),
            self.svg
        )
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.svg,
            "<path class=\"{class}\" d=\"M{} {}L{} {}\"/>",
            px(from.0),
            px(from.1),
            px(to.0),
            px(to.1)
        );
    }

    fn path(&mut self, class: &str, d: &str) {
        let _ = write!(self.svg, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64)) {
        let _ = write!(
            self.svg,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            px(at.0),
            px(at.1),
            px(size.0),
            px(size.1)
        );
    }

    /// Writes one line of text whose base line is at `at.1`.
    fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let _ = write!(
            self.svg,
            "<text{class} x=\"{}\" y=\"{}\"{anchor}>{}</text>",
            px(at.0),
            px(at.1),
            escape(text)
        );
    }
}

/// Writes a length with one decimal, which is enough.
fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Returns about how wide a text is. No font is known here, so that it is the width in a wide one.
fn width_of(text: &str) -> f64 {
    let ems = text.chars().map(|c| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ' ' | '/' | ':' | '-' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '×' => 0.92,
        c if u32::from(c) >= 0x1100 => 1.05,
        _ => 0.63,
    });
    ems.sum::<f64>() * TYPE
}

/// Cuts a text so that it fits, in the middle, because names differ at their ends.
fn fitted(text: &str, width: f64) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut kept = chars.len().saturating_sub(1);
    loop {
        let head: String = chars[..kept.div_ceil(2)].iter().collect();
        let tail: String = chars[chars.len() - kept / 2..].iter().collect();
        let cut = format!("{head}…{tail}");
        if kept == 0 || width_of(&cut) <= width {
            return cut;
        }
        kept -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_cut_in_the_middle() {
        let long = "tasks/epoll with a name that nobody expects/portable";
        let cut = fitted(long, 160.0);
        assert!(width_of(&cut) <= 160.0, "{cut}");
        assert!(
            cut.starts_with("tasks/") && cut.ends_with("portable"),
            "{cut}"
        );
        assert_eq!(fitted("epoll", 160.0), "epoll");
        assert_eq!(fitted("epoll", 0.0), "…");
    }
}
