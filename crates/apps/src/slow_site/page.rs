//! Pages, as a function of seed and number.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;

/// How long a page takes to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always as long.
    Fixed(Duration),
    /// Log-normal: half of the pages take up to the median, a few take very long.
    LogNormal {
        /// The median.
        median: Duration,
        /// The standard deviation of the logarithm; 0.5 is a mild tail, 1.5 a heavy one.
        sigma: f64,
    },
}

impl Latency {
    fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Latency::Fixed(latency) => latency,
            Latency::LogNormal { median, sigma } => {
                // Box and Muller; 1 - f64() is never zero.
                let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
                let seconds = median.as_secs_f64() * (sigma * normal).exp();
                Duration::try_from_secs_f64(seconds.min(3600.0)).unwrap_or(median)
            }
        }
    }
}

/// `250ms`, `1.5s`, or `lognormal:250ms,0.8` (median and sigma).
///
/// ```
/// use switchboard_apps::slow_site::Latency;
///
/// assert!(matches!("lognormal:250ms,0.8".parse(), Ok(Latency::LogNormal { .. })));
/// assert!("soon".parse::<Latency>().unwrap_err().contains("250ms"));
/// ```
impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Latency, String> {
        let wrong = || format!("`{text}` is no latency: use 250ms, 1.5s or lognormal:250ms,0.8");
        let Some(rest) = text.strip_prefix("lognormal:") else {
            return duration(text).map(Latency::Fixed).ok_or_else(wrong);
        };
        let (median, sigma) = rest.split_once(',').ok_or_else(wrong)?;
        let sigma = sigma
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|sigma| (0.0..=5.0).contains(sigma));
        Ok(Latency::LogNormal {
            median: duration(median).ok_or_else(wrong)?,
            sigma: sigma.ok_or_else(wrong)?,
        })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What befalls a page's reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The page, 200.
    Page,
    /// 404.
    NotFound,
    /// 500.
    Error,
    /// 302 to another page.
    Redirect(u64),
    /// The head of an answer and half its body, then a reset.
    Reset,
    /// The page in a hundred pieces, spread over ten times its latency.
    Drip,
}

/// A little web; see the module for its paths.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// What everything depends on.
    pub seed: u64,
    /// How many pages.
    pub pages: u64,
    /// Links on each page.
    pub links: u64,
    /// How long each page takes.
    pub latency: Latency,
    /// Bytes of each page, about.
    pub size: usize,
    /// Shares of pages, from 0 to 1, that are 404.
    pub not_found: f64,
    /// … that are 500.
    pub errors: f64,
    /// … that redirect.
    pub redirects: f64,
    /// … that reset the connection.
    pub resets: f64,
    /// … that drip.
    pub drips: f64,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            seed: 1,
            pages: 10_000,
            links: 10,
            latency: Latency::Fixed(Duration::from_millis(250)),
            size: 2048,
            not_found: 0.0,
            errors: 0.0,
            redirects: 0.0,
            resets: 0.0,
            drips: 0.0,
        }
    }
}

/// One page and what befalls its reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What happens.
    pub outcome: Outcome,
    /// After how long.
    pub latency: Duration,
    /// HTML.
    pub body: String,
}

