//! What Footbridge promises, from outside: each module is one promise, and each test would fail if it were false.
//!
//! [`world`] starts the real program, real SSH servers and a client of our own; nothing here reaches into the program,
//! but for `routes`, which reads its list of routes.

// clippy.toml allows these in functions marked as tests; their helpers are no different.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit_events;
mod audit_log;
mod audit_sessions;
mod backup;
mod certificates;
mod claim;
mod cli;
mod client;
mod credentials;
mod crowd;
mod data_directory;
mod device_key;
mod devices;
mod documents;
mod foreign;
mod frozen;
mod full_disk;
mod full_disk_people;
mod full_disk_routes;
mod headers;
mod host_keys;
mod hosts;
mod limited;
mod memory;
mod metrics;
mod passkeys;
mod paste;
mod people;
mod power_cut;
mod preferences;
mod proxy_nginx;
mod requests;
mod restore;
mod rooms;
mod routes;
mod same_origin;
mod second_factor;
mod sessions_end;
mod shutdown;
mod sign_in;
mod slow;
mod ssh_sign_in;
mod stored_passwords;
mod supervised;
mod survive;
mod tampered;
mod terminals;
mod tls;
mod update;
mod why_ended;
mod world;
