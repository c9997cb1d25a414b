//! A step of the optimizer Adam, in one pass over memory.

use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;

use super::same_dtype;
use crate::composed;

/// The numbers of one step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How much of the first moment is kept.
    pub beta_1: f64,
    /// How much of the second moment is kept.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay: the share of a parameter that a learning rate of 1 would take away.
    pub weight_decay: f64,
    /// Which step it is, from 1; the moments before the first are zero.
    pub time: usize,
}

impl AdamStep {
    /// What a parameter is multiplied by.
    pub(crate) fn keep(&self) -> f64 {
        1.0 - self.learning_rate * self.weight_decay
    }

    /// What `m / (sqrt(v) + offset)` is multiplied by, and that offset: the corrections of the moments'
    /// bias towards their zero start.
    pub(crate) fn rate_and_offset(&self) -> (f64, f64) {
        let time = i32::try_from(self.time).unwrap_or(i32::MAX);
        let second = (1.0 - self.beta_2.powi(time)).sqrt();
        let first = 1.0 - self.beta_1.powi(time);
        (self.learning_rate * second / first, self.epsilon * second)
    }
}

/// Parameter and moments after a step:
///
/// ```text
/// m <- beta_1 m + (1 - beta_1) g
/// v <- beta_2 v + (1 - beta_2) g^2
/// p <- (1 - lr decay) p - lr (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)
/// ```
///
/// On `Flex` they are written in place where nobody else holds the tensors. Nothing is recorded for
/// gradients.
///
/// # Shapes
/// - param, grad, moments, outputs: any, the same
///
/// # Panics
/// When shapes or dtypes differ, or the step is not counted from 1.
///
/// # Source
/// D. P. Kingma and J. Ba, arXiv:1412.6980; the decay of I. Loshchilov and F. Hutter, arXiv:1711.05101.
pub fn adam_step<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    [moment_1, moment_2]: [Tensor<D>; 2],
    step: AdamStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let others = [&grad, &moment_1, &moment_2];
    for other in others {
        assert_eq!(
            other.dims(),
            param.dims(),
            "adam_step: parameter, gradient and moments differ in shape"
        );
    }
    same_dtype(
        "adam_step",
        [&param, others[0], others[1], others[2]].map(Tensor::dtype),
    );
    assert!(step.time > 0, "adam_step: the first step has the time 1");
    let (param, moment_1, moment_2) = Dispatch::adam_step(
        param.into_dispatch(),
        grad.into_dispatch(),
        moment_1.into_dispatch(),
        moment_2.into_dispatch(),
        step,
    );
    let moments = [moment_1, moment_2].map(Tensor::from_dispatch);
    (Tensor::from_dispatch(param), moments)
}

/// Steps of optimizers.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait AdamOps: Backend {
    /// Parameter, first and second moment after a step.
    #[fusion(meta = |param, _, moment_1, moment_2, _| {
        (param.clone(), moment_1.clone(), moment_2.clone())
    })]
    fn adam_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::adam_step::<Self>(param, grad, [moment_1, moment_2], step)
    }
}

#[cfg(feature = "ndarray")]
impl AdamOps for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl AdamOps for burn_cubecl::CubeBackend {}

impl<B: Backend + AdamOps, C: CheckpointStrategy> AdamOps for Autodiff<B, C> {
    fn adam_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [param, grad, moment_1, moment_2] =
            [param, grad, moment_1, moment_2].map(|tensor| tensor.into_primitive());
        let (param, moment_1, moment_2) = B::adam_step(param, grad, moment_1, moment_2, step);
        let untracked = Self::from_inner;
        (untracked(param), untracked(moment_1), untracked(moment_2))
    }
}
