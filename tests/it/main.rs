//! What Footbridge promises, from outside: each module is one promise, and each test would fail if it were false.
//!
//! [`world`] starts the real program, real SSH servers and a client of our own; nothing here reaches into the program.

mod audit_log;
mod audit_sessions;
mod backup;
mod claim;
mod cli;
mod client;
mod credentials;
mod crowd;
mod data_directory;
mod foreign;
mod full_disk;
mod headers;
mod hosts;
mod memory;
mod metrics;
mod preferences;
mod proxy_nginx;
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
