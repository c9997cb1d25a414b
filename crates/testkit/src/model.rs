//! What a model claims about itself.

use steerable_irreps::{Irreps, Layout};

use crate::sample::Sample;
use crate::transform::OutputKind;

/// The irreps that a model takes and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The irreps of the node features; empty for a model that takes positions only.
    pub irreps_in: Irreps,
    /// The irreps of one output row.
    pub irreps_out: Irreps,
}

/// A model that states its own types, for [`EquivarianceTest::of`](crate::EquivarianceTest::of). A closure needs none of this.
pub trait Model {
    /// The irreps of node features and output.
    fn signature(&self) -> Signature;

    /// The output for a batch, row-major.
    fn evaluate(&self, sample: &Sample) -> Vec<f64>;

    /// Whose row an output row is.
    fn output(&self) -> OutputKind {
        OutputKind::PerNode
    }

    /// The irreps of the edge features.
    fn irreps_edge(&self) -> Irreps {
        Irreps::default()
    }

    /// The memory layout of all features.
    fn layout(&self) -> Layout {
        Layout::MulIr
    }
}
