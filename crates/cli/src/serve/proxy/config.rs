//! The proxy's configuration as a TOML file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use switchboard_apps::proxy::{
    Balance, Check, Cidr, HealthRules, Mode, PoolSettings, Route, Settings, Timeouts, To,
};

use super::nearest::nearest;

/// Reads the settings from a file.
///
/// # Errors
/// One line with the file, the line and the column.
pub(super) fn read(path: &Path) -> Result<Settings, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}:{error}", path.display()))
}

/// Parses the text of a file. An error begins with line and column.
fn parse(text: &str) -> Result<Settings, String> {
    match toml::from_str::<File>(text) {
        Ok(file) => Ok(file.settings()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .map_or(0, |it| it.chars().count())
                + 1;
            Err(format!("{line}:{column}: {}", explained(error.message())))
        }
    }
}

/// Returns an error in one line, with the nearest key if one is not known.
fn explained(message: &str) -> String {
    let line = message
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("; ");
    if !line.starts_with("unknown field") {
        return line;
    }
    // The first word in back quotes is the key, and the others are those that are known.
    let mut words = line.split('`').skip(1).step_by(2);
    let key = words.next().unwrap_or_default();
    let known: Vec<&str> = words.collect();
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => format!("unknown key `{key}`: use one of {}", known.join(", ")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mode: Text<Mode>,
    #[serde(default)]
    timeouts: TimeoutsTable,
    #[serde(default)]
    trust: Vec<Text<Cidr>>,
    pool: BTreeMap<String, PoolTable>,
    #[serde(default)]
    route: Vec<RouteTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteTable {
    host: Option<String>,
    #[serde(default = "root")]
    path: String,
    pool: String,
}

fn root() -> String {
    "/".to_owned()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeoutsTable {
    idle: Option<Seconds>,
    half_closed: Option<Seconds>,
    first_byte: Option<Seconds>,
    body_idle: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolTable {
    to: Vec<Text<To>>,
    balance: Option<Text<Balance>>,
    check: Option<Text<Check>>,
    check_interval: Option<Seconds>,
    check_timeout: Option<Seconds>,
    fall: Option<AtLeastOne>,
    rise: Option<AtLeastOne>,
    failures: Option<AtLeastOne>,
    ejection: Option<Seconds>,
    longest_ejection: Option<Seconds>,
    connect_timeout: Option<Seconds>,
    max_in_flight: Option<AtLeastOne>,
    queue_timeout: Option<Seconds>,
    max_idle: Option<u32>,
    retry_percent: Option<u32>,
    retries_per_second: Option<u32>,
    #[serde(default)]
    rewrite_host: bool,
}

impl File {
    fn settings(self) -> Settings {
        let default = Timeouts::default();
        Settings {
            mode: self.mode.0,
            timeouts: Timeouts {
                idle: or(self.timeouts.idle, default.idle),
                half_closed: or(self.timeouts.half_closed, default.half_closed),
                first_byte: or(self.timeouts.first_byte, default.first_byte),
                body_idle: or(self.timeouts.body_idle, default.body_idle),
            },
            trust: self.trust.into_iter().map(|it| it.0).collect(),
            routes: self.route.into_iter().map(RouteTable::route).collect(),
            roots: None,
            pools: self
                .pool
                .into_iter()
                .map(|(name, pool)| pool.settings(name))
                .collect(),
        }
    }
}

impl RouteTable {
    fn route(self) -> Route {
        let RouteTable { host, path, pool } = self;
        Route { host, path, pool }
    }
}

impl PoolTable {
    fn settings(self, name: String) -> PoolSettings {
        let default = PoolSettings::default();
        let rules = HealthRules {
            fall: self.fall.map_or(default.rules.fall, |it| it.0),
            rise: self.rise.map_or(default.rules.rise, |it| it.0),
            failures: self.failures.map_or(default.rules.failures, |it| it.0),
            ejection: or(self.ejection, default.rules.ejection),
            longest_ejection: or(self.longest_ejection, default.rules.longest_ejection),
        };
        PoolSettings {
            name,
            to: self.to.into_iter().map(|it| it.0).collect(),
            balance: self.balance.map_or(default.balance, |it| it.0),
            check: self.check.map_or(default.check, |it| it.0),
            check_interval: or(self.check_interval, default.check_interval),
            check_timeout: or(self.check_timeout, default.check_timeout),
            rules,
            connect_timeout: or(self.connect_timeout, default.connect_timeout),
            max_in_flight: self.max_in_flight.map(|it| it.0 as usize),
            queue_timeout: or(self.queue_timeout, default.queue_timeout),
            max_idle: self.max_idle.map_or(default.max_idle, |it| it as usize),
            retry_percent: self.retry_percent.unwrap_or(default.retry_percent),
            retries_per_second: self
                .retries_per_second
                .unwrap_or(default.retries_per_second),
            rewrite_host: self.rewrite_host,
            seed: default.seed,
        }
    }
}

fn or(given: Option<Seconds>, default: Duration) -> Duration {
    given.map_or(default, |it| it.0)
}

/// A value that is written as a text.
#[derive(Default)]
struct Text<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Text).map_err(de::Error::custom)
    }
}

/// A time, as a number of seconds that may have a fraction.
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let time = Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|it| !it.is_zero());
        let wrong = || de::Error::custom("use a number of seconds that is more than zero");
        time.map(Seconds).ok_or_else(wrong)
    }
}

