//! Effects with what is claimed of them, and the verdict that follows.

use crate::report::{Figure, Verdict, Verdicts};

/// What a saying claims of a quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is more than 1, by at least what matters.
    More,
    /// It is less than 1, by at least what matters.
    Less,
    /// It is 1, but for what does not matter.
    Same,
    /// It is not less than 1 by as much as matters.
    NotLess,
    /// It is not more than 1 by as much as matters.
    NotMore,
    /// Nothing: the quotient is shown beside the others.
    Nothing,
}

/// A quotient of two figures, and what the saying claims of it.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    /// What is compared: `threads ÷ tasks, 50 clients`. Nothing that was found is in it, so that two reports
    /// have the same names.
    pub(crate) name: String,
    /// What the quotient is of, where that says more than it: `15,861 ÷ 19,995`.
    pub(crate) counts: Option<String>,
    /// The quotient of each round.
    pub(crate) figure: Figure,
    /// What the saying claims.
    pub(crate) claim: Claim,
    /// The least difference that matters; 0.05 is 5 %.
    pub(crate) least: f64,
}

impl Effect {
    /// Creates an effect from the figures of two cells that were run by turns: the quotients of the same rounds.
    /// `None` if there is none, as after a division by zero.
    pub(crate) fn of(
        name: impl Into<String>,
        above: &Figure,
        below: &Figure,
        claim: Claim,
        least: f64,
    ) -> Option<Effect> {
        let pairs = above.samples().iter().zip(below.samples());
        Some(Effect {
            name: name.into(),
            counts: None,
            figure: Figure::of(pairs.map(|(above, below)| above / below).collect())?,
            claim,
            least,
        })
    }

    /// Returns whether the claim holds; `None` if the interval has both what holds and what does not, or if nothing
    /// is claimed.
    pub(crate) fn holds(&self) -> Option<bool> {
        let (up, down) = (1.0 + self.least, 1.0 / (1.0 + self.least));
        let interval = self.figure.interval();
        let known = self.figure.samples().len() > 1;
        let above = |bound: f64| match () {
            () if !known => None,
            () if interval.low > bound => Some(true),
            () if interval.high < bound => Some(false),
            () => None,
        };
        match self.claim {
            Claim::More => above(up),
            Claim::Less => above(down).map(|above| !above),
            Claim::NotMore => above(up).map(|above| !above),
            Claim::NotLess => above(down),
            Claim::Same => match (above(up), above(down)) {
                (Some(false), Some(true)) => Some(true),
                (Some(true), _) | (_, Some(false)) => Some(false),
                _ => None,
            },
            Claim::Nothing => None,
        }
    }

    /// Returns what the quotient is if the saying holds.
    pub(crate) fn expected(&self) -> String {
        let (up, down) = (1.0 + self.least, 1.0 / (1.0 + self.least));
        match self.claim {
            Claim::More => format!("above {up:.2}"),
            Claim::Less => format!("below {down:.2}"),
            Claim::NotMore => format!("at most {up:.2}"),
            Claim::NotLess => format!("at least {down:.2}"),
            Claim::Same => format!("from {down:.2} to {up:.2}"),
            Claim::Nothing => "shown beside".to_owned(),
        }
    }

    /// Returns what was found, in a word or two.
    pub(crate) fn found(&self) -> &'static str {
        match (self.claim, self.holds()) {
            (Claim::Nothing, _) => "",
            (_, Some(true)) => "holds",
            (_, Some(false)) => "does not hold",
            (_, None) => "inside the noise",
        }
    }

    /// Returns the same effect with what its quotient is of.
    pub(crate) fn of_counts(self, counts: String) -> Effect {
        Effect {
            counts: Some(counts),
            ..self
        }
    }

    /// Returns the effect in words: `threads ÷ tasks, 50 clients: 1.53 (1.48–1.60)`.
    fn sentence(&self) -> String {
        let interval = self.figure.interval();
        let digits = |value: f64| match value.abs() {
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value => format!("{value:.2}"),
        };
        let counts = self.counts.as_deref();
        let counts = counts.map_or_else(String::new, |counts| format!("{counts} = "));
        format!(
            "{}: {counts}{} ({}–{})",
            self.name,
            digits(self.figure.median()),
            digits(interval.low),
            digits(interval.high)
        )
    }
}

