//! Selectors, read.

use super::part::{Condition, Operator, Part, Test};
use super::{MAX_PARTS, Relation, Step};

/// Returns the alternatives of a selector.
pub(super) fn alternatives(text: &str) -> Result<Vec<Vec<Step>>, String> {
    let mut reader = Reader { rest: text };
    reader.skip_blanks()?;
    if reader.rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(reader.steps()?);
        match reader.peek() {
            None => return Ok(alternatives),
            Some(',') => reader.next(),
            Some(_) => return Err(format!("`{}` is not understood", reader.rest)),
        };
        reader.skip_blanks()?;
        if reader.rest.is_empty() {
            return Err("it is empty behind a comma".to_owned());
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Goes behind `text` if it is next.
    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Skips blanks and comments; returns whether there were any.
    fn skip_blanks(&mut self) -> Result<bool, String> {
        let before = self.rest.len();
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !self.rest.starts_with("/*") {
                return Ok(self.rest.len() < before);
            }
            let (_, rest) = self.rest.split_once("*/").ok_or("a comment has no end")?;
            self.rest = rest;
        }
    }

    /// Reads one alternative.
    fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        let mut relation = Relation::First;
        loop {
            let part = self.part()?;
            if part.conditions.is_empty() {
                return Err(match self.peek() {
                    None => "a part is missing at the end".to_owned(),
                    Some(c @ ('>' | '+' | '~' | ',')) => format!("a part is missing before `{c}`"),
                    Some(_) => format!("`{}` is not understood", self.rest),
                });
            }
            steps.push(Step { relation, part });
            if steps.len() > MAX_PARTS {
                return Err(format!("it has more than {MAX_PARTS} parts"));
            }
            let apart = self.skip_blanks()?;
            relation = match self.peek() {
                None | Some(',') => return Ok(steps),
                Some('>') => Relation::Parent,
                Some('+') => Relation::Previous,
                Some('~') => Relation::Earlier,
                Some(_) if apart => {
                    relation = Relation::Ancestor;
                    continue;
                }
                Some(_) => return Err(format!("`{}` is not understood", self.rest)),
            };
            self.next();
            self.skip_blanks()?;
        }
    }

    /// Reads the conditions on one element, of which there may be none.
    fn part(&mut self) -> Result<Part, String> {
        let mut part = Part::default();
        if self.takes("*") {
            // It has to be told from no condition at all.
            part.conditions.push(Condition::Not(Vec::new()));
        } else if self.peek().is_some_and(is_name) {
            part.conditions
                .push(Condition::Name(self.name()?.to_ascii_lowercase()));
        }
        loop {
            let condition = match self.peek() {
                Some('#') => {
                    self.next();
                    Condition::Id(self.name()?)
                }
                Some('.') => {
                    self.next();
                    Condition::Class(self.name()?)
                }
                Some('[') => {
                    self.next();
                    Condition::Attribute(self.test()?)
                }
                Some(':') => self.pseudo()?,
                _ => return Ok(part),
            };
            part.conditions.push(condition);
        }
    }

    /// Reads a name, with its escapes.
    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|&c| is_name(c)) {
            self.next();
            name.push(match c {
                '\\' => self.escaped().ok_or("a backslash is at the end")?,
                c => c,
            });
        }
        match name.is_empty() {
            true if self.rest.is_empty() => Err("a name is missing at the end".to_owned()),
            true => Err(format!("a name is missing at `{}`", self.rest)),
            false => Ok(name),
        }
    }

    /// Reads what stands behind a backslash: a character, or up to six digits and a blank.
    fn escaped(&mut self) -> Option<char> {
        let digits = self.rest.bytes().take(6).take_while(u8::is_ascii_hexdigit);
        let (number, rest) = self.rest.split_at(digits.count());
        if number.is_empty() {
            return self.next();
        }
        self.rest = rest.strip_prefix([' ', '\n', '\t']).unwrap_or(rest);
        let number = u32::from_str_radix(number, 16).ok()?;
        Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Reads a condition on an attribute, behind its bracket.
    fn test(&mut self) -> Result<Test, String> {
        const UNCLOSED: &str = "`[` has no `]`";
        const OPERATORS: [(&str, Operator); 6] = [
            ("=", Operator::Equal),
            ("~=", Operator::Word),
            ("|=", Operator::Hyphen),
            ("^=", Operator::Prefix),
            ("$=", Operator::Suffix),
            ("*=", Operator::Inside),
        ];
        self.skip_blanks()?;
        let name = self.name()?.to_ascii_lowercase();
        self.skip_blanks()?;
        let operator = OPERATORS.iter().find(|(sign, _)| self.takes(sign));
        let mut test = Test {
            name,
            operator: operator.map_or(Operator::Any, |(_, operator)| *operator),
            value: String::new(),
            ignores_case: false,
        };
        if operator.is_some() {
            self.skip_blanks()?;
            test.value = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                _ => self.name()?,
            };
            self.skip_blanks()?;
            test.ignores_case = self.takes("i") || self.takes("I");
            if !test.ignores_case {
                let _ = self.takes("s") || self.takes("S");
            }
            self.skip_blanks()?;
        }
        match self.peek() {
            Some(']') => self.next().map(|_| test).ok_or(UNCLOSED.to_owned()),
            None => Err(UNCLOSED.to_owned()),
            Some(_) => Err(format!("`{}` is not understood", self.rest)),
        }
    }

    /// Reads a text from its quote on.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        self.next();
        loop {
            match self.next().ok_or("a quote has no end")? {
                c if c == quote => return Ok(text),
                '\\' => text.push(self.escaped().ok_or("a quote has no end")?),
                c => text.push(c),
            }
        }
    }

    /// Reads a condition that begins with a colon.
    fn pseudo(&mut self) -> Result<Condition, String> {
        let all = self.rest;
        self.next();
        let double = self.takes(":");
        let name = self.name()?.to_ascii_lowercase();
        let shown = &all[..all.len() - self.rest.len()];
        match (&*name, double) {
            ("first-child", false) => Ok(Condition::First),
            ("last-child", false) => Ok(Condition::Last),
            ("nth-child", false) => {
                let inside = self.inside()?;
                let places = places(inside);
                let (a, b) = places.ok_or_else(|| {
                    format!(
                        "`{shown}({inside})` is not understood: use odd, even or a form of 2n+1"
                    )
                })?;
                Ok(Condition::Nth(a, b))
            }
            ("not", false) => {
                let mut steps = alternatives(self.inside()?)?;
                if steps.iter().any(|steps| steps.len() > 1) {
                    return Err("`:not` takes no elements within elements".to_owned());
                }
                let parts = steps.iter_mut().filter_map(Vec::pop).map(|step| step.part);
                Ok(Condition::Not(parts.collect()))
            }
            _ => Err(format!(
                "`{shown}` is not supported; :first-child, :last-child, :nth-child() and :not() are"
            )),
        }
    }

    /// Returns what stands in parentheses, which may have others within.
    fn inside(&mut self) -> Result<&'a str, String> {
        const UNCLOSED: &str = "`(` has no `)`";
        let all = self.rest.strip_prefix('(').ok_or("`(` is missing")?;
        let mut depth = 1;
        for (at, c) in all.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = &all[at + 1..];
                return Ok(all[..at].trim_ascii());
            }
        }
        Err(UNCLOSED.to_owned())
    }
}

/// Reads `odd`, `even`, or a form of an + b.
fn places(text: &str) -> Option<(i64, i64)> {
    let text: String = text.to_ascii_lowercase().split_ascii_whitespace().collect();
    match &*text {
        "odd" => return Some((2, 1)),
        "even" => return Some((2, 0)),
        _ => {}
    }
    let number = |text: &str| text.parse::<i32>().ok().map(i64::from);
    let Some((a, b)) = text.split_once('n') else {
        return Some((0, number(&text)?));
    };
    let a = match a {
        "" | "+" => 1,
        "-" => -1,
        a => number(a)?,
    };
    match b {
        "" => Some((a, 0)),
        b if b.starts_with(['+', '-']) => Some((a, number(b)?)),
        _ => None,
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\\') || !c.is_ascii()
}
