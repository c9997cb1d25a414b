//! Self-interaction: the linear map that acts on the channels of each irrep.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use steerable_irreps::{Irrep, Irreps};

use crate::Features;
use crate::error::{BuildError, expect_built, same_group};
use crate::features::cat_columns;

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
        let rows = features.num_rows();
        let mut inputs: Vec<(Irrep, Option<Tensor<3>>)> = Vec::new();
        let mut first_scalar = 0;
        let mut columns = Vec::with_capacity(self.weights.len());
        for (out, weight) in self.irreps_out.iter().zip(&self.weights) {
            let (irrep, components) = (out.irrep, out.irrep.dim());
            let known = inputs
                .iter()
                .position(|(known, _)| *known == irrep)
                .unwrap_or_else(|| {
                    inputs.push((irrep, features.of_irrep(irrep)));
                    inputs.len() - 1
                });
            let Some(input) = &inputs[known].1 else {
                continue;
            };
            let fan_in = input.dims()[2];
            let flat = input.clone().reshape([rows * components, fan_in]);
            let mut product = flat
                .matmul(weight.val())
                .reshape([rows, components * out.mul]);
            if let (true, Some(bias)) = (irrep.is_scalar() && out.mul > 0, &self.bias) {
                let bias = bias.val().narrow(0, first_scalar, out.mul);
                first_scalar += out.mul;
                product = product + bias.unsqueeze::<2>();
            }
            columns.push(product);
        }
        let packed = match columns.len() {
            0 => Tensor::zeros([rows, 0], (&features.device(), features.packed().dtype())),
            _ => cat_columns(columns),
        };
        Features::new(self.irreps_out.clone(), packed)
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
