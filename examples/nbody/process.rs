//! How the process itself is set up: threads.

use super::cli::Cli;

/// Sets the number of threads.
pub fn set_up(cli: &Cli) {
    if cli.threads > 0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(cli.threads)
            .build_global()
            .expect("no thread has been started before");
    }
}
