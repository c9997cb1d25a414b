//! Adam, one pass over memory for each parameter.

use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::{AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};
use steerable_kernels::{AdamStep, adam_step};

/// How Adam steps.
///
/// As burn's configurations of the same names, but for `epsilon` (1e-8, the paper's; burn's is 1e-5).
#[derive(Config, Debug)]
pub struct AdamConfig {
    /// How much of the first moment is kept.
    #[config(default = 0.9)]
    pub beta_1: f32,
    /// How much of the second moment is kept.
    #[config(default = 0.999)]
    pub beta_2: f32,
    /// Added to the root of the second moment.
    #[config(default = 1e-8)]
    pub epsilon: f32,
    /// Decoupled weight decay (AdamW): a step takes `lr * weight_decay` of each parameter away.
    #[config(default = 0.0)]
    pub weight_decay: f32,
    /// What is done to gradients before.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl AdamConfig {
    /// The optimizer of a module.
    pub fn init(&self) -> ModuleOptimizer {
        let optimizer = ModuleOptimizer::from(Adam {
            config: self.clone(),
        });
        match &self.grad_clipping {
            Some(clipping) => optimizer.with_grad_clipping(clipping.init()),
            None => optimizer,
        }
    }
}

/// Adam, and with a weight decay AdamW, by [`adam_step`]: the same numbers as burn's to rounding.
#[derive(Clone)]
pub struct Adam {
    config: AdamConfig,
}

impl Optimizer for Adam {
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (time, moments) = match state {
            Some(state) => (state.time + 1, [state.moment_1, state.moment_2]),
            None => (1, [tensor.zeros_like(), tensor.zeros_like()]),
        };
        let step = AdamStep {
            beta_1: self.config.beta_1.into(),
            beta_2: self.config.beta_2.into(),
            epsilon: self.config.epsilon.into(),
            learning_rate,
            weight_decay: self.config.weight_decay.into(),
            time,
        };
        let (tensor, [moment_1, moment_2]) = adam_step(tensor, grad, moments, step);
        let state = AdaptiveMomentumState::new(time, moment_1, moment_2);
        (tensor, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.to_device(device)
    }
}
