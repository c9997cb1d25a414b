//! A batch as tensors: one-hot elements on the nodes, one-hot bonds on the edges.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use steerable_data::{Batch, BondKind};
use steerable_nn::{Cloud, Features, GraphTensors};

use super::{ModelError, NetworkConfig, Scaling};

/// Whether a network reads the kinds of bonds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BondInput {
    /// It does not.
    #[default]
    None,
    /// One scalar of each edge for each of the four kinds; zeros where there is no bond.
    Kinds,
}

/// How atoms are told to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtomInput {
    /// The atomic numbers that are known.
    pub species: Vec<u8>,
    /// Whether kinds of bonds are told.
    pub bonds: BondInput,
}

impl AtomInput {
    /// The elements of a data set, in their order.
    pub fn of_species(species: impl IntoIterator<Item = u8>, bonds: BondInput) -> Self {
        let mut species: Vec<u8> = species.into_iter().collect();
        species.sort_unstable();
        species.dedup();
        Self { species, bonds }
    }

    pub(crate) fn num_edge_scalars(&self) -> usize {
        match self.bonds {
            BondInput::None => 0,
            BondInput::Kinds => BondKind::ALL.len(),
        }
    }

    /// The place of an element among those known, for every node of a batch.
    ///
    /// # Errors
    /// [`ModelError::Species`] for an element that is not known.
    pub fn classes(&self, batch: &Batch) -> Result<Vec<usize>, ModelError> {
        let place = |(node, species): (usize, &u8)| {
            let place = self.species.iter().position(|known| known == species);
            place.ok_or_else(|| ModelError::Species {
                item: item_of_node(batch, node),
                species: *species,
                known: self.species.clone(),
            })
        };
        batch.species.iter().enumerate().map(place).collect()
    }

    /// What does not come from the network, for each item of a batch.
    ///
    /// # Errors
    /// [`ModelError::Species`] for an element that is not known.
    pub fn offsets(&self, batch: &Batch, scaling: &Scaling) -> Result<Vec<f64>, ModelError> {
        let classes = self.classes(batch)?;
        let items = batch.graph.node_offsets().windows(2);
        let of_item = |run: &[u32]| {
            let atoms = &classes[run[0] as usize..run[1] as usize];
            scaling.offset(atoms.iter().copied())
        };
        Ok(items.map(of_item).collect())
    }

    /// Node features and cloud of a batch at its own positions.
    ///
    /// # Errors
    /// [`ModelError::Species`]; [`ModelError::Missing`] when kinds of bonds are read and not known.
    pub(crate) fn tensors(
        &self,
        batch: &Batch,
        network: &NetworkConfig,
        (device, dtype): (&Device, DType),
    ) -> Result<(Features, Cloud), ModelError> {
        let (nodes, width) = (batch.species.len(), self.species.len());
        let mut one_hot = vec![0_f32; nodes * width];
        for (node, class) in self.classes(batch)?.into_iter().enumerate() {
            one_hot[node * width + class] = 1.0;
        }
        let one_hot = Tensor::from_data(TensorData::new(one_hot, [nodes, width]), (device, dtype));
        let cloud = points(batch, (device, dtype));
        let cloud = match self.bonds {
            BondInput::None => cloud,
            BondInput::Kinds => {
                let bonds = batch.edge_bonds.as_ref();
                let bonds = bonds.ok_or(ModelError::Missing {
                    what: "kinds of bonds",
                })?;
                let kinds: Vec<f32> = bonds
                    .iter()
                    .flat_map(|&kind| BondKind::one_hot(kind))
                    .collect();
                let shape = [bonds.len(), BondKind::ALL.len()];
                let kinds = Tensor::from_data(TensorData::new(kinds, shape), (device, dtype));
                cloud.with_edge_scalars(kinds)
            }
        };
        Ok((Features::new(network.scalars(width), one_hot), cloud))
    }
}

/// Graph and positions of a batch.
pub(crate) fn points(batch: &Batch, (device, dtype): (&Device, DType)) -> Cloud {
    let graph = GraphTensors::new(&batch.graph, device);
    Cloud::new(graph, vectors(&batch.positions, (device, dtype)))
}

/// `[N, 3]`
pub(crate) fn vectors(vectors: &[[f64; 3]], options: (&Device, DType)) -> Tensor<2> {
    numbers(vectors.as_flattened(), [vectors.len(), 3], options)
}

/// A matrix of these numbers.
pub(crate) fn numbers(
    numbers: &[f64],
    shape: [usize; 2],
    (device, dtype): (&Device, DType),
) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), (device, dtype))
}

/// The index in the data set of the item that a node belongs to.
fn item_of_node(batch: &Batch, node: usize) -> usize {
    let graph = batch.graph.graph_of_node()[node] as usize;
    batch.items[graph]
}
