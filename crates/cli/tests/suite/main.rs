//! The command as its users meet it: real processes, real sockets.

mod compare;
mod costs;
mod errors;
mod fallback;
mod fetch;
mod limits;
mod matrix;
mod served;
mod workers;
