//! The options of `switchboard serve proxy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use switchboard_apps::proxy::{
    Balance, Check, Cidr, HealthRules, Mode, PoolSettings, Settings, Timeouts, To,
};

use switchboard_runtime::Dispatch;

use super::{can_do_without_checks, config};
use crate::output::Failure;
use crate::serve::options::{AFTER_HELP, AccessFormat, HttpOptions, Options, seconds};
use crate::serve::tls::Front;

#[derive(Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ProxyOptions {
    #[command(flatten)]
    pub(super) options: Options,
    /// Back end, as HOST:PORT, unix:PATH, http://HOST:PORT or https://HOST:PORT; give the option once for each
    #[arg(
        long,
        value_name = "BACKEND",
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    to: Vec<To>,
    /// Read pools, routes and limits from a TOML file instead of the options below; a route chooses a pool, and is no
    /// access control
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print what would run, and exit: 0 if the configuration is right, 2 if not
    #[arg(long)]
    pub(super) check_config: bool,
    /// What is passed on: tcp, any bytes both ways; or http, requests of HTTP/1 [default: http if a back end is
    /// a URL, else tcp]
    #[arg(long, conflicts_with = "config")]
    mode: Option<Mode>,
    /// How connections or requests are spread: round-robin, least (the fewest in flight), two-choices (the
    /// better of two random ones), hash (by the client's address) or hash:HEADER (by a field of the request)
    #[arg(long, default_value_t, conflicts_with = "config")]
    balance: Balance,
    /// How back ends are checked: tcp (by connecting), http:/PATH (by a request, answered with 200 to 399) or
    /// off [default: tcp; off under model `processes`]
    #[arg(long, conflicts_with = "config")]
    check: Option<Check>,
    /// Seconds between two checks of a back end, with a tenth more or less by chance
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    check_interval: Duration,
    /// How many checks in a row must fail before a back end is down; the very first one is enough
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "config")]
    fall: u32,
    /// How many checks in a row must succeed before it is up again
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "config")]
    rise: u32,
    /// Seconds that connecting to a back end may take before the next one is tried
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    connect_timeout: Duration,
    /// Connections or requests that each back end has at once; others wait up to 5 seconds [default: no limit]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..), conflicts_with = "config")]
    max_in_flight: Option<usize>,
    /// Seconds without a byte after which a connection is cut, in mode tcp
    #[arg(long, default_value = "600", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    idle_timeout: Duration,
    /// The same once one side has ended its direction
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    half_closed_timeout: Duration,
    /// Seconds from a request to the head of its answer, in mode http
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    first_byte_timeout: Duration,
    /// Seconds between two pieces of an answer, in mode http
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds, conflicts_with = "config")]
    body_timeout: Duration,
    /// Keep what peers in this range say of a request's client in Forwarded and X-Forwarded-… fields, as
    /// 10.0.0.0/8,::1; may be given more than once [default: nobody is believed]
    #[arg(
        long,
        value_name = "CIDR,…",
        value_delimiter = ',',
        conflicts_with = "config"
    )]
    trust: Vec<Cidr>,
    /// Give back ends their own host in the field Host, and not the one that the client has sent
    #[arg(long, conflicts_with = "config")]
    rewrite_host: bool,
    /// Trust the authorities in this PEM file too, for back ends by https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    pub(super) http: HttpOptions,
}

impl ProxyOptions {
    /// Returns what the proxy is told, by the options or by the file, once it makes sense.
    pub(super) fn checked_settings(&self) -> Result<Settings, Failure> {
        let mut settings = self.settings()?;
        if self.options.model.dispatch() == Dispatch::Process {
            can_do_without_checks(self, &mut settings)?;
        }
        settings.check().map_err(|text| match &self.config {
            Some(path) => Failure::usage(format_args!("{}: {text}", path.display())),
            None => Failure::usage(text),
        })?;
        self.settings_fit_mode(&settings)?;
        Ok(settings)
    }

    /// Refuses what concerns requests in mode tcp, which knows none.
    pub(super) fn can_answer_requests(&self, mode: Mode, front: &Front) -> Result<(), Failure> {
        match mode {
            Mode::Tcp if self.http.access_log != AccessFormat::Off => {
                Err(no_requests("--access-log"))
            }
            Mode::Tcp if front.has_tls() => Err(no_requests("--tls-cert, --self-signed")),
            _ => Ok(()),
        }
    }

    /// Refuses settings that concern requests in mode tcp.
    fn settings_fit_mode(&self, settings: &Settings) -> Result<(), Failure> {
        let trusts = !settings.trust.is_empty();
        let rewrites = settings.pools.iter().any(|pool| pool.rewrite_host);
        match &self.config {
            _ if settings.mode == Mode::Http || !(trusts || rewrites) => Ok(()),
            None if trusts => Err(no_requests("--trust")),
            None => Err(no_requests("--rewrite-host")),
            Some(path) => Err(Failure::usage(format_args!(
                "{}: mode tcp passes bytes on as they are: leave `{}` out, or set mode = \"http\"",
                path.display(),
                if trusts { "trust" } else { "rewrite_host" }
            ))),
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = match &self.config {
            Some(path) => config::read(path).map_err(Failure::Usage)?,
            None => self.own_settings(),
        };
        if let Some(path) = &self.ca {
            let read = std::fs::read(path);
            let wrong = |error| Failure::usage(format_args!("--ca {}: {error}", path.display()));
            settings.roots = Some(read.map_err(wrong)?);
        }
        Ok(settings)
    }

    fn own_settings(&self) -> Settings {
        let pool = PoolSettings {
            to: self.to.clone(),
            balance: self.balance.clone(),
            check: self.check.clone().unwrap_or_default(),
            check_interval: self.check_interval,
            rules: HealthRules {
                fall: self.fall,
                rise: self.rise,
                ..HealthRules::default()
            },
            connect_timeout: self.connect_timeout,
            max_in_flight: self.max_in_flight,
            rewrite_host: self.rewrite_host,
            ..PoolSettings::default()
        };
        Settings {
            mode: self
                .mode
                .unwrap_or_else(|| match self.to.iter().any(To::is_url) {
                    true => Mode::Http,
                    false => Mode::Tcp,
                }),
            pools: vec![pool],
            trust: self.trust.clone(),
            timeouts: Timeouts {
                idle: self.idle_timeout,
                half_closed: self.half_closed_timeout,
                first_byte: self.first_byte_timeout,
                body_idle: self.body_timeout,
            },
            ..Settings::default()
        }
    }

    /// Returns whether the command line asks for checks.
    pub(super) fn asks_for_checks(&self) -> bool {
        self.check
            .as_ref()
            .is_some_and(|check| *check != Check::Off)
    }
}

/// The failure of an option that concerns requests, in mode tcp.
fn no_requests(option: &str) -> Failure {
    Failure::usage(format_args!(
        "{option}: mode tcp passes bytes on as they are: leave the option out, or use --mode http"
    ))
}
