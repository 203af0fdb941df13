//! Lines and lists of words.

/// Columns of the page.
pub(crate) const WIDTH: usize = 100;

/// Cuts a line, such as a long error, at the width of the page.
pub(crate) fn clip(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        None => line.to_owned(),
        Some(_) => line.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

/// Formats a number with its noun: `1 page`, `2 pages`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Joins names: `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_plural() {
        assert_eq!([count(1, "job"), count(2, "job")], ["1 job", "2 jobs"]);
    }

    #[test]
    fn the_last_name_of_a_list_has_an_and() {
        let names = ["a", "b", "c"].map(String::from);
        assert_eq!([list(&names[..1]), list(&names)], ["a", "a, b and c"]);
    }
}
