//! A proxy that stands in front of back ends, for any number of clients.
//!
//! [`Proxy`] has pools of back ends and serves connections. One value serves all workers of a process: what is
//! known of the back ends is shared. [`Proxy::watch`] checks them meanwhile, and [`Proxy::replace`] changes the
//! settings while connections go on.
//!
//! ```no_run
//! use switchboard_apps::proxy::{Proxy, Settings};
//! use switchboard_server::{Model, Server};
//!
//! let mut settings = Settings::default();
//! settings.pools[0].to = vec!["127.0.0.1:8001".parse().unwrap(), "127.0.0.1:8002".parse().unwrap()];
//! let proxy = Proxy::new(settings)?;
//! let bound = Server::new().model(Model::Tasks).bind("127.0.0.1:7007")?;
//! proxy.listens_on(bound.local_addr())?;
//! proxy.start_checks()?;
//! let stop = bound.stop_handle();
//! bound.serve(move |client| {
//!     let proxy = proxy.clone();
//!     let stop = stop.clone();
//!     async move { proxy.serve_until(client, stop.wait(), None).await }
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod backend;
mod balance;
mod budget;
mod check;
mod health;
mod http;
mod live;
mod own;
mod pool;
mod relay;
mod settings;
mod setup;
mod tcp;
mod throttle;
mod to;

pub use balance::Balance;
pub use check::Check;
pub use health::HealthRules;
pub use http::{Cidr, Passed, Route, Sender};
pub use live::Proxy;
pub use pool::PoolSettings;
pub use settings::{Mode, Settings, Timeouts};
pub use to::To;
