//! The report at the end of a crawl.

use std::borrow::Cow;

use switchboard_crawl::visible::visible;
use switchboard_crawl::{Ended, Report, Uncut};

use crate::output::{self, Count, Failure};

/// Prints what came of a crawl.
pub(super) fn print(report: &Report) -> Result<(), Failure> {
    let counts = &report.counts;
    let mut text = format!("{counts}\n");
    if !report.causes.is_empty() {
        let causes = report.causes.iter();
        let causes: Vec<String> = causes
            .map(|(cause, times)| format!("{} × {times}", visible(cause, false)))
            .collect();
        text += &format!("failed: {}\n", causes.join(", "));
    }
    let seconds = report.elapsed.as_secs_f64();
    text += &format!(
        "{} in {seconds:.2} s, of all runs {} ({} for robots.txt), {}, {:.1} MB\n",
        Count(report.requests, "request"),
        counts.requests,
        counts.robots_requests,
        Count(counts.redirects, "redirect"),
        counts.bytes as f64 / 1e6,
    );
    let redis = report.shared.as_ref();
    if let Some(shared) = redis {
        text += &format!(
            "of all processes that shared `{}`, {}; {} of this one\n",
            shared.name,
            shared.processes,
            Count(shared.rows, "row")
        );
    }
    let folder = report.state.display();
    let redis = redis.map_or(String::new(), |shared| format!(" --redis {}", shared.url));
    text += &match report.ended {
        Ended::Complete => format!("complete, kept in {folder}\n"),
        Ended::Budget => {
            format!(
                "as many pages as asked for; more: --resume{redis} --state {folder} --pages N\n"
            )
        }
        Ended::Stopped => {
            format!("stopped, nothing is lost; go on: --resume{redis} --state {folder}\n")
        }
    };
    for uncut in report.shared.iter().flat_map(|shared| &shared.uncut) {
        output::complain(format_args!("{}", advice(uncut)));
    }
    if let Some(missing) = &report.missing {
        output::complain(format_args!(
            "fewer requests at once than asked for: {missing}"
        ));
    }
    output::print(text)
}

/// Says what is to be done about an output of a process that did not come back.
fn advice(uncut: &Uncut) -> String {
    let (machine, file) = (visible(&uncut.machine, false), visible(&uncut.file, false));
    let (word, length, rows) = (word(&file), uncut.length, uncut.rows);
    let (what, cut) = match uncut.is_database() {
        true => (
            format!("{rows} rows"),
            format!("sqlite3 {word} 'DELETE FROM pages WHERE seq > {rows}'"),
        ),
        false => (
            format!("{length} bytes"),
            format!("truncate -s {length} {word}"),
        ),
    };
    format!(
        "a process did not come back: of {file} on {machine}, only the first {what} count; start it with --resume, or \
         cut the file: {cut}"
    )
}

/// Returns a text as one word of a shell.
fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:=@%".contains(c);
    match text.chars().all(is_plain) && !text.is_empty() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_crawl::Uncut;

    use super::{advice, word};

    #[test]
    fn a_database_is_cut_by_its_rows_and_another_file_by_its_length() {
        let of = |file: &str| {
            advice(&Uncut {
                machine: "m".to_owned(),
                file: file.to_owned(),
                length: 4096,
                rows: 7,
            })
        };
        let told = of("/srv/a b.sqlite");
        assert!(
            told.ends_with("sqlite3 '/srv/a b.sqlite' 'DELETE FROM pages WHERE seq > 7'"),
            "{told}"
        );
        let told = of("/srv/a.jsonl");
        assert!(told.ends_with("truncate -s 4096 /srv/a.jsonl"), "{told}");
    }

    #[test]
    fn a_file_is_one_word_of_a_shell_whatever_its_name() {
        assert_eq!(word("/srv/a-1.jsonl"), "/srv/a-1.jsonl");
        for text in ["/tmp/a b", "/tmp/$(id)", "/tmp/;x", "/tmp/it's", "~", ""] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
