//! Every number the program lives by: its unit in its name, its reason beside it.
//!
//! What an owner may change is in `app::config`, which takes its defaults from here; `docs/DEFAULTS.md` lists both.

use std::time::Duration;

// ---- door ----

/// Connections at once. 24 KiB each when idle (measured: docs/LESSONS.md), so 12 MB at the worst.
pub const CONNECTIONS: usize = 512;
/// Of these, from one address: a household behind one router, each browser holding six.
pub const CONNECTIONS_PER_ADDRESS: usize = 128;
/// Of these, not (yet) signed in: strangers never take the last places from users.
pub const CONNECTIONS_ANONYMOUS: usize = 256;
/// Strangers whose place was given to a newcomer, and whose thread has not ended yet: some may be in the middle of a hash. More, and
/// newcomers wait outside.
pub const STRANGERS_LEAVING: usize = 32;
/// A TLS handshake is two round trips; ten seconds is a very bad link.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// After an accept error (EMFILE, ENFILE, ENOMEM): give the other threads time to close something.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Stack of a connection's thread. Release builds were seen to pass with 32 KiB; debug frames are several times bigger. Only touched
/// pages are paid for.
pub const CONNECTION_STACK_BYTES: usize = 256 * 1024;
/// Sessions that a browser may resume with one round trip less, some 300 bytes each.
pub const TLS_SESSIONS: usize = 64;
/// A browser's certificate with its chain, which a resumable session keeps: RSA 4096 takes some 1.5 KiB, and three of them 5. With
/// TLS_SESSIONS, half a megabyte at the worst.
pub const CLIENT_CERTIFICATE_BYTES: usize = 8 * 1024;
/// Our own leaf certificate's life: browsers refuse more than 398 days.
pub const LEAF_DAYS: i64 = 397;
/// Renew the leaf this long before it ends.
pub const LEAF_RENEW_DAYS: i64 = 30;
/// After a renewal that failed (a full disk): not at every round of the housekeeper, which would fill the log too.
pub const RENEW_AGAIN: Duration = Duration::from_secs(600);
/// The box's own CA lives for ten years, so that it is installed once.
pub const CA_DAYS: i64 = 3650;

// ---- web ----

/// The request line (D9).
pub const REQUEST_LINE_BYTES: usize = 8 * 1024;
/// All header lines together (D9).
pub const HEAD_BYTES: usize = 16 * 1024;
/// Header lines (D9).
pub const HEADERS: usize = 64;
/// A JSON body (D9).
pub const BODY_BYTES: usize = 64 * 1024;
/// A body on the routes open to strangers (D9): a name and two passwords fit.
pub const SIGN_IN_BODY_BYTES: usize = 4 * 1024;
/// From the first byte awaited to the end of the header lines, absolute, so that dripping does not help.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// The whole body, absolute.
pub const BODY_DEADLINE: Duration = Duration::from_secs(20);
/// An answer must be taken within this time.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(20);
/// Between two requests of one connection (D9).
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Read from a connection at a time: a usual head in one go.
pub const READ_BYTES: usize = 4 * 1024;
/// An answer up to this size leaves in one piece with its head.
pub const SMALL_REPLY_BYTES: usize = 16 * 1024;

/// Memory for answers that are made or sent at this moment, of the longer ones: a sixth of the smallest board's. Two hashes and the opening
/// of a key take 70 MiB beside it.
pub const ANSWERS_BYTES: usize = 40 * 1024 * 1024;
/// Of these, for one user. Making a list takes twice what is stored, and the longest that a user may have (200 passwords for 200 places
/// each, or a thousand hosts with everything) are 12 MB. A thousand usual hosts are half a megabyte: a dozen tabs load them at once.
pub const ANSWERS_BYTES_PER_USER: usize = 24 * 1024 * 1024;
/// How long a list waits for others to be read.
pub const ANSWERS_WAIT: Duration = Duration::from_secs(10);

// ---- sign-in ----

