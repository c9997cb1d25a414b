//! The smooth step that all infinitely smooth, compactly supported functions are built from.

use burn::tensor::Tensor;

/// Below this argument `exp(-1/x)` is zero in `f64` (and so in `f32`): exp(-1000) < 2^-1074.
///
/// Cutting here keeps `1/x^2`, a factor of the gradient, at 1e6: without it `0 * inf = NaN`.
const UNDERFLOW: f64 = 1e-3;

/// The infinitely smooth step `exp(-1/x)` for `x > 0`, and 0 for `x <= 0`.
///
/// Value and every derivative vanish at 0; the gradient is finite everywhere.
///
/// # Shapes
///
/// - input: any
/// - output: as the input
///
/// # Source
///
/// `e3nn.math.soft_unit_step`.
pub fn soft_unit_step<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let vanishes = x.clone().lower_equal_elem(UNDERFLOW);
    x.mask_fill(vanishes.clone(), 1.0)
        .recip()
        .neg()
        .exp()
        .mask_fill(vanishes, 0.0)
}
