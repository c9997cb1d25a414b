//! Tensors from flat lists and back.

use burn::tensor::{Device, Tensor, TensorData};
use steerable_testkit::Precision;

use crate::dtype;

/// A matrix of `columns` columns from its rows.
pub fn matrix(values: &[f64], columns: usize, precision: Precision, device: &Device) -> Tensor<2> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    matrix_of_rows(values, [rows, columns], precision, device)
}

/// A matrix of a given shape, which may be empty.
pub fn matrix_of_rows(
    values: &[f64],
    shape: [usize; 2],
    precision: Precision,
    device: &Device,
) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (device, dtype(precision)))
}

/// The numbers of a tensor.
pub fn to_vec<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// Weights without any symmetry, for contracting an output to one number.
pub fn cotangent(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| (1.7 * i as f64).sin() + 0.3 * (0.9 * i as f64).cos())
        .collect()
}

/// The sum of all numbers of a tensor times those of [`cotangent`].
pub fn contracted(output: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = output.dims();
    let data = TensorData::new(cotangent(rows * columns), [rows, columns]);
    let weights = Tensor::from_data(data, (&output.device(), output.dtype()));
    (output * weights).sum()
}

/// The largest difference, relative to the largest expected value.
///
/// # Panics
/// When the lengths differ or a value is not finite.
#[track_caller]
pub fn relative_error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "lengths differ");
    assert!(got.iter().all(|x| x.is_finite()), "a value is not finite");
    let largest = expected.iter().fold(0.0_f64, |max, x| x.abs().max(max));
    let pairs = got.iter().zip(expected);
    let error = pairs.fold(0.0_f64, |max, (g, e)| (g - e).abs().max(max));
    error / largest.max(f64::MIN_POSITIVE)
}
