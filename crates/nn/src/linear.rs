//! Self-interaction: the linear map that acts on the channels of each irrep.

use std::sync::Arc;

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use steerable_irreps::Irreps;
use steerable_kernels::{LinearInputs, LinearPlan, steerable_linear};

use crate::Features;
use crate::error::{BuildError, expect_built, same_group};

/// Which outputs get a learned constant.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ScalarBias {
    /// None, as in the SE(3)-Transformers.
    None,
    /// Every invariant output channel.
    Scalars,
}

/// Configuration of a [`SteerableLinear`].
#[derive(Config, Debug)]
pub struct SteerableLinearConfig {
    /// Irreps of the input.
    pub irreps_in: Irreps,
    /// Irreps of the output.
    pub irreps_out: Irreps,
    /// Bias on invariant outputs.
    #[config(default = "ScalarBias::None")]
    pub bias: ScalarBias,
}

/// Linear map on channels, one matrix for each output block:
/// `out[c_out] = sum over c_in of W[c_in, c_out] in[c_in]`, where c_in runs over all input channels of
/// the same irrep. Weights are drawn from N(0, 1 / fan_in).
///
/// # Source
/// Self-interaction of tensor field networks (arXiv 1802.08219, section 4.2).
#[derive(Module, Debug)]
pub struct SteerableLinear {
    /// For each output block `[fan_in, mul_out]`.
    pub weights: Vec<Param<Tensor<2>>>,
    /// For all invariant output channels, in order.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    irreps_in: Irreps,
    #[module(skip)]
    irreps_out: Irreps,
    #[module(skip)]
    plan: Arc<LinearPlan>,
}

impl SteerableLinearConfig {
    /// Builds the layer.
    ///
    /// # Errors
    /// When the groups differ or an output irrep does not occur in the input.
    pub fn try_init(&self, device: &Device) -> Result<SteerableLinear, BuildError> {
        const LAYER: &str = "SteerableLinear";
        same_group(LAYER, &self.irreps_in, &self.irreps_out)?;
        let weights = self
            .irreps_out
            .iter()
            .map(|out| {
                let fan_in = self.irreps_in.mul_of(out.irrep);
                if fan_in == 0 && out.mul > 0 {
                    return Err(BuildError::Unreachable {
                        layer: LAYER.into(),
                        irrep: out.irrep,
                        irreps_in: self.irreps_in.clone(),
                        irreps_out: self.irreps_out.clone(),
                    });
                }
                let std = 1.0 / (fan_in.max(1) as f64).sqrt();
                Ok(Initializer::Normal { mean: 0.0, std }.init([fan_in, out.mul], device))
            })
            .collect::<Result<_, _>>()?;
        let scalars: usize = self
            .irreps_out
            .iter()
            .filter(|b| b.irrep.is_scalar())
            .map(|b| b.mul)
            .sum();
        let bias = (self.bias == ScalarBias::Scalars && scalars > 0)
            .then(|| Initializer::Zeros.init([scalars], device));
        Ok(SteerableLinear {
            weights,
            bias,
            irreps_in: self.irreps_in.clone(),
            irreps_out: self.irreps_out.clone(),
            plan: Arc::new(LinearPlan::new(&self.irreps_in, &self.irreps_out)),
        })
    }

    /// Builds the layer.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> SteerableLinear {
        expect_built(self.try_init(device))
    }
}

impl SteerableLinear {
    /// Irreps of the input.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Irreps of the output.
    pub fn irreps_out(&self) -> &Irreps {
        &self.irreps_out
    }

    /// Applies the map to every row.
    ///
    /// # Panics
    /// When the features have other irreps than the layer.
    #[track_caller]
    pub fn forward(&self, features: &Features) -> Features {
        expect_irreps("SteerableLinear", &self.irreps_in, features);
        self.map(features.packed(), None)
    }

    /// Applies the map to `first.join(beside)`, which is not formed.
    #[track_caller]
    pub(crate) fn forward_joined(&self, first: &Features, beside: &Features) -> Features {
        debug_assert_eq!(
            first.irreps().concat(beside.irreps()).as_ref(),
            Ok(&self.irreps_in)
        );
        self.map(first.packed(), Some(beside.packed()))
    }

    fn map(&self, x: Tensor<2>, beside: Option<Tensor<2>>) -> Features {
        let weights = self.weights.iter().map(Param::val);
        let weights = weights.filter(|weight| weight.shape().num_elements() > 0);
        let weight = one_after_the_other(weights.map(|weight| weight.flatten(0, 1)), &x);
        let inputs = LinearInputs {
            x,
            beside,
            weight,
            bias: self.bias.as_ref().map(Param::val),
        };
        Features::new(
            self.irreps_out.clone(),
            steerable_linear(inputs, &self.plan),
        )
    }
}

/// Parameters end to end, none if there are none.
pub(crate) fn one_after_the_other(
    parameters: impl Iterator<Item = Tensor<1>>,
    like: &Tensor<2>,
) -> Tensor<1> {
    let mut parameters: Vec<_> = parameters.filter(|p| p.dims()[0] > 0).collect();
    match parameters.len() {
        0 => Tensor::zeros([0], (&like.device(), like.dtype())),
        1 => parameters.remove(0),
        _ => Tensor::cat(parameters, 0),
    }
}

/// A wrong type in `forward` is a bug of the caller: it panics, and tells both irreps.
#[track_caller]
pub(crate) fn expect_irreps(layer: &str, expected: &Irreps, features: &Features) {
    assert_eq!(
        expected,
        features.irreps(),
        "{layer}: built for \"{expected}\", called with \"{}\"",
        features.irreps()
    );
}
