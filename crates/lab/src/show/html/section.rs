//! One experiment: its question, what follows, the sayings, the tables and the pictures.

use std::fmt::Write;

use super::{escape, list, plot, prose, table};
use crate::report::{Section, Verdict, Verdicts};
use crate::show::facts::took;
use crate::show::verdicts::{counted, sign, word};

pub(super) fn write(page: &mut String, section: &Section, nth: usize) {
    let _ = writeln!(
        page,
        "<section class=\"experiment\" aria-labelledby=\"s{nth}\">\n<p class=\"brow\">{}</p>\n<h2 id=\"s{nth}\">{}</h2>",
        escape(&section.experiment),
        escape(if section.title.is_empty() {
            &section.experiment
        } else {
            &section.title
        })
    );
    if let Some(error) = &section.error {
        let _ = writeln!(
            page,
            "<div class=\"note\">\n<h3>Failed</h3>\n<p>{}</p>\n</div>",
            escape(error)
        );
    }
    list(page, "findings", &section.findings);
    if !section.warnings.is_empty() {
        page.push_str("<div class=\"note\">\n<h3>Not measured, or not to be trusted</h3>\n");
        list(page, "plain", &section.warnings);
        page.push_str("</div>\n");
    }
    if !section.verdicts.is_empty() {
        verdicts(page, &section.verdicts);
    }
    // A table is followed by the picture of it where there are as many.
    let paired = section.tables.len().max(section.plots.len());
    for at in 0..paired {
        if let Some(of_it) = section.plots.get(at) {
            plot::write(page, of_it, &format!("s{nth}p{at}"));
        }
        if let Some(of_it) = section.tables.get(at) {
            table::write(page, of_it, section);
        }
    }
    let took = took(section.took_s);
    if !section.settings.is_empty() || !took.is_empty() {
        page.push_str("<div class=\"how\">\n<h3>How it was measured</h3>\n");
        list(page, "plain", &section.settings);
        if !took.is_empty() {
            let _ = writeln!(page, "<p>It took {took}.</p>");
        }
        page.push_str("</div>\n");
    }
    page.push_str("</section>\n");
}

fn verdicts(page: &mut String, verdicts: &[Verdict]) {
    let _ = writeln!(
        page,
        "<h3>Sayings under test</h3>\n<p class=\"tally\">{}</p>\n<div class=\"verdicts\">",
        counted(verdicts)
    );
    for verdict in verdicts {
        let class = match verdict.verdict {
            Verdicts::True => "true",
            Verdicts::False => "false",
            Verdicts::Depends => "depends",
            Verdicts::NotShown => "not-shown",
        };
        let _ = writeln!(
            page,
            "<article class=\"verdict {class}\">\n<p class=\"badge\"><span aria-hidden=\"true\">{}</span> {}</p>\n\
             <h4>{}</h4>\n<p class=\"effect\">{}</p>\n<p class=\"did\">{}</p>\n</article>",
            sign(verdict.verdict),
            word(verdict.verdict),
            prose(&verdict.saying),
            prose(&verdict.effect),
            prose(&verdict.how)
        );
    }
    page.push_str("</div>\n");
}
