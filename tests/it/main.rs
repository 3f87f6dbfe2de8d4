//! What Footbridge promises, from outside: each module is one promise, and each test would fail if it were false.
//!
//! [`world`] starts the real program, real SSH servers and a client of our own; nothing here reaches into the program,
//! but for `routes`, which reads its list of routes.

// What surprises a test ends it: that is what a test is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod claim;
mod cli;
mod client;
mod credentials;
mod crowd;
mod data_directory;
mod foreign;
mod headers;
mod hosts;
mod preferences;
mod requests;
mod rooms;
mod routes;
mod same_origin;
mod sessions_end;
mod shutdown;
mod sign_in;
mod slow;
mod tls;
mod world;
