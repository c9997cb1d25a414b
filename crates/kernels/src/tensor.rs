//! The operations on burn's `Tensor`.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::{DType, Tensor};
use steerable_harmonics::Normalization;
use steerable_harmonics::plan::ConvolutionPlan;

use crate::{Rectifier, RowGroups, SteerableOps};

/// Real spherical harmonics of the directions of `vectors`, all degrees `0..=l_max`.
///
/// The zero vector gives `Y_0` as usual, zero for `l >= 1`, and a zero gradient.
///
/// # Shapes
/// - vectors: `[E, 3]`
/// - output: `[E, (l_max + 1)^2]`
pub fn spherical_harmonics(
    vectors: Tensor<2>,
    l_max: usize,
    normalization: Normalization,
) -> Tensor<2> {
    assert_eq!(
        vectors.dims()[1],
        3,
        "spherical_harmonics: vectors have 3 columns"
    );
    Tensor::from_dispatch(Dispatch::spherical_harmonics(
        vectors.into_dispatch(),
        l_max,
        normalization,
    ))
}

/// One float type in one operation.
#[track_caller]
fn same_dtype<const N: usize>(operation: &str, dtypes: [DType; N]) {
    assert!(
        dtypes.iter().all(|dtype| *dtype == dtypes[0]),
        "{operation}: all float tensors must have one dtype, got {dtypes:?}"
    );
}

/// The tensors that a convolution reads.
#[derive(Clone, Debug)]
pub struct ConvolutionInputs {
    /// Features of the sources, `[num_src, plan.irreps_in().dim()]`.
    pub features: Tensor<2>,
    /// Spherical harmonics of the edges, at least `(plan.l_filter_max() + 1)^2` columns.
    pub harmonics: Tensor<2>,
    /// Hidden radial features of the edges, `[E, plan.num_radials() * hidden_width]`.
    pub hidden: Tensor<2>,
    /// Last radial layer: `[hidden_width, plan.num_weights()]`, or one more row with the bias.
    pub weight: Tensor<2>,
}

/// The convolution of a plan:
/// `out[i] = sum over e into i of sum over paths of (hidden_e @ weight)_path Q Y(x_e) features[src(e)]`.
///
/// The radial weights are formed tile by tile and never stored for all edges; the backward pass
/// forms them again. Gradients flow to all four tensors.
///
/// # Shapes
/// - output: `[dst.num_groups(), plan.irreps_out().dim()]`
///
/// # Panics
/// When a shape does not fit the plan, or the edges are not sorted by destination.
pub fn convolve(
    inputs: ConvolutionInputs,
    src: &RowGroups,
    dst: &RowGroups,
    plan: &Arc<ConvolutionPlan>,
) -> Tensor<2> {
    let ConvolutionInputs {
        features,
        harmonics,
        hidden,
        weight,
    } = inputs;
    same_dtype(
        "convolve",
        [
            features.dtype(),
            harmonics.dtype(),
            hidden.dtype(),
            weight.dtype(),
        ],
    );
    let edges = src.num_rows();
    let width = (plan.l_filter_max() + 1).pow(2);
    assert_eq!(
        dst.num_rows(),
        edges,
        "convolve: sources and destinations differ in number"
    );
    assert_eq!(
        features.dims(),
        [src.num_groups(), plan.irreps_in().dim()],
        "convolve: features must be [sources, dim of {}]",
        plan.irreps_in()
    );
    assert!(
        harmonics.dims()[0] == edges && harmonics.dims()[1] >= width,
        "convolve: harmonics must be [{edges}, >= {width}], got {:?}",
        harmonics.dims()
    );
    let hidden_width = weight_rows(&hidden, plan);
    assert_eq!(
        hidden.dims(),
        [edges, hidden_width * plan.num_radials()],
        "convolve: hidden must be [edges, radial networks x width]"
    );
    let [rows, columns] = weight.dims();
    assert!(
        (rows == hidden_width || rows == hidden_width + 1) && columns == plan.num_weights(),
        "convolve: weight must be [{hidden_width} or {}, {}], got [{rows}, {columns}]",
        hidden_width + 1,
        plan.num_weights()
    );
    assert!(
        dst.is_sorted(),
        "convolve: edges must be sorted by destination"
    );
    Tensor::from_dispatch(Dispatch::convolve(
        features.into_dispatch(),
        harmonics.into_dispatch(),
        hidden.into_dispatch(),
        weight.into_dispatch(),
        src.index.clone().into_dispatch(),
        src.order.clone().into_dispatch(),
        src.offsets.clone().into_dispatch(),
        dst.offsets.clone().into_dispatch(),
        plan.clone(),
    ))
}