/// Returns the verdict that follows from the effects: true if all claims hold, false if none does and one at least is
/// refuted, not shown if all are inside the noise; else it depends.
pub(crate) fn judge(saying: &str, how: &str, effects: &[Effect]) -> Verdict {
    let claims = || effects.iter().filter(|each| each.claim != Claim::Nothing);
    let with = |wanted| {
        let of_it = claims().filter(|each| each.holds() == wanted);
        of_it.map(Effect::sentence).collect::<Vec<_>>()
    };
    let (held, refuted, unknown) = (with(Some(true)), with(Some(false)), with(None));
    let verdict = match (held.len(), refuted.len(), unknown.len()) {
        (0, 0, _) => Verdicts::NotShown,
        (_, 0, 0) => Verdicts::True,
        (0, _, _) => Verdicts::False,
        _ => Verdicts::Depends,
    };
    let mut parts = Vec::new();
    for (what, sentences) in [
        ("holds for", held),
        ("does not hold for", refuted),
        ("inside the noise for", unknown),
    ] {
        match verdict {
            _ if sentences.is_empty() => {}
            Verdicts::Depends => parts.push(format!("{what} {}", sentences.join("; "))),
            _ => parts.push(sentences.join("; ")),
        }
    }
    let beside = effects.iter().filter(|each| each.claim == Claim::Nothing);
    parts.extend(beside.map(|each| format!("beside it {}", each.sentence())));
    Verdict {
        saying: saying.to_owned(),
        verdict,
        effect: parts.join("; "),
        how: how.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(samples: &[f64], claim: Claim) -> Effect {
        Effect {
            name: "a ÷ b".to_owned(),
            counts: None,
            figure: Figure::of(samples.to_vec()).unwrap(),
            claim,
            least: 0.05,
        }
    }

    #[test]
    fn a_claim_holds_or_not_only_beyond_the_noise() {
        let (more, less, same, wide) = ([1.2, 1.3], [0.5, 0.6], [0.99, 1.01], [0.9, 1.2]);
        let expected = [
            (Claim::More, [Some(true), Some(false), Some(false), None]),
            (Claim::Less, [Some(false), Some(true), Some(false), None]),
            (Claim::Same, [Some(false), Some(false), Some(true), None]),
            (Claim::NotMore, [Some(false), Some(true), Some(true), None]),
            (Claim::NotLess, [Some(true), Some(false), Some(true), None]),
            (Claim::Nothing, [None; 4]),
        ];
        for (claim, holds) in expected {
            let found = [&more, &less, &same, &wide].map(|it| effect(it, claim).holds());
            assert_eq!(found, holds, "{claim:?}");
        }
        assert_eq!(effect(&[9.0], Claim::More).holds(), None, "one run");
    }

    #[test]
    fn the_verdict_follows_from_the_claims() {
        let (yes, no) = (
            effect(&[2.0, 2.1], Claim::More),
            effect(&[1.0, 1.01], Claim::More),
        );
        let (noise, beside) = (
            effect(&[0.9, 1.2], Claim::More),
            effect(&[7.0, 8.0], Claim::Nothing),
        );
        let of = |effects: &[&Effect]| {
            let effects: Vec<Effect> = effects.iter().map(|&each| each.clone()).collect();
            judge("s", "h", &effects).verdict
        };
        assert_eq!(of(&[&yes, &yes, &beside]), Verdicts::True);
        assert_eq!(of(&[&no, &noise]), Verdicts::False);
        assert_eq!(of(&[&yes, &no]), Verdicts::Depends);
        assert_eq!(of(&[&yes, &noise]), Verdicts::Depends);
        assert_eq!(of(&[&noise, &beside]), Verdicts::NotShown);
        assert_eq!(of(&[]), Verdicts::NotShown);
    }

    #[test]
    fn what_depends_names_both_cases_with_their_numbers() {
        let (yes, no) = (
            effect(&[2.0, 2.2], Claim::More),
            effect(&[1.0, 1.0], Claim::More),
        );
        let no = no.of_counts("8 ÷ 8".to_owned());
        let text = judge("s", "h", &[yes, no]).effect;
        assert_eq!(
            text,
            "holds for a ÷ b: 2.10 (2.00–2.20); does not hold for a ÷ b: 8 ÷ 8 = 1.00 (1.00–1.00)"
        );
    }

    #[test]
    fn a_quotient_is_of_the_same_rounds() {
        let of = |samples: &[f64]| Figure::of(samples.to_vec()).unwrap();
        let effect = Effect::of(
            "q",
            &of(&[2.0, 6.0]),
            &of(&[1.0, 3.0, 9.0]),
            Claim::Same,
            0.1,
        );
        assert_eq!(effect.unwrap().figure.samples(), [2.0, 2.0]);
        assert!(Effect::of("q", &of(&[1.0]), &of(&[0.0]), Claim::Same, 0.1).is_none());
    }
}
