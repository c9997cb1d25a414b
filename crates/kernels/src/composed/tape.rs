//! Gradients of compositions.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend, TensorMetadata};
use burn_autodiff::Autodiff;

/// Gradients of `sum(grad * composition(inputs))` to the inputs, by a tape of burn's own that lives only
/// here. An input that does not reach the output has the gradient zero.
pub(super) fn gradients<B: Backend, const N: usize>(
    inputs: [FloatTensor<B>; N],
    grad: FloatTensor<B>,
    composition: impl FnOnce([FloatTensor<Autodiff<B>>; N]) -> FloatTensor<Autodiff<B>>,
) -> [FloatTensor<B>; N] {
    let leaves = inputs
        .map(|input| Autodiff::<B>::float_set_require_grad(Autodiff::<B>::from_inner(input), true));
    let out = composition(leaves.clone());
    let weighted = Autodiff::<B>::float_mul(out, Autodiff::<B>::from_inner(grad));
    let mut grads = Autodiff::<B>::backward(Autodiff::<B>::float_sum(weighted));
    leaves.map(|leaf| {
        Autodiff::<B>::grad_remove(&leaf, &mut grads)
            .unwrap_or_else(|| B::float_zeros(leaf.shape(), &leaf.device(), leaf.dtype().into()))
    })
}