fn weight_rows(hidden: &Tensor<2>, plan: &ConvolutionPlan) -> usize {
    hidden.dims()[1] / plan.num_radials().max(1)
}

/// `out[e] = values[groups.index[e]]`.
///
/// # Shapes
/// - values: `[groups.num_groups(), C]`
/// - output: `[groups.num_rows(), C]`
pub fn gather_rows(values: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        values.dims()[0],
        groups.num_groups(),
        "gather_rows: number of rows"
    );
    Tensor::from_dispatch(Dispatch::gather_rows(
        values.into_dispatch(),
        groups.index.clone().into_dispatch(),
        groups.order.clone().into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// Sums the rows of each group, in a fixed order.
///
/// # Shapes
/// - values: `[groups.num_rows(), C]`
/// - output: `[groups.num_groups(), C]`; a group without rows gives zeros
pub fn sum_rows(values: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        values.dims()[0],
        groups.num_rows(),
        "sum_rows: number of rows"
    );
    Tensor::from_dispatch(Dispatch::sum_rows(
        values.into_dispatch(),
        groups.index.clone().into_dispatch(),
        groups.order.clone().into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// Softmax of each column over the rows of each group, whose rows must be consecutive.
///
/// # Shapes
/// - logits, output: `[groups.num_rows(), C]`
///
/// # Panics
/// When the rows of a group are not consecutive.
pub fn segment_softmax(logits: Tensor<2>, groups: &RowGroups) -> Tensor<2> {
    assert_eq!(
        logits.dims()[0],
        groups.num_rows(),
        "segment_softmax: number of rows"
    );
    assert!(
        groups.is_sorted(),
        "segment_softmax: rows of a group must be consecutive"
    );
    Tensor::from_dispatch(Dispatch::segment_softmax(
        logits.into_dispatch(),
        groups.offsets.clone().into_dispatch(),
    ))
}

/// The numbers of a layer normalization.
#[derive(Clone, Debug)]
pub struct LayerNormAffine {
    /// Scale, `[C]`.
    pub gamma: Tensor<1>,
    /// Shift, `[C]`.
    pub beta: Tensor<1>,
}

/// Layer normalization of each run of `width` columns, and what follows it, in one pass:
/// `rectifier(gamma (x - mean) / sqrt(var + epsilon) + beta)` with the biased variance.
///
/// # Shapes
/// - x, output: `[E, C]` with C a multiple of `width`
pub fn grouped_layer_norm(
    x: Tensor<2>,
    affine: LayerNormAffine,
    width: usize,
    epsilon: f64,
    rectifier: Rectifier,
) -> Tensor<2> {
    let LayerNormAffine { gamma, beta } = affine;
    same_dtype(
        "grouped_layer_norm",
        [x.dtype(), gamma.dtype(), beta.dtype()],
    );
    let columns = x.dims()[1];
    assert!(
        width > 0 && columns.is_multiple_of(width),
        "grouped_layer_norm: {columns} columns in runs of {width}"
    );
    assert_eq!(
        [gamma.dims()[0], beta.dims()[0]],
        [columns; 2],
        "grouped_layer_norm: affine sizes"
    );
    Tensor::from_dispatch(Dispatch::grouped_layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        width,
        epsilon,
        rectifier,
    ))
}

/// Several linear maps side by side: `out[:, g] = x[:, g] weight[g] + bias[g]`.
///
/// # Shapes
/// - x: `[E, groups * d_input]`
/// - weight: `[groups * d_input, d_output]`, the maps stacked
/// - bias: `[groups * d_output]`, or `[0]` for none
/// - output: `[E, groups * d_output]`
pub fn grouped_linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    groups: usize,
) -> Tensor<2> {
    same_dtype("grouped_linear", [x.dtype(), weight.dtype(), bias.dtype()]);
    let [rows, d_output] = weight.dims();
    assert!(
        groups > 0 && rows == x.dims()[1] && rows % groups == 0,
        "grouped_linear: {} columns, {rows} rows of weights, {groups} groups",
        x.dims()[1]
    );
    let bias_len = bias.dims()[0];
    assert!(
        bias_len == 0 || bias_len == groups * d_output,
        "grouped_linear: {bias_len} biases"
    );
    Tensor::from_dispatch(Dispatch::grouped_linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        groups,
    ))
}
