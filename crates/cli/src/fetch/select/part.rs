//! A part of a selector, such as `p.x[title]`: conditions on one element.

use super::tree::Element;

/// Conditions that an element has to meet, all of them.
#[derive(Default)]
pub(super) struct Part {
    pub(super) conditions: Vec<Condition>,
}

pub(super) enum Condition {
    /// Its name, in lower case.
    Name(String),
    Id(String),
    Class(String),
    Attribute(Test),
    /// It is one of those that are first, last, or at places a·n + b, among those of the same parent.
    First,
    Last,
    Nth(i64, i64),
    /// It meets none of the parts.
    Not(Vec<Part>),
}

/// A condition on an attribute.
pub(super) struct Test {
    /// In lower case.
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) value: String,
    pub(super) ignores_case: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Operator {
    /// It is there.
    Any,
    Equal,
    /// One of its words.
    Word,
    /// It, or what stands before its first hyphen.
    Hyphen,
    Prefix,
    Suffix,
    Inside,
}

impl Part {
    pub(super) fn matches(&self, element: &Element) -> bool {
        self.conditions.iter().all(|it| it.is_met(element))
    }
}

impl Condition {
    fn is_met(&self, element: &Element) -> bool {
        let attribute = |name| element.attribute(name);
        match self {
            Condition::Name(name) => element.name == *name,
            Condition::Id(id) => attribute("id").is_some_and(|it| it == id),
            Condition::Class(class) => {
                attribute("class").is_some_and(|it| words(it).any(|it| it == class))
            }
            Condition::Attribute(test) => attribute(&test.name).is_some_and(|it| test.is_met(it)),
            Condition::First => element.number == 1,
            Condition::Last => element.is_last,
            Condition::Nth(a, b) => {
                let beyond = element.number - b;
                match a {
                    0 => beyond == 0,
                    a => beyond % a == 0 && beyond / a >= 0,
                }
            }
            Condition::Not(parts) => !parts.iter().any(|part| part.matches(element)),
        }
    }
}

impl Test {
    fn is_met(&self, value: &str) -> bool {
        if self.ignores_case {
            let (value, wanted) = (value.to_ascii_lowercase(), self.value.to_ascii_lowercase());
            return self.operator.is_met(&value, &wanted);
        }
        self.operator.is_met(value, &self.value)
    }
}

impl Operator {
    fn is_met(self, value: &str, wanted: &str) -> bool {
        let some = !wanted.is_empty();
        match self {
            Operator::Any => true,
            Operator::Equal => value == wanted,
            Operator::Word => words(value).any(|it| it == wanted),
            Operator::Hyphen => {
                let rest = value.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }
            Operator::Prefix => some && value.starts_with(wanted),
            Operator::Suffix => some && value.ends_with(wanted),
            Operator::Inside => some && value.contains(wanted),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
}