/// A2. Below 12 a guess is cheap; above 1024 the body cap is near and nobody types it.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=1024;
/// Argon2id: memory, passes, lanes. The floor of the field's advice (19 MiB, t=2, p=1). On a fast machine there are more passes, and never
/// more memory: two hashes at once fit beside everything else.
pub const ARGON2_KIB: u32 = 19 * 1024;
pub const ARGON2_PASSES: u32 = 2;
pub const ARGON2_LANES: u32 = 1;
/// What a check of a password may take on the machine it is measured on: nobody minds half a second, and guessing offline does.
pub const ARGON2_AIM: Duration = Duration::from_millis(500);
/// Two seconds of the fastest machine there is. One that was measured wrongly is not slow for good.
pub const ARGON2_PASSES_MOST: u32 = 400;
/// Runs of the floor that a measurement is the quickest of.
pub const ARGON2_MEASURED: usize = 3;
/// Of the name a measurement is kept under; a processor's has some 40.
pub const MACHINE_NAME_CHARACTERS: usize = 80;
/// Hashes at once (E5): two take 38 MiB, which a 512 MB board can spare.
pub const ARGON2_AT_ONCE: usize = 2;
/// How long a sign-in waits for its turn to hash before it is told to come back.
pub const ARGON2_WAIT: Duration = Duration::from_secs(10);
/// C3.
pub const LOGIN_ABSOLUTE: Duration = Duration::from_secs(12 * 3600);
pub const LOGIN_IDLE: Duration = Duration::from_secs(30 * 60);
/// Sign-in sessions at once, per user and in all: each holds a data key and some 300 bytes.
pub const LOGINS_PER_USER: usize = 16;
pub const LOGINS: usize = 256;
/// Ended ones of which it is remembered why, for the browser that has the cookie: as many as there may be, of some 150 bytes each. And
/// for how long beyond the time that each could have lasted: whoever comes back to a page the next day is told.
pub const LOGINS_ENDED: usize = 256;
pub const LOGIN_ENDED_KEPT: Duration = Duration::from_secs(24 * 3600);
/// E2: failed sign-ins in a row that lock an account, and for how long.
pub const LOCK_AFTER: u32 = 5;
pub const LOCK_FOR: Duration = Duration::from_secs(15 * 60);
/// A8: the present password and the four before it cannot be chosen again. Each costs one hash at a change.
pub const PASSWORD_HISTORY: usize = 5;
/// How long somebody who gave the password may take for the second factor, or for setting one up (B1).
pub const HALF_LOGIN: Duration = Duration::from_secs(5 * 60);
/// Half sign-ins of a user, beside the whole ones: who knows only the password cannot push out a whole one. Their half ones they can, as often
/// as [`Counted::Half`] lets them.
pub const HALF_LOGINS_PER_USER: usize = 4;
/// RFC 6238, 5.2: one step either way for clocks that are off and fingers that are slow.
pub const TOTP_STEPS_AROUND: u64 = 1;
/// A clock that goes back by no more was corrected, and not set back.
pub const CLOCK_CORRECTION_SECONDS: i64 = 60;
/// How often what has run out is looked for: nobody may use it meanwhile, but it should be gone before a clock is set back.
pub const RUN_OUT_ROUND: Duration = Duration::from_secs(60);
/// B4.
pub const RECOVERY_CODES: usize = 10;
/// A10: how long a reset token is good, in seconds of the calendar, because it outlives a restart.
pub const RESET_SECONDS: i64 = 60 * 60;
/// A6: how long an invitation is good, and how many may be out at once.
pub const INVITE_SECONDS: i64 = 3 * 24 * 60 * 60;
pub const INVITES: usize = 32;
/// B8: how long a fresh code stands for one action.
pub const STEP_UP: Duration = Duration::from_secs(5 * 60);
/// B9: a phone, a laptop, a few keys on a ring. Each takes some 500 bytes of the user's record, and the longest 5 KB.
pub const PASSKEYS_PER_USER: usize = 10;
/// Of a passkey: its id (Web Authentication level 2, 7.1), and an RSA key's modulus (2048 to 8192 bits, as the verifier takes them) and
/// exponent.
pub const PASSKEY_ID_BYTES: std::ops::RangeInclusive<usize> = 1..=1023;
pub const PASSKEY_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
pub const PASSKEY_EXPONENT_BYTES: std::ops::RangeInclusive<usize> = 1..=8;
/// R1: how long a device's challenge may be answered: it is asked for and signed in one go.
pub const DEVICE_CHALLENGE: Duration = Duration::from_secs(120);
/// A person's browsers. Each takes some 250 bytes of the user's record.
pub const DEVICES_PER_USER: usize = 16;
/// R2: a person's certificates. Each takes some 200 bytes of the user's record.
pub const CERTIFICATES_PER_USER: usize = 16;
/// How long a code for another device is good: time to walk over and type it.
pub const DEVICE_CODE_SECONDS: i64 = 10 * 60;
/// What an authenticator sends nests four deep, and holds a few dozen values; both bound what reading it may cost.
pub const CBOR_DEPTH: usize = 8;
pub const CBOR_ITEMS: usize = 256;
/// Notices kept for a user who does not sign in; the oldest go.
pub const NOTICES: usize = 20;
/// D3: a ticket lives for one upgrade.
pub const TICKET: Duration = Duration::from_secs(30);
/// D2: how long a form that changes security may lie open between its token and its sending.
pub const FORM: Duration = Duration::from_secs(300);
/// Tickets outstanding per sign-in session: twice the terminals a user may have. With LOGINS of them, half a megabyte at the worst.
pub const TICKETS_PER_LOGIN: usize = 16;

