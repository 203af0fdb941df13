//! The page that lists a folder. It needs no script, and follows the colours that its reader prefers.

use std::fmt::Write;

use crate::date::timestamp;

use super::listing::{Column, Entries, Entry, Order};

const STYLE: &str = include_str!("page.css");

/// The symbols of files and folders, which rows refer to.
const SYMBOLS: &str = "<svg class=h><symbol id=f viewBox=\"0 0 16 16\"><path d=\"M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3\"/>\
</symbol><symbol id=d viewBox=\"0 0 16 16\"><path d=\"M1.5 3.5h5l1.5 2h6.500v8h-13z\"/></symbol></svg>";

/// Returns the page of the folder at `path`.
pub(super) fn html(path: &[u8], entries: &Entries, order: Order) -> String {
    let name = escape(&String::from_utf8_lossy(path));
    let mut page = String::with_capacity(4096 + entries.list.len() * 300);
    // Writing to a string never fails.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>/{name}</title><style>{STYLE}</style></head>\n<body>{SYMBOLS}<main>\n<h1>"
    );
    crumbs(&mut page, path);
    let _ = write!(
        page,
        "</h1>\n<p>{}</p>\n<table>\n<thead><tr>",
        summary(entries)
    );
    for (column, class, label, key) in [
        (Column::Name, "", "Name", "name"),
        (Column::Size, " class=s", "Size", "size"),
        (Column::Time, " class=t", "Modified", "time"),
    ] {
        let current = order.column == column;
        let (sorted, arrow) = match (current, order.descending) {
            (false, _) => ("", ""),
            (true, false) => (" aria-sort=ascending", " ↑"),
            (true, true) => (" aria-sort=descending", " ↓"),
        };
        let next = if current && !order.descending {
            "desc"
        } else {
            "asc"
        };
        let _ = write!(
            page,
            "<th{class}{sorted}><a href=\"?sort={key}&amp;order={next}\">{label}{arrow}</a></th>"
        );
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    if !path.is_empty() {
        page.push_str("<tr><td><a href=\"../\"><svg class=d><use href=\"#d\"/></svg>..</a></td><td></td><td></td></tr>\n");
    }
    for entry in &entries.list {
        row(&mut page, entry);
    }
    if entries.list.is_empty() {
        page.push_str("<tr><td colspan=3 class=e>This folder is empty.</td></tr>\n");
    }
    page.push_str("</tbody></table>\n</main></body></html>\n");
    page
}

/// Writes the path with a link to each folder above.
fn crumbs(page: &mut String, path: &[u8]) {
    let names: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|it| !it.is_empty())
        .collect();
    let up = |count: usize| match count {
        0 => "./".to_owned(),
        _ => "../".repeat(count),
    };
    let _ = write!(page, "<a href=\"{}\">Files</a>", up(names.len()));
    for (at, name) in names.iter().enumerate() {
        let shown = escape(&String::from_utf8_lossy(name));
        let href = up(names.len() - at - 1);
        let _ = write!(page, "<span>/</span><a href=\"{href}\">{shown}</a>");
    }
}

fn row(page: &mut String, entry: &Entry) {
    let symbol = if entry.is_folder { 'd' } else { 'f' };
    let name = escape(&String::from_utf8_lossy(&entry.name));
    let slash = if entry.is_folder { "/" } else { "" };
    let href = entry.href();
    let size = match entry.is_folder {
        true => "<td class=s>–</td>".to_owned(),
        false => format!(
            "<td class=s title=\"{} bytes\">{}</td>",
            entry.length,
            size(entry.length)
        ),
    };
    let stamp = timestamp(entry.modified);
    let (date, time) = (&stamp[..10], &stamp[11..16]);
    let _ = writeln!(
        page,
        "<tr><td><a href=\"{href}\"><svg class={symbol}><use href=\"#{symbol}\"/></svg>{name}{slash}</a></td>{size}\
         <td class=t><time datetime={stamp}>{date}<span> {time}</span></time></td></tr>"
    );
}

fn summary(entries: &Entries) -> String {
    let folders = entries.list.iter().filter(|entry| entry.is_folder).count();
    let files = entries.list.len() - folders;
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let bytes = entries
        .list
        .iter()
        .filter(|entry| !entry.is_folder)
        .map(|entry| entry.length);
    let more = if entries.cut {
        "; there are more, which are not listed"
    } else {
        ""
    };
    let (folders, files) = (count(folders, "folder"), count(files, "file"));
    format!("{folders}, {files}, {}{more}", size(bytes.sum()))
}

/// Returns a number of bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be written as 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn sizes_have_one_decimal() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn names_are_text_and_never_markup() {
        let entry = Entry {
            name: b"<script>\"&".to_vec(),
            is_folder: false,
            length: 1,
            modified: UNIX_EPOCH,
        };
        let entries = Entries {
            list: vec![entry],
            cut: false,
        };
        let order = Order {
            column: Column::Name,
            descending: false,
        };
        let page = html(b"a<b/c", &entries, order);
        assert!(page.contains("&lt;script&gt;&quot;&amp;</a>"), "{page}");
        assert!(!page.contains("<script") && !page.contains("a<b"), "{page}");
        assert!(page.contains("<a href=\"../../\">Files</a>"), "{page}");
    }
}
