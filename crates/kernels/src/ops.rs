//! The operations as an extension of burn's backends.

use std::sync::Arc;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata, backend_extension};
use burn::tensor::DType;
use steerable_harmonics::plan::ConvolutionPlan;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};

use crate::host::convolution::{Convolution, Wanted};
use crate::host::linear::GroupedLinear;
use crate::host::norm::{LayerNorm, Rectifier};
use crate::host::{HostTensor, segment, upload};

/// Runs the body with `T` bound to the Rust type of a float dtype.
macro_rules! with_real {
    ($operation:literal, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            other => panic!("{}: expected f32 or f64 tensors, got {other:?}", $operation),
        }
    };
}

/// Operations of the steerable layers. Each has a default body that runs on the host and is correct
/// on every backend; the `*_backward` methods are the gradients that `Autodiff` calls.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Autodiff
)]
pub trait SteerableOps: Backend {
    /// Real spherical harmonics of unit vectors: `[E, 3]` to `[E, (l_max + 1)^2]`.
    fn spherical_harmonics(
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> FloatTensor<Self> {
        let (device, dtype, rows) = (vectors.device(), vectors.dtype(), vectors.shape()[0]);
        let harmonics = sphere(l_max, normalization);
        let vectors = HostTensor::float::<Self>(vectors);
        let width = (l_max + 1) * (l_max + 1);
        with_real!("spherical_harmonics", dtype, T => {
            let mut out = vec![T::default(); rows * width];
            harmonics.values(vectors.as_slice::<T>(), &mut out);
            upload::<Self, T>(out, [rows, width], &device)
        })
    }

    /// Gradient of [`Self::spherical_harmonics`] to the vectors.
    fn spherical_harmonics_backward(
        grad: FloatTensor<Self>,
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> FloatTensor<Self> {
        let (device, dtype, rows) = (vectors.device(), vectors.dtype(), vectors.shape()[0]);
        let harmonics = sphere(l_max, normalization);
        let (grad, vectors) = (
            HostTensor::float::<Self>(grad),
            HostTensor::float::<Self>(vectors),
        );
        with_real!("spherical_harmonics", dtype, T => {
            let mut out = vec![T::default(); rows * 3];
            harmonics.pullback(vectors.as_slice::<T>(), grad.as_slice::<T>(), &mut out);
            upload::<Self, T>(out, [rows, 3], &device)
        })
    }

    /// The convolution of a [`ConvolutionPlan`]: `[rows, dim_out]`, see [`crate::convolve`].
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn convolve(
        features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        src: IntTensor<Self>,
        edges_by_src: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        row_offsets: IntTensor<Self>,
        plan: Arc<ConvolutionPlan>,
    ) -> FloatTensor<Self> {
        // Only the backward pass reads these two.
        let _ = (edges_by_src, src_offsets);
        let (device, dtype) = (features.device(), features.dtype());
        let rows = row_offsets.shape()[0] - 1;
        let hidden_width = hidden.shape()[1] / plan.num_radials().max(1);
        let harmonics_width = harmonics.shape()[1];
        let [features, harmonics, hidden, weight] =
            [features, harmonics, hidden, weight].map(HostTensor::float::<Self>);
        let [src, row_offsets] = [src, row_offsets].map(HostTensor::int::<Self>);
        with_real!("convolve", dtype, T => {
            let out = Convolution::<T> {
                plan: &plan,
                features: features.as_slice(),
                harmonics: harmonics.as_slice(),
                harmonics_width,
                hidden: hidden.as_slice(),
                hidden_width,
                weight: weight.as_slice(),
                src: src.as_slice(),
                row_offsets: row_offsets.as_slice(),
            }
            .forward();
            upload::<Self, T>(out, [rows, plan.irreps_out().dim()], &device)
        })
    }

    /// Gradients of [`Self::convolve`] to features, harmonics, hidden and weight. Those that are not
    /// wanted come back with no rows.
    #[allow(
        clippy::too_many_arguments,
        reason = "a backend operation takes plain tensors"
    )]
    fn convolve_backward(
        grad: FloatTensor<Self>,
        features: FloatTensor<Self>,
        harmonics: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        src: IntTensor<Self>,
        edges_by_src: IntTensor<Self>,
        src_offsets: IntTensor<Self>,
        row_offsets: IntTensor<Self>,
        plan: Arc<ConvolutionPlan>,
        wanted: Wanted,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let (device, dtype) = (features.device(), features.dtype());
        let edges = src.shape()[0];
        let hidden_stride = hidden.shape()[1];
        let weight_shape = weight.shape();
        let harmonics_width = harmonics.shape()[1];
        let dim_in = plan.irreps_in().dim();
        let [grad, features, harmonics, hidden, weight] =
            [grad, features, harmonics, hidden, weight].map(HostTensor::float::<Self>);
        let [src, edges_by_src, src_offsets, row_offsets] =
            [src, edges_by_src, src_offsets, row_offsets].map(HostTensor::int::<Self>);
        with_real!("convolve", dtype, T => {
            let gradients = Convolution::<T> {
                plan: &plan,
                features: features.as_slice(),
                harmonics: harmonics.as_slice(),
                harmonics_width,
                hidden: hidden.as_slice(),
                hidden_width: hidden_stride / plan.num_radials().max(1),
                weight: weight.as_slice(),
                src: src.as_slice(),
                row_offsets: row_offsets.as_slice(),
            }
            .backward(grad.as_slice(), wanted);
            let to_features = if wanted.features {
                let (order, offsets) = (edges_by_src.as_slice(), src_offsets.as_slice());
                segment::sum_rows::<T>(&gradients.edge_features, dim_in, order, offsets)
            } else {
                Vec::new()
            };
            let rows = |wanted: bool, rows: usize| if wanted { rows } else { 0 };
            let nodes = rows(wanted.features, src_offsets.as_slice::<i32>().len() - 1);
            (
                upload::<Self, T>(to_features, [nodes, dim_in], &device),
                upload::<Self, T>(
                    gradients.harmonics,
                    [rows(wanted.harmonics, edges), harmonics_width],
                    &device,
                ),
                upload::<Self, T>(
                    gradients.hidden,
                    [rows(wanted.hidden, edges), hidden_stride],
                    &device,
                ),
                upload::<Self, T>(
                    gradients.weight,
                    [rows(wanted.weight, weight_shape[0]), weight_shape[1]],
                    &device,
                ),
            )
        })
    }