// ---- how often (E) ----

/// What is counted. Every route names what it is counted as (`api::ROUTES`), so that none is a way around another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    SignIn,
    Code,
    Factor,
    Password,
    Link,
    Upgrade,
    Connect,
    Target,
    Device,
    Unproven,
    Half,
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A try that succeeds is forgotten (E3).
    Failures,
    /// Each costs the box, or somebody else, something, whatever comes of it.
    Tries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// IPv6: per /64.
    Address,
    User,
    /// A user, and each of their trusted devices apart from that, so that whoever has the password keeps no device out.
    UserOrDevice,
    /// A user and the host and port they go to.
    Target,
    /// A trusted device.
    Device,
}

pub struct Limit {
    pub what: Counted,
    pub of: Of,
    pub per: Per,
    pub most: u32,
    pub window: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// The one table of limits, in the order of [`Counted`]. `SignIn` and `Connect` are changeable.
pub const LIMITED: [Limit; 12] = [
    // E1: somebody who mistypes has five tries; a guesser has 7200 a day.
    Limit { what: Counted::SignIn, of: Of::Failures, per: Per::Address, most: 5, window: MINUTE },
    // B7: whatever the address. A guess at a code has three chances in a million. On a trusted device also what else is counted by address.
    Limit { what: Counted::Code, of: Of::Failures, per: Per::UserOrDevice, most: 5, window: Duration::from_secs(300) },
    // E6: setting it up, giving it, replacing it: a person takes four steps, and each may write to the card.
    Limit { what: Counted::Factor, of: Of::Tries, per: Per::UserOrDevice, most: 20, window: MINUTE },
    // E6: up to seven Argon2 runs each, for the history; a person is refused a few weak ones first.
    Limit { what: Counted::Password, of: Of::Tries, per: Per::User, most: 10, window: MINUTE },
    // E6: resets and invitations. Up to seven Argon2 runs each, for whoever has a link.
    Limit { what: Counted::Link, of: Of::Tries, per: Per::Address, most: 10, window: MINUTE },
    // E6: eight terminals that a bad network drops every ten seconds come to 48; an owner may allow two hundred, all opened at once.
    Limit { what: Counted::Upgrade, of: Of::Tries, per: Per::User, most: 600, window: MINUTE },
    // E6: a window restored after a restart opens eight.
    Limit { what: Counted::Connect, of: Of::Tries, per: Per::User, most: 10, window: MINUTE },
    // E8: the box is no tool to guess at other machines with, and fail2ban on them should not ban the box for one user's slips.
    Limit { what: Counted::Target, of: Of::Failures, per: Per::Target, most: 10, window: Duration::from_secs(300) },
    // Wrong passwords from a device that proved itself: as many, in the time that a lock lasts, as lock an account for everybody else.
    Limit { what: Counted::Device, of: Of::Failures, per: Per::Device, most: 5, window: Duration::from_secs(900) },
    // E6: a stored password is wanted at a new place, and the proof comes with the second try: one terminal, not two. Nothing begins before,
    // but it is looked for, so that it has an end: one a second, and what is more counts as a terminal.
    Limit { what: Counted::Unproven, of: Of::Failures, per: Per::User, most: 60, window: MINUTE },
    // Sign-ins that have the password and not the rest; one that becomes whole is forgotten. An owner who mistypes every code begins three in
    // that time, and who only knows the password pushes their half ones out five times.
    Limit { what: Counted::Half, of: Of::Failures, per: Per::UserOrDevice, most: 20, window: Duration::from_secs(900) },
    // Keys that come with a passphrase: they are opened one at a time for the box, and nobody should have all the turns. A person brings a
    // ring of keys one by one, and mistypes some.
    Limit { what: Counted::Key, of: Of::Tries, per: Per::User, most: 20, window: MINUTE },
];

impl Counted {
    pub const fn limit(self) -> &'static Limit {
        &LIMITED[self as usize]
    }
}

