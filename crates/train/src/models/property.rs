//! One number for each molecule.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;
use steerable_nn::{Features, Pooling};

use super::network::{Interface, check_width};
use super::{AtomInput, ModelError, Network, NetworkConfig, Perceptron, Scaling};

/// Configuration of a [`PropertyModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyConfig {
    /// The network.
    pub network: NetworkConfig,
    /// How atoms are told.
    pub input: AtomInput,
    /// Invariants of each atom that are pooled.
    pub width: usize,
    /// How the atoms of a molecule become one row.
    pub pooling: Pooling,
    /// From the network's numbers to the property.
    pub scaling: Scaling,
}

/// A scalar property of molecules: invariants of the atoms, pooled, then a perceptron.
///
/// # Source
/// The QM9 model of SE(3)-Transformers (arXiv 2006.10503), with a network of choice.
#[derive(Module, Debug)]
pub struct PropertyModel {
    /// Gives the invariants.
    pub network: Network,
    /// From invariants of an atom to what is pooled.
    pub of_atoms: Perceptron,
    /// From what is pooled to the property.
    pub head: Perceptron,
    #[module(skip)]
    config: PropertyConfig,
}

impl PropertyConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// When the network cannot be built, or the width is 0.
    pub fn init(&self, device: &Device) -> Result<PropertyModel, ModelError> {
        check_width(self.width)?;
        let interface = Interface {
            irreps_in: self.network.scalars(self.input.species.len()),
            irreps_out: self.network.scalars(self.width),
            num_edge_scalars: self.input.num_edge_scalars(),
        };
        let width = self.width;
        Ok(PropertyModel {
            network: self.network.init(interface, device)?,
            of_atoms: Perceptron::new([width; 3], device),
            head: Perceptron::new([width, width, 1], device),
            config: self.clone(),
        })
    }
}

impl PropertyModel {
    /// Its configuration.
    pub fn config(&self) -> &PropertyConfig {
        &self.config
    }

    /// The property of each molecule in units of the scale, without the offset, `[items, 1]`.
    ///
    /// # Errors
    /// When an atom or a bond of the batch is not known.
    pub fn forward(
        &self,
        batch: &Batch,
        options: (&Device, DType),
    ) -> Result<Tensor<2>, ModelError> {
        let config = &self.config;
        let (features, cloud) = config.input.tensors(batch, &config.network, options)?;
        let invariants = self.network.forward(&features, &cloud).into_packed();
        let of_atoms = self.of_atoms.forward(invariants);
        let of_atoms = Features::new(config.network.scalars(config.width), of_atoms);
        let pooled = config.pooling.forward(&of_atoms, &cloud.graph);
        Ok(self.head.forward(pooled.into_packed()))
    }
}
