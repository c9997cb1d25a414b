//! Non-linearities and normalizations that act on norms, and so commute with rotations.

use std::sync::Arc;

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use steerable_irreps::Irreps;
use steerable_kernels::{
    NormAffine, NormNonlinearityOptions, NormPlan, equivariant_layer_norm, norm_nonlinearity,
};
use steerable_radial::Activation;

use crate::Features;
use crate::linear::{expect_irreps, one_after_the_other};

/// What is done to the norms before the activation.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum NormTransform {
    /// Layer normalization over the channels of each block, with learned scale and shift: the
    /// SE(3)-Transformers' `GNormSE3` and `NormSE3`.
    LayerNorm,
    /// A learned shift of each channel: the tensor field networks' `GNormBias`.
    Bias,
}

/// Configuration of a [`NormNonlinearity`].
#[derive(Config, Debug)]
pub struct NormNonlinearityConfig {
    /// Irreps of input and output.
    pub irreps: Irreps,
    /// What is done to the norms.
    #[config(default = "NormTransform::LayerNorm")]
    pub transform: NormTransform,
    /// Applied to the transformed norms.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Norms below this count as this: smaller features are scaled, not brought to full size. Features
    /// that vanish by symmetry are rounding noise, so this should stay well above it; the published
    /// codes have 1e-12 and 2^-24, and turn such noise into directions.
    #[config(default = 1e-2)]
    pub smallest_norm: f64,
}

/// `x -> activation(transform(|x|)) x / |x|`, channel by channel.
///
/// Scalars are treated like the rest (`|x|` is their absolute value), as in both published codes. A
/// zero feature stays zero, with finite gradient.
///
/// # Source
/// SE(3)-Transformers (arXiv 2006.10503, section 4 and its code), tensor field networks
/// (arXiv 1802.08219, section 4.3).
#[derive(Module, Debug)]
pub struct NormNonlinearity {
    /// Scale of the normalised norms, for each block `[mul]`; empty for [`NormTransform::Bias`].
    pub gamma: Vec<Param<Tensor<1>>>,
    /// Shift, for each block `[mul]`.
    pub beta: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    irreps: Irreps,
    #[module(skip)]
    plan: Arc<NormPlan>,
    #[module(skip)]
    activation: Activation,
    smallest_norm: f64,
}

impl NormNonlinearityConfig {
    /// Builds the layer.
    ///
    /// # Panics
    /// When `smallest_norm` is not positive.
    pub fn init(&self, device: &Device) -> NormNonlinearity {
        assert!(
            self.smallest_norm > 0.0,
            "NormNonlinearity: smallest_norm must be positive, got {}",
            self.smallest_norm
        );
        let channels = || self.irreps.iter().map(|block| [block.mul]);
        let (gamma, beta) = match self.transform {
            NormTransform::LayerNorm => (
                channels()
                    .map(|shape| Initializer::Ones.init(shape, device))
                    .collect(),
                channels()
                    .map(|shape| Initializer::Zeros.init(shape, device))
                    .collect(),
            ),
            NormTransform::Bias => {
                let normal = Initializer::Normal {
                    mean: 0.0,
                    std: 1.0,
                };
                (
                    Vec::new(),
                    channels().map(|shape| normal.init(shape, device)).collect(),
                )
            }
        };
        NormNonlinearity {
            gamma,
            beta,
            irreps: self.irreps.clone(),
            plan: Arc::new(NormPlan::new(&self.irreps)),
            activation: self.activation,
            smallest_norm: self.smallest_norm,
        }
    }
}

/// Added to the variance in layer normalizations, as in torch.
const EPSILON: f64 = 1e-5;

impl NormNonlinearity {
    /// Irreps of input and output.
    pub fn irreps(&self) -> &Irreps {
        &self.irreps
    }

    /// Applies the non-linearity to every row.
    ///
    /// # Panics
    /// When the features have other irreps than the layer.
    #[track_caller]
    pub fn forward(&self, features: &Features) -> Features {
        expect_irreps("NormNonlinearity", &self.irreps, features);
        let x = features.packed();
        let affine = NormAffine {
            gamma: (!self.gamma.is_empty())
                .then(|| one_after_the_other(self.gamma.iter().map(Param::val), &x)),
            beta: one_after_the_other(self.beta.iter().map(Param::val), &x),
        };
        let options = NormNonlinearityOptions {
            activation: self.activation,
            smallest_norm: self.smallest_norm,
            epsilon: EPSILON,
        };
        let out = norm_nonlinearity(x, affine, &self.plan, options);
        Features::new(self.irreps.clone(), out)
    }
}

/// Configuration of an [`EquivariantLayerNorm`].
#[derive(Config, Debug)]
pub struct EquivariantLayerNormConfig {
    /// Irreps of input and output.
    pub irreps: Irreps,
}

/// Layer normalization that commutes with rotations: invariant blocks lose their mean over channels,
/// every block is divided by its root mean square over channels and components, and each channel has a
/// learned scale (invariant ones a shift too).
///
/// # Source
/// Equiformer (arXiv 2206.11990, section 4.1).
#[derive(Module, Debug)]
pub struct EquivariantLayerNorm {
    /// Scale, for each block `[mul]`.
    pub gamma: Vec<Param<Tensor<1>>>,
    /// Shift of the invariant channels, for each invariant block `[mul]`, in order.
    pub beta: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    irreps: Irreps,
    #[module(skip)]
    plan: Arc<NormPlan>,
}

impl EquivariantLayerNormConfig {
    /// Builds the layer.
    pub fn init(&self, device: &Device) -> EquivariantLayerNorm {
        let ones = |mul| Initializer::Ones.init([mul], device);
        let zeros = |mul| Initializer::Zeros.init([mul], device);
        EquivariantLayerNorm {
            gamma: self.irreps.iter().map(|block| ones(block.mul)).collect(),
            beta: self
                .irreps
                .iter()
                .filter(|block| block.irrep.is_scalar())
                .map(|block| zeros(block.mul))
                .collect(),
            irreps: self.irreps.clone(),
            plan: Arc::new(NormPlan::new(&self.irreps)),
        }
    }
}

impl EquivariantLayerNorm {
    /// Applies the normalization to every row.
    ///
    /// # Panics
    /// When the features have other irreps than the layer.
    #[track_caller]
    pub fn forward(&self, features: &Features) -> Features {
        expect_irreps("EquivariantLayerNorm", &self.irreps, features);
        let x = features.packed();
        let gamma = one_after_the_other(self.gamma.iter().map(Param::val), &x);
        let beta = one_after_the_other(self.beta.iter().map(Param::val), &x);
        let out = equivariant_layer_norm(x, gamma, beta, &self.plan, EPSILON);
        Features::new(self.irreps.clone(), out)
    }
}
