//! Golden files: the folder named by `STEERABLE_GOLDEN`, else the project's own copies.

use std::path::PathBuf;

use serde_json::Value;

/// The folder that golden values are read from.
pub fn folder() -> PathBuf {
    std::env::var_os("STEERABLE_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden"),
        PathBuf::from,
    )
}

/// A golden JSON file.
///
/// # Panics
/// When it cannot be read, with its path.
pub fn json(file: &str) -> Value {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All numbers of a value, however deep its lists are nested, in order.
///
/// # Panics
/// When it holds something else.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![
            other
                .as_f64()
                .unwrap_or_else(|| panic!("expected a number, got {other}")),
        ],
    }
}

/// How many values a test compared, and how far off the worst was.
#[derive(Debug, Default)]
pub struct Comparison {
    values: usize,
    worst: f64,
}

impl Comparison {
    /// Compares two lists, with an error relative to the largest expected value.
    ///
    /// # Panics
    /// When they differ by more than `tolerance`.
    #[track_caller]
    pub fn expect(&mut self, what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
        let error = crate::flat::relative_error(got, expected);
        assert!(
            error <= tolerance,
            "{what}: relative error {error:.2e} exceeds {tolerance:.2e}"
        );
        self.values += got.len();
        self.worst = self.worst.max(error);
    }

    /// Prints the folder and what was compared.
    ///
    /// # Panics
    /// When nothing was.
    pub fn finish(self, test: &str) {
        assert!(self.values > 0, "{test}: no golden values were compared");
        println!(
            "{test}: {} values compared with {}, worst relative error {:.1e}",
            self.values,
            folder().display(),
            self.worst
        );
    }
}
