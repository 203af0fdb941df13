//! Nodes and a Redis server: the members of all nodes have the same history.

mod client;
mod connecting;
mod names;
mod rooms;
mod schedules;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;
