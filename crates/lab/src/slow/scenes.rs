//! The scenes: who is slow, and who feels it.

use std::net::SocketAddr;
use std::time::Duration;

use switchboard_runtime::Model;

use super::SlowSizes;
use crate::crowd::{Group, Pace, Says};
use crate::unit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// The handler waits for something slow.
    BackEnd,
    /// Clients that do not finish their requests.
    Clients,
    /// Clients that stay.
    Conversations,
    /// A message of megabytes.
    Message,
}

/// A later answer is late.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// The clients that feel it, where others are slow.
const HONEST: usize = 20;

/// How often each of them asks.
const OFTEN: Duration = Duration::from_millis(50);

/// How often who stays says something; all of them have done so before the others come.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

impl Scene {
    pub(super) const ALL: [Scene; 4] = [
        Scene::BackEnd,
        Scene::Clients,
        Scene::Conversations,
        Scene::Message,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Scene::BackEnd => "slow back end",
            Scene::Clients => "slow clients",
            Scene::Conversations => "long conversations",
            Scene::Message => "long message",
        }
    }

    /// Returns whether the scene can be played under a model.
    pub(super) fn has(self, model: Model) -> bool {
        model != Model::Callbacks || matches!(self, Scene::Conversations | Scene::Message)
    }

    /// Says who does what, for the settings.
    pub(super) fn setting(self, sizes: &SlowSizes) -> String {
        let honest = format!(
            "{HONEST} others, each on a new connection each {} ms",
            OFTEN.as_millis()
        );
        match self {
            Scene::BackEnd => format!(
                "{}: {} clients, each with a request a second on a new connection; each takes {} ms, log-normal (0.5)",
                self.name(),
                unit::count(sizes.visitors),
                sizes.backend.as_millis()
            ),
            Scene::Clients => format!(
                "{}: {} that send half of a request or a byte each 100 ms (processes: {}), and {honest}",
                self.name(),
                unit::count(sizes.slow),
                unit::count(sizes.processes.min(sizes.slow))
            ),
            Scene::Conversations => format!(
                "{}: {} that stay and say something each {} ms, and {honest}",
                self.name(),
                unit::count(sizes.long),
                PAUSE.as_millis()
            ),
            Scene::Message => format!(
                "{}: one client that sends {} again and again and reads them back, and {HONEST} that say 64 B each {} ms",
                self.name(),
                unit::bytes(sizes.message as f64),
                OFTEN.as_millis()
            ),
        }
    }

    /// Returns what is served.
    pub(super) fn arguments(self, sizes: &SlowSizes) -> Vec<String> {
        let latency = match self {
            Scene::BackEnd => format!("lognormal:{}ms,0.5", sizes.backend.as_millis()),
            Scene::Clients => "0ms".to_owned(),
            Scene::Conversations | Scene::Message => return vec!["echo".to_owned()],
        };
        ["slow-site", "--latency", &latency]
            .map(String::from)
            .into()
    }

    /// Returns the number of the group that feels it.
    pub(super) fn others(self) -> usize {
        match self {
            Scene::BackEnd => 0,
            Scene::Clients => 2,
            Scene::Conversations | Scene::Message => 1,
        }
    }

    pub(super) fn groups(self, sizes: &SlowSizes, model: Model, addr: SocketAddr) -> Vec<Group> {
        let page = || Says::Page("/page/".to_owned(), 10_000);
        let group = |name: &str, clients: usize, says: Says, pace: Pace| Group {
            name: name.to_owned(),
            addr,
            clients,
            says,
            pace,
            fresh: false,
            early: true,
            deadline: Some(DEADLINE),
        };
        let fresh = |group: Group| Group {
            fresh: true,
            early: false,
            ..group
        };
        let slow = match model {
            Model::Processes => sizes.slow.min(sizes.processes),
            _ => sizes.slow,
        };
        let trickle = Pace::Trickle(Duration::from_millis(100));
        let second = Pace::Every(Duration::from_secs(1));
        let now_and_then = Pace::Every(PAUSE);
        let often = Pace::Every(OFTEN);
        match self {
            Scene::BackEnd => vec![fresh(group("visitors", sizes.visitors, page(), second))],
            Scene::Clients => vec![
                group("half", slow / 2, page(), Pace::Half),
                group("trickle", slow - slow / 2, page(), trickle),
                fresh(group("honest", HONEST, page(), often)),
            ],
            Scene::Conversations => vec![
                group("long", sizes.long, Says::Echo(64), now_and_then),
                fresh(group("short", HONEST, Says::Echo(64), often)),
            ],
            Scene::Message => vec![
                group("long", 1, Says::Echo(sizes.message), Pace::Closed),
                group("small", HONEST, Says::Echo(64), often),
            ],
        }
    }
}
