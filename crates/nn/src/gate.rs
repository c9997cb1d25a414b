//! Gated non-linearity: scalars are activated, and some of them scale the rest.

use std::sync::Arc;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;
use steerable_irreps::{Irrep, Irreps, MulIrrep, Parity};
use steerable_kernels::{GatePlan, ScaledActivation, gate};
use steerable_radial::Activation;

use crate::Features;
use crate::error::{BuildError, expect_built, same_group};
use crate::linear::expect_irreps;

/// Configuration of a [`Gate`].
#[derive(Config, Debug)]
pub struct GateConfig {
    /// Irreps of the output that are scalars.
    pub scalars: Irreps,
    /// Irreps of the output that are gated; one gate for each of their channels.
    pub gated: Irreps,
    /// Activation of even (or SO(3)) scalars.
    #[config(default = "Activation::Silu")]
    pub activation: Activation,
    /// Activation of odd scalars: must be an odd function.
    #[config(default = "Activation::Tanh")]
    pub odd_activation: Activation,
    /// Activation of the gates.
    #[config(default = "Activation::Sigmoid")]
    pub gate_activation: Activation,
    /// What the activations are multiplied by.
    #[config(default = "ActivationScale::SecondMoment")]
    pub scale: ActivationScale,
}

/// What an activation is multiplied by.
#[derive(Config, Debug, PartialEq)]
pub enum ActivationScale {
    /// One.
    None,
    /// The number that makes the second moment 1 for standard normal input.
    SecondMoment,
    /// Given numbers for even scalars, odd scalars and gates.
    Given {
        /// For even (or SO(3)) scalars.
        even: f64,
        /// For odd scalars.
        odd: f64,
        /// For gates.
        gates: f64,
    },
}

/// `(s, g, x) -> (activation(s), gate_activation(g) x)`.
///
/// The input is laid out scalars, gates, gated ([`Gate::irreps_in`]), the output scalars, gated.
///
/// # Source
/// 3D steerable CNNs (arXiv 1807.02547, section 4.3).
#[derive(Module, Debug)]
pub struct Gate {
    #[module(skip)]
    irreps_in: Irreps,
    #[module(skip)]
    irreps_out: Irreps,
    #[module(skip)]
    plan: Arc<GatePlan>,
}

impl GateConfig {
    /// Builds the layer; it has no parameters.
    ///
    /// # Errors
    /// When `scalars` holds a non-scalar, the groups differ, or the activation of odd scalars is not
    /// an odd function.
    pub fn try_init(&self, _device: &Device) -> Result<Gate, BuildError> {
        const LAYER: &str = "Gate";
        let unsupported = |irreps: &Irreps, reason| BuildError::Unsupported {
            layer: LAYER.into(),
            irreps: irreps.clone(),
            reason,
        };
        let group = same_group(LAYER, &self.scalars, &self.gated)?;
        if self.scalars.iter().any(|block| block.irrep.l() > 0) {
            return Err(unsupported(&self.scalars, "must hold scalars (l = 0) only"));
        }
        let has_odd = self
            .scalars
            .iter()
            .any(|b| b.irrep.parity() == Some(Parity::Odd));
        if has_odd && self.odd_activation != Activation::Tanh {
            return Err(unsupported(
                &self.scalars,
                "holds odd scalars, whose activation must be odd: Tanh",
            ));
        }
        let gate_irrep = match group {
            Some(steerable_irreps::Group::O3) => Irrep::o3(0, Parity::Even),
            _ => Irrep::so3(0),
        };
        let gates = Irreps::try_new(vec![MulIrrep {
            mul: self.gated.num_irreps(),
            irrep: gate_irrep,
        }])
        .expect("one block has one group");
        let concat = |a: &Irreps, b: &Irreps| a.concat(b).expect("the groups are the same");
        Ok(Gate {
            irreps_in: concat(&concat(&self.scalars, &gates), &self.gated),
            irreps_out: concat(&self.scalars, &self.gated),
            plan: Arc::new(self.plan()),
        })
    }

    /// Builds the layer.
    ///
    /// # Panics
    /// Where [`Self::try_init`] fails.
    #[track_caller]
    pub fn init(&self, device: &Device) -> Gate {
        expect_built(self.try_init(device))
    }

    fn plan(&self) -> GatePlan {
        let (even, odd, gates) = match self.scale {
            ActivationScale::Given { even, odd, gates } => (even, odd, gates),
            _ => (1.0, 1.0, 1.0),
        };
        let scaled = |activation: Activation, given| ScaledActivation {
            activation,
            scale: match self.scale {
                ActivationScale::SecondMoment => activation.second_moment_scale(),
                _ => given,
            },
        };
        let activations: Vec<ScaledActivation> = self
            .scalars
            .iter()
            .map(|block| match block.irrep.parity() {
                Some(Parity::Odd) => scaled(self.odd_activation, odd),
                _ => scaled(self.activation, even),
            })
            .collect();
        let gate = scaled(self.gate_activation, gates);
        GatePlan::new(&self.scalars, &self.gated, &activations, gate)
    }
}

impl Gate {
    /// Scalars, gates, gated.
    pub fn irreps_in(&self) -> &Irreps {
        &self.irreps_in
    }

    /// Scalars, gated.
    pub fn irreps_out(&self) -> &Irreps {
        &self.irreps_out
    }

    /// Applies the gate to every row.
    ///
    /// # Panics
    /// When the features have other irreps than [`Gate::irreps_in`].
    #[track_caller]
    pub fn forward(&self, features: &Features) -> Features {
        expect_irreps("Gate", &self.irreps_in, features);
        Features::new(self.irreps_out.clone(), gate(features.packed(), &self.plan))
    }
}
