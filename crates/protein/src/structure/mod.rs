//! Networks that refine the frames of residues, on burn tensors.

mod any_layer;
mod frames;
mod layer;
mod loss;
mod module;
mod one_hot;
mod peptide_loss;
mod point_attention;
mod se3_layer;
mod side_chain;
mod surroundings;
mod torsion_bins;

pub use any_layer::{AnyLayer, LayerConfig};
pub use frames::{FrameTensors, FrameUpdate};
pub use layer::{ResidueUpdate, Residues, StructureLayer, Surroundings};
pub use loss::{
    confidence_loss, displacement_loss, expected_lddt, frame_aligned_point_error, torsion_loss,
};
pub use module::{
    IterationWeights, StructureInputs, StructureModule, StructureModuleConfig, StructureOutput,
};
pub use one_hot::one_hot;
pub use peptide_loss::peptide_loss;
pub use point_attention::{PointAttentionConfig, PointAttentionLayer};
pub use se3_layer::{TransformerLayer, TransformerLayerConfig};
pub use side_chain::{MAX_CHI, SideChainTorsions, TorsionTargets, expected_torsions};
pub use surroundings::{
    NeighbourConfig, ResidueGraph, ResidueGraphTensors, SEPARATIONS, residue_index,
    separation_class,
};
pub use torsion_bins::{ExpectedTorsion, TorsionBins};
