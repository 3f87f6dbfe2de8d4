//! Footbridge: a web SSH terminal appliance in one binary.
//!
//! The order below is the architecture: a room may use the rooms beneath it and never one above (`tests/it/rooms.rs` reads this
//! file and fails on an import that climbs). Read it from top to bottom and you follow a keystroke:
//!
//! ```text
//! browser --TLS--> door -> web -> api | term ----bounded input----> bridge (a session) -> ssh --> host
//!                                        ^                              |
//!                                        '------ viewer's cursor ---- output ring
//! ```

/// Subcommands and wiring.
pub mod app;
/// The listener: who may come in, TLS, the box's own certificates.
pub mod door;
/// One connection's life in HTTP/1.1: read, guard, route, answer.
pub mod web;
/// What the page may ask for: one file per noun.
pub mod api;
/// The WebSocket end of a terminal.
pub mod term;
/// Sessions: the terminals that outlive a browser.
pub mod bridge;
/// The SSH client. Knows no store and no vault.
pub mod ssh;

// -------- the shelf: knows nothing of the corridor above --------

/// Who is asking: passwords, sign-in sessions, the limits on guessing.
pub mod auth;
/// What happened. Never a secret.
pub mod audit;
/// Typed tables over one small transactional key-value interface.
pub mod store;
/// Keys and sealed values.
pub mod vault;

// -------- the foot --------

/// What a connection's thread may do with its socket.
pub mod wire;
/// Addresses: ranges of them, and which are one customer's.
pub mod network;
/// The log's newest lines, in memory.
pub mod journal;
/// Signed programs on their way in.
pub mod release;
/// Files that are whole or not there.
pub mod disk;
/// Now, by the calendar and since boot.
pub mod clock;
/// What there is only so much of.
pub mod budget;
/// Bytes as hexadecimal.
pub mod hex;
/// Randomness and identifiers.
pub mod random;
/// Bytes that do not print and are wiped when dropped.
pub mod secret;
/// Every number, with its reason.
pub mod limits;