/// E7: addresses, users and targets remembered, per row of the table; the oldest gives way.
pub const COUNTED_AT_ONCE: usize = 4096;

// ---- what a user may store ----

/// Of whatever has one. As UTF-8 they are at most four times as many bytes.
pub const LABEL_CHARACTERS: usize = 100;
/// RFC 1035 2.3.4: 255 bytes on the wire, two of which are not in the text.
pub const HOST_NAME_BYTES: usize = 253;
pub const HOSTS_PER_USER: usize = 1000;
/// Linux takes 32; a name with its Windows domain is longer.
pub const HOST_USER_CHARACTERS: usize = 64;
pub const HOST_NOTES_BYTES: usize = 4096;
pub const TAGS_PER_HOST: usize = 16;
pub const TAG_CHARACTERS: usize = 32;
pub const CREDENTIALS_PER_USER: usize = 200;
/// Of a stored password. sshd takes as many.
pub const HOST_PASSWORD_BYTES: usize = 1024;
/// Places that a stored password may be sent to. Of the longest addresses these are 57 KB, half a record; the oldest gives way.
pub const PLACES_PER_PASSWORD: usize = 200;
pub const HOST_KEYS_PER_USER: usize = 4000;
/// What the page remembers for a user (layout, theme, keys): a dozen tabs and every key rebound take a third of it.
pub const PREFERENCES_BYTES: usize = 32 * 1024;
/// `Retry-After` where a quota is used up: nothing frees it but a person.
pub const QUOTA_RETRY: Duration = Duration::from_secs(10);

// ---- the log in memory ----

/// Some hundred lines: what went wrong lately, for less than an idle terminal.
pub const JOURNAL_BYTES: usize = 64 * 1024;
/// Characters of a line; the rest of a longer one is cut.
pub const JOURNAL_LINE: usize = 500;

// ---- sessions ----

/// H3, changeable.
pub const TERMINALS_PER_BOX: usize = 16;
pub const TERMINALS_PER_USER: usize = 8;
/// Output kept for reattaching, per terminal (H3). It grows as output comes; an idle prompt takes a few hundred bytes.
pub const RING_BYTES: usize = 256 * 1024;
/// The longest escape sequence that is understood as it leaves the ring. An SGR with two colours takes 40, a title that a tab can show 120.
pub const SEQUENCE_BYTES: usize = 256;
/// Input accepted from browsers and not yet taken by the host: two client messages. Beyond it the browser's socket is not read.
pub const INPUT_QUEUE_BYTES: usize = 128 * 1024;
/// Input handed to the SSH client at a time: what fits one SSH packet everywhere.
pub const INPUT_PIECE_BYTES: usize = 32 * 1024;
/// H5: how long a terminal is kept with nobody looking.
pub const DETACHED: Duration = Duration::from_secs(60 * 60);
/// How long an ended session can be read, so that a viewer that was away learns how it ended.
pub const ENDED_KEPT: Duration = Duration::from_secs(5 * 60);
/// Ended sessions kept per user, whatever their age.
pub const ENDED_PER_USER: usize = 8;
/// A question (host key, password) waits this long. sshd's own LoginGraceTime is two minutes.
pub const QUESTION: Duration = Duration::from_secs(120);
/// Viewers of one session: a person's devices.
pub const VIEWERS_PER_SESSION: usize = 8;
/// Stack of a session's thread: the SSH library's key exchange is the deepest caller (debug builds need most of it).
pub const SESSION_STACK_BYTES: usize = 1024 * 1024;
/// Of a thread's stack, what is wiped after a private key was read or used. Reading one goes 44 KB deep (measured: `ssh::keys`); half of this
/// would not do.
pub const WIPED_STACK_BYTES: usize = 64 * 1024;
/// The same after a signature with a key of NIST's larger curves: 63 KB deep for P-384, and 126 for P-521. What is wiped stays in memory with
/// the terminal, so that others do not pay for it.
pub const DEEPLY_WIPED_STACK_BYTES: usize = 192 * 1024;

// ---- term ----

