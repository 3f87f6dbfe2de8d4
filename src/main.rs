use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// Freed memory is wiped: a password in a buffer of the TLS library, or in a text that JSON put together, does not lie about.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    footbridge::app::main()
}
