//! The top of the page: what to run, on which machine, what disturbed, and the contents.

use std::fmt::Write;

use super::{escape, list, prose};
use crate::report::Report;
use crate::show::facts::{facts, took, when};

/// Returns the title of the page.
pub(super) fn title(report: &Report) -> String {
    let cpu = &report.machine.cpu;
    match cpu.is_empty() {
        true => "Switchboard: what to run here".to_owned(),
        false => format!("Switchboard: what to run on {cpu}"),
    }
}

pub(super) fn write(page: &mut String, report: &Report) {
    page.push_str("<header>\n<p class=\"brow\">Switchboard · report of the lab</p>\n");
    match report.advice.split_last() {
        Some((summary, reasons)) => {
            page.push_str("<h1>What to run on this machine</h1>\n");
            let _ = writeln!(page, "<p class=\"lead\">{}</p>", prose(summary));
            list(page, "advice", reasons);
        }
        None => page.push_str("<h1>What was measured on this machine</h1>\n"),
    }
    machine(page, report);
    page.push_str("</header>\n");
    if !report.sections.is_empty() {
        contents(page, report);
    }
}

fn machine(page: &mut String, report: &Report) {
    page.push_str("<section class=\"machine\" aria-labelledby=\"machine\">\n<h2 id=\"machine\">The machine</h2>\n<dl>\n");
    let mut fact = |name: &str, value: &str, code: bool| {
        let (class, begin, end) = match code {
            true => (" class=\"all\"", "<code>", "</code>"),
            false => ("", "", ""),
        };
        if !value.is_empty() {
            let _ = writeln!(
                page,
                "<div{class}><dt>{}</dt><dd>{begin}{}{end}</dd></div>",
                escape(name),
                escape(value)
            );
        }
    };
    for (name, value) in facts(&report.machine) {
        fact(&name, &value, false);
    }
    fact("measured", &when(&report.started), false);
    fact("took", &took(report.took_s), false);
    fact("by", &report.program, false);
    fact("command", &report.command, true);
    page.push_str("</dl>\n");
    if !report.disturbances.is_empty() {
        page.push_str("<div class=\"note\">\n<h3>What disturbed the measuring</h3>\n");
        list(page, "plain", &report.disturbances);
        page.push_str("</div>\n");
    }
    page.push_str("</section>\n");
}

fn contents(page: &mut String, report: &Report) {
    page.push_str("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
    for (nth, section) in report.sections.iter().enumerate() {
        let _ = write!(
            page,
            "<li><a href=\"#s{nth}\">{}</a> <span class=\"name\">{}</span>",
            escape(&section.title),
            escape(&section.experiment)
        );
        if let Some(first) = section.findings.first() {
            let _ = write!(page, "<p>{}</p>", prose(first));
        }
        page.push_str("</li>\n");
    }
    page.push_str("</ol>\n</nav>\n");
}
