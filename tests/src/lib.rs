//! What the tests across the crates share: the test kit's samples as burn tensors, parameters in
//! either precision, gradients as flat lists, golden files.

pub mod cases;
pub mod flat;
pub mod golden;
pub mod molecules;
pub mod parameters;
pub mod samples;

use burn::tensor::{DType, Device};
use steerable::irreps::Irreps;
use steerable_testkit::Precision;

/// Both precisions that the layers promise.
pub const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F64];

/// The CPU device, without gradients.
pub fn device() -> Device {
    Device::flex()
}

/// The burn dtype of a precision.
pub fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::F64 => DType::F64,
    }
}

/// Irreps from text that is known to be good.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn irreps(text: &str) -> Irreps {
    text.parse()
        .unwrap_or_else(|error| panic!("\"{text}\": {error}"))
}
