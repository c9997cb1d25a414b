//! Energies, and forces as their exact negative gradients.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;
use steerable_nn::{Cloud, Features, Pooling};

use super::network::{Interface, check_width};
use super::{AtomInput, ModelError, Network, NetworkConfig, Perceptron, Scaling};

/// Configuration of a [`Potential`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PotentialConfig {
    /// The network; it needs a cutoff, so that energies are smooth where neighbours come and go. Those of the
    /// transformer have kinks inside too, from the ReLU of its norms, where forces jump: for dynamics, take one
    /// of the others.
    pub network: NetworkConfig,
    /// How atoms are told.
    pub input: AtomInput,
    /// Invariants of each atom before its energy.
    pub width: usize,
    /// From the network's numbers to energies. Forces have the unit of the scale, for each angstrom.
    pub scaling: Scaling,
}

/// `E = scale * sum over atoms of e(atom) + offset`, `F = -dE / dx` by differentiation.
///
/// Forces of an isolated molecule sum to zero and exert no torque, since the energy knows only relative
/// positions and does not change under rotations.
#[derive(Module, Debug)]
pub struct Potential {
    /// Gives the invariants.
    pub network: Network,
    /// From invariants of an atom to its energy.
    pub of_atoms: Perceptron,
    #[module(skip)]
    config: PotentialConfig,
}

/// What a potential says of a batch, in the units of its scale.
#[derive(Clone, Debug)]
pub struct EnergyAndForces {
    /// Energy of each item without the offset, `[items, 1]`.
    pub energies: Tensor<2>,
    /// Force on each atom, `[nodes, 3]`.
    pub forces: Tensor<2>,
}

impl PotentialConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// When the network has no cutoff or cannot be built, or the width is 0.
    pub fn init(&self, device: &Device) -> Result<Potential, ModelError> {
        if self.network.cutoff.is_none() {
            return Err(ModelError::value(
                "network.cutoff",
                "none",
                "a length: without one the energy jumps where neighbours come and go",
            ));
        }
        check_width(self.width)?;
        let interface = Interface {
            irreps_in: self.network.scalars(self.input.species.len()),
            irreps_out: self.network.scalars(self.width),
            num_edge_scalars: self.input.num_edge_scalars(),
        };
        Ok(Potential {
            network: self.network.init(interface, device)?,
            of_atoms: Perceptron::new([self.width, self.width, 1], device),
            config: self.clone(),
        })
    }
}

impl Potential {
    /// Its configuration.
    pub fn config(&self) -> &PotentialConfig {
        &self.config
    }

    /// Node features and cloud of a batch.
    ///
    /// # Errors
    /// When an atom or a bond of the batch is not known.
    pub fn input(
        &self,
        batch: &Batch,
        options: (&Device, DType),
    ) -> Result<(Features, Cloud), ModelError> {
        self.config
            .input
            .tensors(batch, &self.config.network, options)
    }

    /// Energy of each item in units of the scale, without the offset, `[items, 1]`.
    pub fn energies(&self, features: &Features, cloud: &Cloud) -> Tensor<2> {
        let invariants = self.network.forward(features, cloud).into_packed();
        let of_atoms = self.of_atoms.forward(invariants);
        let of_atoms = Features::new(self.config.network.scalars(1), of_atoms);
        Pooling::Sum.forward(&of_atoms, &cloud.graph).into_packed()
    }

    /// Energies and forces, with no gradients to the parameters. The device must be one with autodiff.
    ///
    /// # Errors
    /// When an atom or a bond of the batch is not known.
    pub fn energy_and_forces(
        &self,
        batch: &Batch,
        options: (&Device, DType),
    ) -> Result<EnergyAndForces, ModelError> {
        let (features, mut cloud) = self.input(batch, options)?;
        cloud.positions = cloud.positions.require_grad();
        let energies = self.clone().no_grad().energies(&features, &cloud);
        let gradients = energies.clone().sum().backward();
        let forces = cloud.positions.grad(&gradients);
        Ok(EnergyAndForces {
            energies: energies.detach().inner(),
            forces: forces
                .map_or_else(|| cloud.positions.clone().inner().zeros_like(), Tensor::neg),
        })
    }
}
