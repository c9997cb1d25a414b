//! The whole way from some distances to a CA trace.

use nalgebra::Vector3;

use super::{
    KnownDistances, MdsError, Smacof, SmacofConfig, classical_mds, complete, smacof,
    with_hand_of_proteins,
};

/// A CA trace made of distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// In angstrom, in the mirror image that looks like a protein.
    pub points: Vec<Vector3<f64>>,
    /// What classical scaling left of the Gram matrix, relative to it; see
    /// [`ClassicalMds::unexplained`](super::ClassicalMds::unexplained).
    pub unexplained: f64,
    /// The stress of the classical solution and after every step of refinement.
    pub stress: Vec<f64>,
}

/// Missing distances by shortest paths, classical scaling, refinement against the known distances,
/// and the mirror image by [`handedness`](super::handedness()).
///
/// ```
/// use nalgebra::Vector3;
/// use steerable_protein::{DistanceMatrix, KnownDistances, Matched, SmacofConfig, embed};
///
/// // The CA atoms of a right-handed helix.
/// let helix: Vec<_> = (0..30)
///     .map(|i| f64::from(i) * 1.75)
///     .map(|t| Vector3::new(2.3 * t.cos(), 2.3 * t.sin(), 0.86 * t))
///     .collect();
/// let known = KnownDistances::all(&DistanceMatrix::of(&helix))?;
/// let found = embed(&known, SmacofConfig::default())?;
/// let matched = Matched { model: &found.points, reference: &helix };
/// assert!(matched.superpose()?.rmsd < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MdsError::Disconnected`].
pub fn embed(known: &KnownDistances, config: SmacofConfig) -> Result<Embedding, MdsError> {
    let classical = classical_mds(&complete(known)?)?;
    let Smacof { points, stress } = smacof(known, classical.points, config)?;
    Ok(Embedding {
        points: with_hand_of_proteins(points),
        unexplained: classical.unexplained,
        stress,
    })
}
