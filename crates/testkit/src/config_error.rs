//! Settings that contradict each other.

use std::ops::RangeInclusive;

use steerable_irreps::{Irreps, MulIrrep};

/// Settings of an [`EquivarianceTest`](crate::EquivarianceTest) that make no test.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// There is nothing to compare.
    #[error("irreps_out has dimension 0: there is no output to check")]
    NoOutput,
    /// SO(3) on one side and O(3) on the other.
    #[error("{role} ({irreps}) and irreps_out ({irreps_out}) belong to different groups")]
    MixedGroups {
        /// Which irreps disagree with the output.
        role: &'static str,
        /// Those irreps.
        irreps: Irreps,
        /// The irreps of the output.
        irreps_out: Irreps,
    },
    /// [`OutputKind::Positions`](crate::OutputKind::Positions) with an output that is no vector.
    #[error("output {0} cannot be a position: only 1 (SO(3)) and 1o (O(3)) translate like points")]
    NotAPoint(MulIrrep),
    /// Zero trials.
    #[error("0 trials test nothing")]
    NoTrials,
    /// A scale that is no positive normal number.
    #[error("scale is {0}, expected a positive length")]
    Scale(f64),
    /// An empty range of sizes, or one that begins at 0.
    #[error("random graphs of {0:?} nodes: expected a range that begins at 1 or more")]
    Nodes(RangeInclusive<usize>),
}
