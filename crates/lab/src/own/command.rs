//! The user's command: its placeholders, and which models and drivers it is run under.

use switchboard_runtime::{Driver, Model};

/// A command line with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template<'a>(pub(super) &'a [String]);

/// What the placeholders stand for in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// `None` if the command does not choose its model.
    pub(super) model: Option<Model>,
    /// `None` if the command does not choose its driver, or the model has none.
    pub(super) driver: Option<Driver>,
}

const MODEL: &str = "{model}";
const DRIVER: &str = "{driver}";
const PORT: &str = "{port}";

impl Variant {
    /// Returns the name of the row: `tasks/epoll`.
    pub(super) fn name(&self) -> String {
        match (self.model, self.driver) {
            (Some(model), Some(driver)) => format!("{model}/{driver}"),
            (Some(model), None) => model.to_string(),
            (None, Some(driver)) => driver.to_string(),
            (None, None) => "as it is".to_owned(),
        }
    }
}

impl Template<'_> {
    fn has(&self, placeholder: &str) -> bool {
        self.0.iter().any(|word| word.contains(placeholder))
    }

    /// Returns whether the command can be run.
    ///
    /// # Errors
    /// One line that says what it lacks.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Err(
                "after `--` comes the command of a server, such as `-- ./server --port {port}`"
                    .to_owned(),
            );
        }
        if !self.has(PORT) {
            return Err(format!(
                "`{}` has no {PORT}: put it where the server takes the port on which it is to listen",
                self.0.join(" ")
            ));
        }
        Ok(())
    }

    /// Returns the rows: the models and the drivers that the command lets be chosen.
    pub(super) fn variants(&self, models: &[Model]) -> Vec<Variant> {
        let drivers = || {
            let real = Driver::ALL.into_iter().filter(|each| *each != Driver::Sim);
            real.map(Some).collect::<Vec<_>>()
        };
        match (self.has(MODEL), self.has(DRIVER)) {
            (false, false) => vec![Variant {
                model: None,
                driver: None,
            }],
            (false, true) => {
                let rows = drivers().into_iter();
                rows.map(|driver| Variant {
                    model: None,
                    driver,
                })
                .collect()
            }
            (true, has_driver) => models
                .iter()
                .flat_map(|&model| {
                    let drivers = match has_driver && model.has_loop() {
                        true => drivers(),
                        false => vec![None],
                    };
                    let model = Some(model);
                    drivers
                        .into_iter()
                        .map(move |driver| Variant { model, driver })
                })
                .collect(),
        }
    }

    /// Returns the command line of a row. Where there is no driver, a word with `{driver}` is left out, and with it
    /// the option before it (`--driver {driver}`).
    pub(super) fn words(&self, variant: Variant, port: u16) -> Vec<String> {
        let mut words: Vec<String> = Vec::with_capacity(self.0.len());
        for word in self.0 {
            if word.contains(DRIVER) && variant.driver.is_none() {
                if words.len() > 1
                    && words.last().is_some_and(|last| is_option(last))
                    && !word.starts_with('-')
                {
                    words.pop();
                }
                continue;
            }
            let model = variant.model.map_or("", Model::name);
            let driver = variant.driver.map_or("", Driver::name);
            let word = word.replace(MODEL, model).replace(DRIVER, driver);
            words.push(word.replace(PORT, &port.to_string()));
        }
        words
    }
}

/// Returns whether a word is an option whose value is the next word.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn of(text: &str, model: Option<Model>, driver: Option<Driver>) -> String {
        let words = words(text);
        Template(&words)
            .words(Variant { model, driver }, 8080)
            .join(" ")
    }

    #[test]
    fn placeholders_are_replaced_wherever_they_are() {
        let text = "s --model {model} --driver={driver} -l 127.0.0.1:{port} {port}";
        let found = of(text, Some(Model::Tasks), Some(Driver::Epoll));
        assert_eq!(
            found,
            "s --model tasks --driver=epoll -l 127.0.0.1:8080 8080"
        );
        assert_eq!(of("s {other} {}", None, None), "s {other} {}");
    }

    #[test]
    fn without_a_driver_its_option_is_left_out() {
        let threads = Some(Model::Threads);
        assert_eq!(
            of("s --driver {driver} -m {model} {port}", threads, None),
            "s -m threads 8080"
        );
        assert_eq!(of("s --driver={driver} {port}", threads, None), "s 8080");
        assert_eq!(of("s -v --driver={driver}", threads, None), "s -v");
        assert_eq!(of("s {driver} {port}", threads, None), "s 8080");
        assert_eq!(of("{driver}", threads, None), "");
    }

    #[test]
    fn rows_are_what_the_command_lets_be_chosen() {
        let names = |text: &str| -> Vec<String> {
            let words = words(text);
            let rows = Template(&words).variants(&[Model::Threads, Model::Tasks]);
            rows.iter().map(Variant::name).collect()
        };
        assert_eq!(names("s {port}"), ["as it is"]);
        assert_eq!(names("s {model} {port}"), ["threads", "tasks"]);
        let both = names("s {model} {driver} {port}");
        assert_eq!(both[0], "threads");
        assert!(
            both.contains(&"tasks/select".to_owned()) && !both.contains(&"tasks/sim".to_owned())
        );
        assert!(names("s {driver} {port}").contains(&"epoll".to_owned()));
    }

    #[test]
    fn a_command_without_a_port_is_refused() {
        assert!(Template(&[]).check().is_err());
        let without = words("s --model {model}");
        assert!(Template(&without).check().unwrap_err().contains("{port}"));
        assert!(Template(&words("s {port}")).check().is_ok());
    }
}