/// A client's WebSocket message.
pub const MESSAGE_BYTES: usize = 64 * 1024;
/// tungstenite allocates this once per browser; a key press needs a dozen bytes, a paste is read in pieces of it.
pub const WS_READ_BUFFER_BYTES: usize = 4 * 1024;
/// Output gathered before one write to the socket, so that a bulk stream costs few system calls; flushed at the end of every turn.
pub const WS_WRITE_BUFFER_BYTES: usize = 48 * 1024;
/// Never reached: nothing is added before the buffer was flushed. Reaching it ends the browser, not the box.
pub const WS_WRITE_BUFFER_MAX_BYTES: usize = 256 * 1024;
/// Messages taken from a browser before its output gets a turn.
pub const WS_MESSAGES_PER_TURN: usize = 8;
/// For the close frame and what is still owed.
pub const GOODBYE: Duration = Duration::from_secs(2);
/// Output handed to one WebSocket message.
pub const OUTPUT_MESSAGE_BYTES: usize = 16 * 1024;
/// H4.
pub const WS_PING: Duration = Duration::from_secs(25);
pub const WS_SILENT: Duration = Duration::from_secs(60);

// ---- ssh ----

/// Name resolution, TCP connect (per address) and the SSH handshake up to the host key.
pub const CONNECT: Duration = Duration::from_secs(10);
pub const HANDSHAKE: Duration = Duration::from_secs(20);
/// One authentication step, without the time a person takes to answer.
pub const AUTHENTICATE: Duration = Duration::from_secs(30);
/// H4: keepalive interval, and how many may stay unanswered: dead within 90 s.
pub const SSH_KEEPALIVE: Duration = Duration::from_secs(30);
pub const SSH_KEEPALIVES_MISSED: u32 = 2;
/// Wrong passwords a person may type before we hang up; sshd's own limit is six tries of any kind.
pub const PASSWORD_ATTEMPTS: u32 = 3;

/// Rounds of keyboard-interactive in one sign-in: a password, a change of it and a code are four. A host may ask for ever.
pub const PROMPT_ROUNDS: u32 = 16;
/// Questions in one round, and the length of each: what a person can be shown.
pub const PROMPTS: usize = 16;
pub const PROMPT_CHARS: usize = 1024;
/// Addresses of one name that are tried, and how long one may stay silent before the next is tried beside it (RFC 8305: 250 ms).
pub const ADDRESSES_TRIED: usize = 6;
pub const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// The C library's resolver runs on this; glibc's modules need more than musl's.
pub const RESOLVER_STACK_BYTES: usize = 256 * 1024;
/// The channel's window: what a host may send ahead. It bounds what still comes after Ctrl+C, and 256 KiB fill 20 Mbit/s at 100 ms.
pub const SSH_WINDOW_BYTES: u32 = 256 * 1024;
/// RFC 4253 6.1: everybody takes packets of this size.
pub const SSH_PACKET_BYTES: u32 = 32 * 1024;
/// Output parsed and not handed on; beyond it the socket is not read. Two packets, so that bulk output never waits.
pub const SSH_BACKLOG_BYTES: usize = 64 * 1024;
/// What of that buffer an idle terminal keeps.
pub const SSH_IDLE_BUFFER_BYTES: usize = 1024;
/// Read ahead, so that an echoed key costs one system call instead of three.
pub const SSH_READ_AHEAD_BYTES: usize = 512;
/// New keys after this much in one direction (RFC 4253 9), or this long.
pub const SSH_REKEY_BYTES: usize = 1 << 30;
pub const SSH_REKEY: Duration = Duration::from_secs(24 * 3600);
/// For the last words to a host that we hang up on.
pub const HANG_UP: Duration = Duration::from_secs(1);

// ---- store ----

/// redb's default cache is 1 GiB; the whole database of a household fits in this.
pub const STORE_CACHE_BYTES: usize = 512 * 1024;
/// While the disk takes no writes, the database is read from a copy in memory. One of a thousand hosts has 0.6 MiB; an
/// eighth of the smallest board's memory is the most.
pub const STORE_COPY_BYTES: u64 = 64 * 1024 * 1024;
/// A value in the store. The longest is a user who has all of everything, each with the longest names and keys: 70 KB. Whoever may have it
/// must be able to store it (`auth::tests::largest`).
pub const VALUE_BYTES: usize = 128 * 1024;

// ---- audit ----

/// K4: rotated at 1 MB, five files in all: some thirty thousand events.
pub const AUDIT_FILE_BYTES: u64 = 1_000_000;
pub const AUDIT_FILES: usize = 5;
/// Lines that failures of strangers write at once, from wherever they come: more than people who mistype ever do, and 35 KB.
pub const AUDIT_STRANGERS: u32 = 200;
/// After those, one in this time: 1440 a day, of which the audit keeps more than two weeks.
pub const AUDIT_STRANGERS_EVERY: Duration = Duration::from_secs(60);
/// How often the audit says how many were left out.
pub const AUDIT_LEFT_OUT_EVERY: Duration = Duration::from_secs(10 * 60);

