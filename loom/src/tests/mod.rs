mod inbox;
mod join;
mod parker;