    /// Rows `values[index[e]]`: `[N, C]` to `[E, C]`.
    ///
    /// `order` and `offsets` group the rows of the output by the row they were read from: the way
    /// back for gradients.
    fn gather_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = (order, offsets);
        let (device, dtype, width) = (values.device(), values.dtype(), values.shape()[1]);
        let (values, index) = (
            HostTensor::float::<Self>(values),
            HostTensor::int::<Self>(index),
        );
        let index = index.as_slice::<i32>();
        with_real!("gather_rows", dtype, T => {
            let out = segment::gather_rows::<T>(values.as_slice(), width, index);
            upload::<Self, T>(out, [index.len(), width], &device)
        })
    }

    /// Sums `values[order[k]]` over `offsets[i]..offsets[i + 1]`: `[E, C]` to `[N, C]`.
    /// `index` names the sum that each row goes into: the way back for gradients.
    fn sum_rows(
        values: FloatTensor<Self>,
        index: IntTensor<Self>,
        order: IntTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = index;
        let (device, dtype, width) = (values.device(), values.dtype(), values.shape()[1]);
        let values = HostTensor::float::<Self>(values);
        let [order, offsets] = [order, offsets].map(HostTensor::int::<Self>);
        let offsets = offsets.as_slice::<i32>();
        with_real!("sum_rows", dtype, T => {
            let out = segment::sum_rows::<T>(values.as_slice(), width, order.as_slice(), offsets);
            upload::<Self, T>(out, [offsets.len() - 1, width], &device)
        })
    }

    /// Softmax of each column over each run of rows `offsets[i]..offsets[i + 1]`.
    fn segment_softmax(logits: FloatTensor<Self>, offsets: IntTensor<Self>) -> FloatTensor<Self> {
        let (device, dtype, shape) = (logits.device(), logits.dtype(), logits.shape());
        let (logits, offsets) = (
            HostTensor::float::<Self>(logits),
            HostTensor::int::<Self>(offsets),
        );
        with_real!("segment_softmax", dtype, T => {
            let out = segment::softmax::<T>(logits.as_slice(), shape[1], offsets.as_slice());
            upload::<Self, T>(out, shape, &device)
        })
    }

    /// Gradient of [`Self::segment_softmax`], from its output.
    fn segment_softmax_backward(
        grad: FloatTensor<Self>,
        probabilities: FloatTensor<Self>,
        offsets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (grad.device(), grad.dtype(), grad.shape());
        let [grad, probabilities] = [grad, probabilities].map(HostTensor::float::<Self>);
        let offsets = HostTensor::int::<Self>(offsets);
        with_real!("segment_softmax", dtype, T => {
            let out = segment::softmax_backward::<T>(
                grad.as_slice(),
                probabilities.as_slice(),
                shape[1],
                offsets.as_slice(),
            );
            upload::<Self, T>(out, shape, &device)
        })
    }

    /// Layer normalization of each run of `width` columns, then the rectifier: `[E, C]` to `[E, C]`.
    fn grouped_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let [x, gamma, beta] = [x, gamma, beta].map(HostTensor::float::<Self>);
        with_real!("grouped_layer_norm", dtype, T => {
            let layer = LayerNorm::<T> {
                gamma: gamma.as_slice(),
                beta: beta.as_slice(),
                width,
                epsilon: epsilon as T,
                rectifier,
            };
            upload::<Self, T>(layer.forward(x.as_slice()), shape, &device)
        })
    }

    /// Gradients of [`Self::grouped_layer_norm`] to x, gamma and beta.
    fn grouped_layer_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        width: usize,
        epsilon: f64,
        rectifier: Rectifier,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let columns = shape[1];
        let [grad, x, gamma, beta] = [grad, x, gamma, beta].map(HostTensor::float::<Self>);
        with_real!("grouped_layer_norm", dtype, T => {
            let layer = LayerNorm::<T> {
                gamma: gamma.as_slice(),
                beta: beta.as_slice(),
                width,
                epsilon: epsilon as T,
                rectifier,
            };
            let (to_x, to_gamma, to_beta) = layer.backward(x.as_slice(), grad.as_slice());
            (
                upload::<Self, T>(to_x, shape, &device),
                upload::<Self, T>(to_gamma, [columns], &device),
                upload::<Self, T>(to_beta, [columns], &device),
            )
        })
    }

    /// `groups` linear maps side by side: `[E, groups * d_input]` to `[E, groups * d_output]`.
    fn grouped_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
    ) -> FloatTensor<Self> {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let (d_input, d_output) = (weight.shape()[0] / groups, weight.shape()[1]);
        let [x, weight, bias] = [x, weight, bias].map(HostTensor::float::<Self>);
        with_real!("grouped_linear", dtype, T => {
            let (weight, bias) = (weight.as_slice(), bias.as_slice());
            let layer = GroupedLinear::<T> { groups, d_input, d_output, weight, bias };
            let out = layer.forward(x.as_slice(), shape[0]);
            upload::<Self, T>(out, [shape[0], groups * d_output], &device)
        })
    }

    /// Gradients of [`Self::grouped_linear`] to x, weight and bias.
    fn grouped_linear_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (device, dtype, shape) = (x.device(), x.dtype(), x.shape());
        let (weight_shape, bias_shape) = (weight.shape(), bias.shape());
        let (d_input, d_output) = (weight_shape[0] / groups, weight_shape[1]);
        let [grad, x, weight, bias] = [grad, x, weight, bias].map(HostTensor::float::<Self>);
        with_real!("grouped_linear", dtype, T => {
            let (weight, bias) = (weight.as_slice(), bias.as_slice());
            let layer = GroupedLinear::<T> { groups, d_input, d_output, weight, bias };
            let (to_x, to_weight, to_bias) =
                layer.backward(x.as_slice(), grad.as_slice(), shape[0]);
            (
                upload::<Self, T>(to_x, shape, &device),
                upload::<Self, T>(to_weight, weight_shape, &device),
                upload::<Self, T>(to_bias, bias_shape, &device),
            )
        })
    }
}

fn sphere(l_max: usize, normalization: Normalization) -> SphericalHarmonics {
    SphericalHarmonics::new(l_max)
        .with_normalization(normalization)
        .with_domain(Domain::Sphere)
}

#[cfg(feature = "flex")]
impl SteerableOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl SteerableOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl SteerableOps for burn_cubecl::CubeBackend {}
