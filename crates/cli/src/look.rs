//! How text on stdout is to look: colours, characters and width.

use std::env;
use std::io::{self, IsTerminal};

use clap::ColorChoice;
use switchboard_lab::show::Look;

/// Decides by stdout, by `--color` and `NO_COLOR`, and by the locale, which may have nothing but ASCII.
pub(crate) fn look(color: ColorChoice, ascii: bool) -> Look {
    let stdout = io::stdout();
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let terminal = stdout.is_terminal();
    let able = terminal && set("NO_COLOR").is_none() && set("TERM").as_deref() != Some("dumb");
    let columns = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| size.ws_col.into());
    let usual = Look::default();
    Look {
        unicode: !ascii
            && is_unicode(
                ["LC_ALL", "LC_CTYPE", "LANG"]
                    .iter()
                    .find_map(|name| set(name)),
            ),
        colour: match color {
            ColorChoice::Always => true,
            ColorChoice::Auto => able,
            ColorChoice::Never => false,
        },
        width: match columns {
            0 => usual.width,
            columns => columns.min(usual.width),
        },
    }
}

/// Returns whether a locale has Unicode. Where none is set, it is supposed: files and pipes are read as UTF-8 today.
fn is_unicode(locale: Option<String>) -> bool {
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_without_unicode_gets_ascii() {
        let of = |locale: &str| is_unicode(Some(locale.to_owned()));
        assert_eq!(
            ["C.UTF-8", "de_DE.utf8", "C", "POSIX"].map(of),
            [true, true, false, false]
        );
        assert!(is_unicode(None));
    }
}
