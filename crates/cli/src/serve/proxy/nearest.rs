//! The known word that is nearest to one that is not known.

/// Returns the word among `known` that a slip of the finger may have made into `word`.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|it| (distance(word, it), it)).min()?;
    let limit = (word.chars().count() / 3).max(2);
    (near.0 <= limit).then_some(near.1)
}

/// Returns how many letters must be added, left out or changed to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["to", "balance", "check", "check_interval"];
        assert_eq!(nearest("balanse", known), Some("balance"));
        assert_eq!(nearest("check-interval", known), Some("check_interval"));
        assert_eq!(nearest("tos", known), Some("to"));
        assert_eq!(nearest("weight_of_all", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
