//! What the layers of a structure module have in common.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use steerable_nn::GraphTensors;

use super::frames::{FrameTensors, FrameUpdate};

/// Residues between two layers.
#[derive(Clone, Debug)]
pub struct Residues {
    /// Invariant features, `[N, c]`.
    pub scalars: Tensor<2>,
    /// Frames.
    pub frames: FrameTensors,
}

/// The edges between residues, at the frames of the moment.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The graph.
    pub graph: GraphTensors,
    /// The frame of each edge's source in that of its destination, `dst^-1 o src`.
    pub relative: FrameTensors,
    /// Invariant features of the edges, `[E, e]`.
    pub scalars: Tensor<2>,
}

/// What a layer says of each residue.
#[derive(Clone, Debug)]
pub struct ResidueUpdate {
    /// To be added to the scalars, `[N, c]`.
    pub scalars: Tensor<2>,
    /// How the frame moves, in its own coordinates.
    pub frame: FrameUpdate,
}

/// One iteration of a structure module: residues hear their surroundings and say how they move.
///
/// Layers are equivariant: when all frames are moved by one rigid motion, the update, told in each
/// frame's own coordinates, stays the same.
pub trait StructureLayer: Module + ModuleDisplay {
    /// Applies the layer.
    fn forward(&self, residues: &Residues, surroundings: &Surroundings) -> ResidueUpdate;
}