impl Site {
    /// The shares of pages with a bad outcome must leave something of the whole.
    ///
    /// # Errors
    /// One line that says which share is none, or that they are more than all.
    pub fn check(&self) -> Result<(), String> {
        let shares = [
            ("404", self.not_found),
            ("500", self.errors),
            ("redirects", self.redirects),
            ("resets", self.resets),
            ("drips", self.drips),
        ];
        if let Some((name, share)) = shares
            .iter()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
        {
            return Err(format!("a share of {name} of {share}: use 0 to 1"));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 {
            return Err(format!("shares add up to {sum}: use at most 1"));
        }
        if self.pages == 0 {
            return Err("a site of no pages: use at least 1".to_owned());
        }
        Ok(())
    }

    /// The page at a path; `None` if there is none.
    pub fn page(&self, path: &str) -> Option<Page> {
        let number = match path {
            "/" => 0,
            _ => path
                .strip_prefix("/page/")?
                .parse()
                .ok()
                .filter(|n| *n < self.pages)?,
        };
        // Neighbouring numbers must not begin alike.
        let mut rng = Rng::with_seed(self.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.u64(..);
        let latency = self.latency.draw(&mut rng);
        let outcome = self.outcome(&mut rng);
        let body = self.body(number, &mut rng);
        Some(Page {
            outcome,
            latency,
            body,
        })
    }

    fn outcome(&self, rng: &mut Rng) -> Outcome {
        let mut at = rng.f64();
        let target = rng.u64(..self.pages);
        for (share, outcome) in [
            (self.not_found, Outcome::NotFound),
            (self.errors, Outcome::Error),
            (self.redirects, Outcome::Redirect(target)),
            (self.resets, Outcome::Reset),
            (self.drips, Outcome::Drip),
        ] {
            if at < share {
                return outcome;
            }
            at -= share;
        }
        Outcome::Page
    }

    fn body(&self, number: u64, rng: &mut Rng) -> String {
        let mut body = String::with_capacity(self.size + 256);
        let write = |body: &mut String, text: fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = body.write_fmt(text);
        };
        write(
            &mut body,
            format_args!(
                "<!doctype html>\n<html><head><title>Page {number}</title></head>\n<body>\n\
             <h1>Page {number}</h1>\n<p>temperature: {} C</p>\n<ul>\n",
                rng.i32(-20..40)
            ),
        );
        for _ in 0..self.links {
            let link = rng.u64(..self.pages);
            write(
                &mut body,
                format_args!("<li><a href=\"/page/{link}\">page {link}</a></li>\n"),
            );
        }
        body.push_str("</ul>\n<p>");
        while body.len() < self.size {
            for _ in 0..rng.usize(2..10) {
                body.push(rng.lowercase());
            }
            body.push(' ');
        }
        body.push_str("</p>\n</body></html>\n");
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_function_of_seed_and_path() {
        let site = Site::default();
        assert_eq!(site.page("/page/7"), site.clone().page("/page/7"));
        assert_ne!(site.page("/page/7"), site.page("/page/8"));
        let other = Site {
            seed: 2,
            ..Site::default()
        };
        assert_ne!(site.page("/page/7"), other.page("/page/7"));
        assert_eq!(site.page("/"), site.page("/page/0"));
        assert_eq!(site.page("/page/10000"), None);
        assert_eq!(site.page("/robots.txt"), None);
    }

    #[test]
    fn shares_are_about_what_was_asked() {
        let site = Site {
            not_found: 0.05,
            errors: 0.1,
            redirects: 0.2,
            resets: 0.02,
            drips: 0.03,
            ..Site::default()
        };
        site.check().unwrap();
        let outcomes: Vec<Outcome> = (0..10_000)
            .map(|n| site.page(&format!("/page/{n}")).unwrap().outcome)
            .collect();
        let share = |is: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| is(outcome)).count() as f64 / 1e4
        };
        assert!((share(|f| *f == Outcome::NotFound) - 0.05).abs() < 0.01);
        assert!((share(|f| *f == Outcome::Error) - 0.1).abs() < 0.015);
        assert!((share(|f| matches!(f, Outcome::Redirect(_))) - 0.2).abs() < 0.02);
        assert!((share(|f| *f == Outcome::Reset) - 0.02).abs() < 0.01);
        assert!((share(|f| *f == Outcome::Page) - 0.6).abs() < 0.02);
    }

    #[test]
    fn links_lead_to_pages() {
        let site = Site {
            pages: 100,
            ..Site::default()
        };
        let body = site.page("/page/42").unwrap().body;
        let links: Vec<&str> = body
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(links.len(), 10);
        assert!(links.into_iter().all(|link| site.page(link).is_some()));
    }

    #[test]
    fn log_normal_latency_has_its_median() {
        let median = Duration::from_millis(100);
        let latency = Latency::LogNormal { median, sigma: 1.0 };
        let site = Site {
            latency,
            ..Site::default()
        };
        let below = (0..10_000)
            .filter(|n| site.page(&format!("/page/{n}")).unwrap().latency < median)
            .count();
        assert!((4700..5300).contains(&below), "{below}");
    }

    #[test]
    fn shares_must_add_up() {
        let site = Site {
            errors: 0.6,
            resets: 0.6,
            ..Site::default()
        };
        assert!(site.check().unwrap_err().contains("at most 1"));
        let site = Site {
            drips: -1.0,
            ..Site::default()
        };
        assert!(site.check().unwrap_err().contains("drips"));
    }
}
