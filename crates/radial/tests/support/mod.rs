//! Shared by the integration tests: tensors from numbers, gradients, differences, tolerances.
#![allow(
    dead_code,
    reason = "each test binary compiles this module and uses a part of it"
)]

pub(crate) mod oracle;

use burn::tensor::{DType, Device, Tensor, TensorData};

/// The dtypes the crate promises.
pub(crate) const DTYPES: [DType; 2] = [DType::F32, DType::F64];

pub(crate) fn device() -> Device {
    Device::flex()
}

/// Half the distance between 1 and the next number.
pub(crate) fn unit_roundoff(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON) / 2.0,
        DType::F64 => f64::EPSILON / 2.0,
        other => panic!("no tolerance for {other:?}"),
    }
}

/// Relative error allowed in values and gradients of functions whose phase reaches `phase`.
///
/// A phase is rounded relatively, so it is off by up to `phase` unit roundoffs, and so are the
/// function and its derivative relative to their largest values; 32 stands for the few roundings of
/// the formula itself and for the sums.
pub(crate) fn tolerance(dtype: DType, phase: f64) -> f64 {
    32.0 * unit_roundoff(dtype) * phase.max(1.0)
}

/// `[values.len(), 1]`.
pub(crate) fn column(values: &[f64], dtype: DType, device: &Device) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len(), 1]);
    Tensor::from_data(data, (device, dtype))
}

pub(crate) fn to_vec<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// Values `[rows * columns]` and, for each row, the gradient of the weighted sum of its features:
/// feature `i` has the weight `weight(i)`.
pub(crate) struct Differentiated {
    pub(crate) values: Vec<f64>,
    pub(crate) gradient: Vec<f64>,
}

pub(crate) fn differentiate(
    f: impl Fn(Tensor<2>) -> Tensor<2>,
    r: &[f64],
    dtype: DType,
    weight: impl Fn(usize) -> f64,
) -> Differentiated {
    let device = device().autodiff();
    let r = column(r, dtype, &device).require_grad();
    let features = f(r.clone());
    let columns = features.dims()[1];
    let weights = TensorData::new((0..columns).map(weight).collect::<Vec<_>>(), [1, columns]);
    let weights = Tensor::from_data(weights, (&device, dtype));
    let gradients = features.clone().mul(weights).sum().backward();
    let gradient = r.grad(&gradients).expect("the input is a leaf");
    assert_eq!(gradient.dtype(), dtype);
    assert_eq!(features.dtype(), dtype);
    Differentiated {
        values: to_vec(&features.inner()),
        gradient: to_vec(&gradient),
    }
}

/// Weights without any symmetry, so that no error cancels in a sum of gradients.
pub(crate) fn uneven(i: usize) -> f64 {
    1.0 + (1.7 * i as f64).sin()
}

/// `f'(r)` by the central stencil of five points: its error is `h^4 f^(5) / 30`.
pub(crate) fn five_point_derivative(f: impl Fn(f64) -> f64, r: f64, h: f64) -> f64 {
    (8.0 * (f(r + h) - f(r - h)) - (f(r + 2.0 * h) - f(r - 2.0 * h))) / (12.0 * h)
}

pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |max, v| v.abs().max(max))
}

/// The largest difference relative to the largest expected value.
pub(crate) fn relative_error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let difference = got
        .iter()
        .zip(expected)
        .map(|(g, e)| {
            assert!(g.is_finite(), "expected {e}, got {g}");
            g - e
        })
        .collect::<Vec<_>>();
    largest(&difference) / largest(expected).max(f64::MIN_POSITIVE)
}

/// `count` points strictly inside `start .. end`, spread by the golden ratio: no two of them, and
/// none of them and a grid point, are in a simple relation.
pub(crate) fn scattered(start: f64, end: f64, count: usize) -> Vec<f64> {
    (1..=count)
        .map(|i| start + (end - start) * (i as f64 * 0.618_033_988_749_894_9).fract())
        .collect()
}
