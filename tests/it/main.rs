//! What Footbridge promises, from outside: each module is one promise, and each test would fail if it were false.
//!
//! [`world`] starts the real program, real SSH servers and a client of our own; nothing here reaches into the program.

mod audit_log;
mod backup;
mod full_disk;
mod memory;
mod metrics;
mod proxy_nginx;
mod rooms;
mod world;
