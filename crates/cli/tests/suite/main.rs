//! The command as its users run it: real processes, real sockets.

mod clients;
mod compare;
mod costs;
mod ending;
mod errors;
mod fallback;
mod fetch;
mod files;
mod half_close;
mod handover;
mod hang_up;
mod limits;
mod matrix;
mod output;
mod page;
mod proxy;
mod served;
mod shell;
mod slow_clients;
mod stop;
mod storms;
mod telling;
mod tls;
mod varnishtest;
mod websocket;
mod workers;