/// A number that is not zero.
struct AtLeastOne(u32);

impl<'de> Deserialize<'de> for AtLeastOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AtLeastOne, D::Error> {
        match u32::deserialize(deserializer)? {
            0 => Err(de::Error::custom("use 1 at least")),
            number => Ok(AtLeastOne(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings = parse("[pool.default]\nto = [\"127.0.0.1:8001\"]\n").unwrap();
        let mut expected = Settings::default();
        expected.pools[0].to.push("127.0.0.1:8001".parse().unwrap());
        assert_eq!(settings, expected);
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn all_keys_are_read() {
        let text = "mode = 'tcp'\ntimeouts = { idle = 5, half_closed = 0.5 }\n[pool.a]\nto = ['a:1', 'unix:/b']\n\
            balance = 'least'\ncheck = 'http:/up'\ncheck_interval = 1\ncheck_timeout = 2\nfall = 4\nrise = 5\n\
            failures = 6\nejection = 7\nlongest_ejection = 8\nconnect_timeout = 9\nmax_in_flight = 10\nqueue_timeout = 11\n";
        let settings = parse(text).unwrap();
        assert_eq!(settings.timeouts.half_closed, Duration::from_millis(500));
        let pool = &settings.pools[0];
        assert_eq!(
            (pool.name.as_str(), pool.to.len(), pool.max_in_flight),
            ("a", 2, Some(10))
        );
        assert_eq!(
            (&pool.balance, &pool.check),
            (&Balance::Least, &Check::Http("/up".to_owned()))
        );
        let times = [pool.check_interval, pool.check_timeout, pool.rules.ejection];
        assert_eq!(times.map(|it| it.as_secs()), [1, 2, 7]);
        let times = [
            pool.rules.longest_ejection,
            pool.connect_timeout,
            pool.queue_timeout,
        ];
        assert_eq!(times.map(|it| it.as_secs()), [8, 9, 11]);
        assert_eq!(
            (pool.rules.fall, pool.rules.rise, pool.rules.failures),
            (4, 5, 6)
        );
    }

    #[test]
    fn errors_have_their_place_and_what_to_do() {
        let cases = [
            (
                "[pool.a]\nto = ['a:1']\nbalanse = 'least'\n",
                "3:1: unknown key `balanse`: did you mean `balance`?",
            ),
            (
                "[pols.a]\nto = ['a:1']\n",
                "1:2: unknown key `pols`: did you mean `pool`?",
            ),
            (
                "[pool.a]\nto = ['a:1']\nweight_of_all = 1\n",
                "3:1: unknown key `weight_of_all`: use one of to, balance",
            ),
            (
                "[pool.a]\nto = ['a:1', 'b']\n",
                "2:6: `b` is no back end: use HOST:PORT",
            ),
            (
                "[pool.a]\nto = ['a:1']\nbalance = 'fair'\n",
                "3:11: unknown balance `fair`: use round-robin",
            ),
            ("[pool.a]\nto = ['a:1']\nfall = 0\n", "3:8: use 1 at least"),
            (
                "[pool.a]\nto = ['a:1']\nconnect_timeout = -1\n",
                "3:19: use a number of seconds",
            ),
            ("[pool.a]\n", "1:1: missing field `to`"),
            ("[pool.a\n", "1:8: "),
            ("", "1:1: missing field `pool`"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
