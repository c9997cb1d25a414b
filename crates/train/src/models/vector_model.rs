//! Vectors that turn with the molecule: forces told directly, dipole moments.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;
use steerable_nn::{Cloud, Features, Pooling, broadcast_to_nodes};

use super::network::Interface;
use super::{AtomInput, ModelError, Network, NetworkConfig};

/// Whose vectors are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VectorTarget {
    /// One of each atom. As forces they are equivariant, but not the gradient of an energy: net force and
    /// torque need not vanish.
    Atoms,
    /// One of each molecule: the sum over atoms of a vector and of a charge times the position from the
    /// centroid. For neutral molecules that is the form of a dipole moment.
    Molecule,
}

/// Configuration of a [`VectorModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorConfig {
    /// The network.
    pub network: NetworkConfig,
    /// How atoms are told.
    pub input: AtomInput,
    /// Whose vectors are told.
    pub target: VectorTarget,
    /// The unit of the network's output, in that of the vectors.
    pub scale: f64,
}

/// An equivariant vector for each atom or molecule.
#[derive(Module, Debug)]
pub struct VectorModel {
    /// Gives a vector and a scalar for each atom.
    pub network: Network,
    #[module(skip)]
    config: VectorConfig,
}

impl VectorConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn init(&self, device: &Device) -> Result<VectorModel, ModelError> {
        let vector = self.network.vectors(1);
        let irreps_out = match self.target {
            VectorTarget::Atoms => vector,
            VectorTarget::Molecule => {
                let charge = self.network.scalars(1);
                vector.concat(&charge).expect("both are of one group")
            }
        };
        let interface = Interface {
            irreps_in: self.network.scalars(self.input.species.len()),
            irreps_out,
            num_edge_scalars: self.input.num_edge_scalars(),
        };
        Ok(VectorModel {
            network: self.network.init(interface, device)?,
            config: self.clone(),
        })
    }
}

impl VectorModel {
    /// Its configuration.
    pub fn config(&self) -> &VectorConfig {
        &self.config
    }

    /// The vectors in units of the scale, `[nodes, 3]` or `[items, 3]`.
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
        let output = self.network.forward(&features, &cloud).into_packed();
        Ok(match config.target {
            VectorTarget::Atoms => output,
            VectorTarget::Molecule => {
                let charges = output.clone().narrow(1, 3, 1);
                let arms = from_centroid(&cloud, config);
                let vectors = output.narrow(1, 0, 3) + arms * charges;
                let vectors = Features::new(config.network.vectors(1), vectors);
                Pooling::Sum.forward(&vectors, &cloud.graph).into_packed()
            }
        })
    }
}

/// Positions from the centroid of each molecule, `[nodes, 3]`.
fn from_centroid(cloud: &Cloud, config: &VectorConfig) -> Tensor<2> {
    let positions = Features::new(config.network.vectors(1), cloud.positions.clone());
    let centroids = Pooling::Mean.forward(&positions, &cloud.graph);
    cloud.positions.clone() - broadcast_to_nodes(&centroids, &cloud.graph).into_packed()
}
