//! The candidates of `srcset`, as the HTML standard parses it.

use super::is_blank;

/// Calls `found` with the offset and the text of each candidate's URL. As in browsers, a candidate with a wrong
/// descriptor is none.
pub(super) fn candidates<'a>(srcset: &'a str, mut found: impl FnMut(usize, &'a str)) {
    let mut rest = srcset;
    loop {
        rest = rest.trim_start_matches(|c| is_blank(c) || c == ',');
        if rest.is_empty() {
            return;
        }
        let offset = srcset.len() - rest.len();
        let url = &rest[..rest.find(is_blank).unwrap_or(rest.len())];
        rest = &rest[url.len()..];
        let trimmed = url.trim_end_matches(',');
        if trimmed.len() < url.len() {
            found(offset, trimmed);
            continue;
        }
        let (descriptors, behind) = descriptors(rest);
        rest = behind;
        if are_valid(descriptors) {
            found(offset, url);
        }
    }
}

/// Divides at the first comma outside of parentheses.
fn descriptors(text: &str) -> (&str, &str) {
    let mut is_within = false;
    let end = text.bytes().position(|byte| {
        match byte {
            b'(' => is_within = true,
            b')' => is_within = false,
            _ => {}
        }
        byte == b',' && !is_within
    });
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether there is at most one width or density, and a height only beside a width.
fn are_valid(descriptors: &str) -> bool {
    let (mut width, mut density, mut height) = (false, false, false);
    for descriptor in descriptors
        .split(is_blank)
        .filter(|descriptor| !descriptor.is_empty())
    {
        let number =
            &descriptor[..descriptor.len() - descriptor.chars().last().map_or(0, char::len_utf8)];
        let is_count = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_positive = is_count && number.bytes().any(|byte| byte != b'0');
        let is_valid = match descriptor.as_bytes().last() {
            Some(b'w') => is_positive && !density && !std::mem::replace(&mut width, true),
            Some(b'h') => is_positive && !density && !std::mem::replace(&mut height, true),
            Some(b'x') => {
                is_density(number) && !width && !height && !std::mem::replace(&mut density, true)
            }
            _ => false,
        };
        if !is_valid {
            return false;
        }
    }
    !height || width
}

/// A floating-point number by the HTML standard that is not negative.
fn is_density(number: &str) -> bool {
    let is_written = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    is_written
        && !number.starts_with('+')
        && !number.ends_with('.')
        && number.parse::<f64>().is_ok_and(|value| value >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(srcset: &str) -> Vec<&str> {
        let mut urls = Vec::new();
        candidates(srcset, |offset, url| {
            assert!(srcset[offset..].starts_with(url));
            urls.push(url);
        });
        urls
    }

    #[test]
    fn candidates_are_parted_as_browsers_do() {
        assert_eq!(
            urls("a.png 1x, b,c.png 2x , d.png"),
            ["a.png", "b,c.png", "d.png"]
        );
        assert_eq!(urls("a.png, b.png,c.png,"), ["a.png", "b.png,c.png"]);
        assert_eq!(urls(" ,, a 100w 50h,\n\tb 1.5e1x"), ["a", "b"]);
        assert_eq!(
            urls("data:image/png;base64,AA== 1x, b 2x"),
            ["data:image/png;base64,AA==", "b"]
        );
        assert_eq!(urls(""), Vec::<&str>::new());
        assert_eq!(urls(",,"), Vec::<&str>::new());
    }

    #[test]
    fn candidates_with_wrong_descriptors_are_none() {
        for wrong in [
            "a 0w",
            "a -1w",
            "a 1w 1w",
            "a 1x 1w",
            "a 10h",
            "a 1y",
            "a 1.x",
            "a w",
            "a (1x, 2x)",
            "a é",
        ] {
            assert_eq!(urls(&format!("{wrong}, b 2x")), ["b"], "{wrong}");
        }
    }
}
