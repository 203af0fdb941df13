//! A chat server: rooms, history, users, queues for clients that read slowly, and a page.
//!
//! ```text
//!   command ─► connection ─► room: is it new? ─► log: keeps it ─► room: history, members
//!                                                                      │ one parcel, shared
//!   flow    ◄─ outbox, bounded in bytes ◄──────────────────────────────┘
//! ```
//!
//! Rooms are this process's own, or, with [`Hub::with_redis`], shared by all nodes that have the same Redis.
//!
//! Files import downwards only: `serve`, `disk`, `redis` → `hub` ⇄ `connection` → `log`, `shared` → `accounts` → `room`,
//! `holders` → `history`, `outbox` → `update`, `command`, `entry`, `options` → `line` → `name`, `bye`, `clock`, `rate`,
//! `token`.
#![forbid(unsafe_code)]

mod accounts;
mod bye;
mod clock;
mod command;
mod commands;
mod connection;
mod disk;
mod entry;
mod greeting;
mod history;
mod holders;
mod hub;
mod line;
mod log;
mod name;
mod options;
mod outbox;
mod passwords;
mod rate;
mod redis;
mod room;
mod serve;
mod shared;
mod token;
mod update;

pub use accounts::{Account, PendingAccount};
pub use bye::Bye;
pub use clock::Now;
pub use command::{Command, Position};
pub use connection::Connection;
pub use disk::{Disk, DiskError};
pub use entry::{Entry, EntryKind};
pub use hub::Hub;
pub use log::{InMemory, Log, Pending, Said, Stored};
pub use name::{BadName, Name};
pub use options::HubOptions;
pub use outbox::Overflow;
pub use redis::RedisUrl;
pub use serve::{ChatService, LineOptions, LineProtocol, LineService, ServiceOptions};
pub use token::sign;
pub use update::Parcel;
