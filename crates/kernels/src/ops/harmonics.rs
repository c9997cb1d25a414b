//! Edge vectors to spherical harmonics.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics};

use super::with_real;
use crate::host::{HostTensor, upload};

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

/// Spherical harmonics of the directions of vectors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Autodiff
)]
pub trait HarmonicsOps: Backend {
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
}

#[cfg(feature = "flex")]
impl HarmonicsOps for burn::backend::Flex {}

#[cfg(feature = "ndarray")]
impl HarmonicsOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl HarmonicsOps for burn_cubecl::CubeBackend {}

fn sphere(l_max: usize, normalization: Normalization) -> SphericalHarmonics {
    SphericalHarmonics::new(l_max)
        .with_normalization(normalization)
        .with_domain(Domain::Sphere)
}

impl<B: Backend + HarmonicsOps, C: CheckpointStrategy> HarmonicsOps for Autodiff<B, C> {
    fn spherical_harmonics(
        vectors: FloatTensor<Self>,
        l_max: usize,
        normalization: Normalization,
    ) -> FloatTensor<Self> {
        let node = vectors.node();
        let vectors = vectors.into_primitive();
        let out = B::spherical_harmonics(vectors.clone(), l_max, normalization);
        match HarmonicsBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((vectors, l_max, normalization), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

#[derive(Debug)]
struct HarmonicsBackward;

impl<B: Backend + HarmonicsOps> Backward<B, 1> for HarmonicsBackward {
    type State = (FloatTensor<B>, usize, Normalization);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (vectors, l_max, normalization) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::spherical_harmonics_backward(grad, vectors, l_max, normalization)
        });
    }
}
