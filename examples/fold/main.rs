//! Refines protein backbones: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use steerable_examples::fold::{cli::Cli, run};

/// Keeps freed memory: every operation makes fresh tensors (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
