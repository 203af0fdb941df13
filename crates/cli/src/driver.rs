//! The value of the option `--driver`.

use std::fmt;
use std::str::FromStr;

use switchboard_runtime::Driver;

/// A driver by name, or `None` for `auto`: the one that measured best.
#[derive(Clone, Copy)]
pub(crate) struct Choice(Option<Driver>);

impl Choice {
    pub(crate) fn best() -> Choice {
        Choice(Some(Driver::best()))
    }

    pub(crate) fn driver(self) -> Driver {
        self.0.unwrap_or_else(Driver::auto)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("auto", Driver::name))
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Choice, String> {
        let real = Driver::ALL
            .into_iter()
            .filter(|driver| *driver != Driver::Sim);
        match real.clone().find(|driver| driver.name() == name) {
            Some(driver) => Ok(Choice(Some(driver))),
            None if name == "auto" => Ok(Choice(None)),
            None => {
                let known: Vec<_> = real.map(Driver::name).collect();
                let known = known.join(", ");
                Err(format!("unknown driver `{name}`: use one of {known}, auto"))
            }
        }
    }
}
