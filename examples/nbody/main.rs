//! Learns the n-body task of the SE(3)-Transformer paper: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use steerable_examples::nbody::{cli::Cli, process, run};

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
