//! Ctrl-C: the first asks for an end, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set when the user has asked for an end.
pub static STOP: AtomicBool = AtomicBool::new(false);

/// Listens from now on.
///
/// # Errors
/// When the system does not let it.
pub fn listen() -> Result<(), ctrlc::Error> {
    const INTERRUPTED: i32 = 130;
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("\nsaving and ending after this step; again to end at once");
    })
}
