//! The command `steerable`.

use std::process::ExitCode;

/// Keeps freed memory: fresh pages for every tensor cost more than the work on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    steerable_cli::run(std::env::args_os())
}
