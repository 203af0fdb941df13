//! What can be asked of a descriptor: operations, and the descriptor that they are asked of.

pub(crate) mod ask;
pub(crate) mod budget;
pub(crate) mod calls;
pub(crate) mod home;
pub(crate) mod operation;
pub(crate) mod send_all;
pub(crate) mod source;