// ---- app ----

/// An order on the admin socket: half a known_hosts file of a thousand hosts, escaped.
pub const ADMIN_LETTER_BYTES: usize = 1024 * 1024;
/// The command line sits on the same machine: it is quick, or it is stuck.
pub const ADMIN_DEADLINE: Duration = Duration::from_secs(10);
/// How often old sessions, sign-ins and certificates are looked at. Nothing is written, so the card sleeps on.
pub const SWEEP: Duration = Duration::from_secs(5);
/// `doctor` complains below this: a migration's backup must fit.
pub const FREE_MIB: u64 = 16;
/// How long terminals have to say goodbye when the box goes down.
pub const GOING_DOWN: Duration = Duration::from_secs(3);

// ---- updates ----

/// A program in all: read into memory at once. Ours has 5 MiB, with every symbol 30.
pub const UPDATE_BYTES: u64 = 64 * 1024 * 1024;
/// An Ed25519 signature has 64 bytes.
pub const SIGNATURE_BYTES: u64 = 64;
/// An upload that nobody goes on with is thrown away.
pub const UPLOAD_IDLE: Duration = Duration::from_secs(600);
/// What `serve` ends with when it was told to start anew and cannot do so itself: a failure, so that whoever watches over it does it.
pub const START_ME_AGAIN: u8 = 75;
/// One question to a page on the same machine; a loaded ARMv6 board needs two seconds for a handshake.
pub const PROBE: Duration = Duration::from_secs(10);
/// How long a new program has to serve: on an ARMv6 board the first start makes two keys beside everything else.
pub const UPDATE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether it serves.
pub const UPDATE_LOOK: Duration = Duration::from_millis(200);

// ---- keys that users bring ----

/// An RSA key of 16384 bits takes 13 KB as text.
pub const KEY_TEXT_BYTES: usize = 32 * 1024;
/// What opening a key file may cost: the file says so itself, and a hostile one says years. ssh-keygen's default is 16 or 24 rounds of
/// bcrypt; openssl's are 2048 of PBKDF2, other tools' 600 000, and scrypt with N 16384, r 8, p 1.
pub const KEY_BCRYPT_ROUNDS: u32 = 512;
pub const KEY_PBKDF2_ROUNDS: u64 = 1_000_000;
/// 128 bytes for each: 32 MiB.
pub const KEY_SCRYPT_COST: u64 = 32_768 * 8;
/// How long a key waits for its turn to be opened. The dearest take seconds on a small board; whoever stands behind several is told to come
/// back.
pub const KEY_OPENING_WAIT: Duration = Duration::from_secs(10);

// ---- backups ----

/// Argon2id for a backup's passphrase: no more memory than a sign-in, because the box may have little, but ten times the passes of the
/// floor, since whoever has the file guesses without limits.
pub const BACKUP_ARGON2_KIB: u32 = 19 * 1024;
pub const BACKUP_ARGON2_PASSES: u32 = 20;
pub const BACKUP_ARGON2_LANES: u32 = 1;
/// What a backup's head may ask for: a hostile one asks for terabytes and years.
pub const BACKUP_KIB_MOST: u32 = 256 * 1024;
pub const BACKUP_PASSES_MOST: u32 = 100;
pub const BACKUP_LANES_MOST: u32 = 8;
/// A backup in all: read into memory at once. A household's is some hundred KB.
pub const BACKUP_BYTES: u64 = 256 * 1024 * 1024;
/// Of one that is restored by the page. Opening one of 5.7 MB took 37 MB (measured), so that this takes some 105 of a board's 256.
pub const RESTORE_BYTES: u64 = 16 * 1024 * 1024;
/// Lines that `audit tail` shows unless told otherwise, and at most: what one answer over the admin socket may hold.
pub const AUDIT_TAIL: usize = 20;
pub const AUDIT_TAIL_MOST: usize = 50_000;

/// Of a user's own activity: what fits a page, and is remembered of the last weeks.
pub const ACTIVITY_SHOWN: usize = 50;

/// Lines of the audit in an answer that asks for no number, and in the longest one: about 200 KiB.
pub const AUDIT_SHOWN: usize = 100;
pub const AUDIT_SHOWN_AT_MOST: usize = 1000;
/// Of a line as text and as values, at most: what an answer's memory is reckoned by. Most have 200.
pub const AUDIT_LINE_BYTES: usize = 2 * 1024;
