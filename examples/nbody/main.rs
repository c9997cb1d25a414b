//! Learns the n-body task of the SE(3)-Transformer paper: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use steerable_examples::nbody::{cli::Cli, process, run};

/// Keeps freed memory: every operation makes fresh tensors (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    process::set_up(&cli);
    match run::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
