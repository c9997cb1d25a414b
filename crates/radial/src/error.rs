//! What can be wrong with a radial configuration.

use crate::{Ends, RadialBasisKind};

/// A radial configuration that describes no function.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RadialError {
    /// A cutoff that is zero, negative or not finite.
    #[error("a cutoff is a positive, finite length in angstrom, got {radius}")]
    Cutoff {
        /// The length that was given, in angstrom.
        radius: f64,
    },
    /// A range whose ends are not finite, or whose start does not lie before its end.
    #[error("a radial range needs finite ends with start < end, got {start} .. {end}")]
    Range {
        /// The start that was given, in angstrom.
        start: f64,
        /// The end that was given, in angstrom.
        end: f64,
    },
    /// Fewer features than the spacing of the basis needs.
    #[error(
        "the radial basis {kind:?} with {ends:?} ends needs at least {least} features, got {count}"
    )]
    TooFewFeatures {
        /// The basis.
        kind: RadialBasisKind,
        /// Its behaviour at the ends of the range.
        ends: Ends,
        /// The smallest possible count.
        least: usize,
        /// The count that was given.
        count: usize,
    },
    /// [`RadialBasisKind::Distance`] with a count other than one.
    #[error("the raw distance is one feature, got a count of {count}")]
    DistanceCount {
        /// The count that was given.
        count: usize,
    },
    /// A layer of a radial network without any neuron, or a network without any input.
    #[error("every width of a radial network is at least 1, got {d_input} -> {hidden:?}")]
    EmptyLayer {
        /// The number of input features.
        d_input: usize,
        /// The widths of the hidden layers.
        hidden: Vec<usize>,
    },
}
