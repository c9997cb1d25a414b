//! What can be wrong with a model's configuration, told when the model is built.

use steerable_irreps::{Group, Irrep, Irreps};
use steerable_radial::RadialError;

/// A configuration that no layer can be built from. Every variant names the layer and the irreps.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Input and output belong to different groups.
    #[error("{layer}: the irreps mix SO(3) and O(3): \"{irreps_in}\" -> \"{irreps_out}\"")]
    MixedGroups {
        /// The layer that was to be built.
        layer: String,
        /// Irreps of its input.
        irreps_in: Irreps,
        /// Irreps of its output.
        irreps_out: Irreps,
    },
    /// An output irrep that nothing in the input can produce.
    #[error(
        "{layer}: output irrep {irrep} of \"{irreps_out}\" cannot be produced from \"{irreps_in}\""
    )]
    Unreachable {
        /// The layer that was to be built.
        layer: String,
        /// The irrep that would always be zero.
        irrep: Irrep,
        /// Irreps of its input.
        irreps_in: Irreps,
        /// Irreps of its output.
        irreps_out: Irreps,
    },
    /// A multiplicity that attention heads or the channel divisor do not divide.
    #[error(
        "{layer}: multiplicity {mul} of {irrep} in \"{irreps}\" is not a multiple of {divisor} ({what})"
    )]
    NotDivisible {
        /// The layer that was to be built.
        layer: String,
        /// The multiplicity at fault.
        mul: usize,
        /// Its irrep.
        irrep: Irrep,
        /// The irreps it stands in.
        irreps: Irreps,
        /// What it must be a multiple of.
        divisor: usize,
        /// Where the divisor comes from.
        what: &'static str,
    },
    /// Irreps that a layer cannot take, for the stated reason.
    #[error("{layer}: \"{irreps}\" {reason}")]
    Unsupported {
        /// The layer that was to be built.
        layer: String,
        /// The irreps at fault.
        irreps: Irreps,
        /// Why, as the end of a sentence.
        reason: &'static str,
    },
    /// A number in the configuration that makes no sense.
    #[error("{layer}: {name} = {value}, but {expected}")]
    BadValue {
        /// The layer that was to be built.
        layer: String,
        /// The field of the configuration.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What would be allowed.
        expected: &'static str,
    },
    /// The radial basis or network could not be built.
    #[error("{layer}: {source}")]
    Radial {
        /// The layer that was to be built.
        layer: String,
        /// What was wrong.
        source: RadialError,
    },
}

impl BuildError {
    /// The same error, told from the layer that contains the failing one: `outer.inner`.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let layer = match &mut self {
            Self::MixedGroups { layer, .. }
            | Self::Unreachable { layer, .. }
            | Self::NotDivisible { layer, .. }
            | Self::Unsupported { layer, .. }
            | Self::BadValue { layer, .. }
            | Self::Radial { layer, .. } => layer,
        };
        *layer = format!("{outer}.{layer}");
        self
    }
}

/// Fails when both irreps are non-empty and belong to different groups.
pub(crate) fn same_group(
    layer: &str,
    irreps_in: &Irreps,
    irreps_out: &Irreps,
) -> Result<Option<Group>, BuildError> {
    match (irreps_in.group(), irreps_out.group()) {
        (Some(a), Some(b)) if a != b => Err(BuildError::MixedGroups {
            layer: layer.to_string(),
            irreps_in: irreps_in.clone(),
            irreps_out: irreps_out.clone(),
        }),
        (a, b) => Ok(a.or(b)),
    }
}

/// The panicking twin of a `try_init`.
#[track_caller]
pub(crate) fn expect_built<T>(built: Result<T, BuildError>) -> T {
    built.unwrap_or_else(|error| panic!("{error}"))
}
