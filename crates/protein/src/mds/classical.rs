//! Classical multidimensional scaling.

use nalgebra::Vector3;

use super::MdsError;
use super::largest::largest_eigenpairs;
use crate::DistanceMatrix;

/// Coordinates of a distance matrix, up to a rotation, a shift and a mirror image.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicalMds {
    /// In angstrom, centred in the origin, along their principal axes.
    pub points: Vec<Vector3<f64>>,
    /// The three largest eigenvalues of the Gram matrix, in square angstrom. Where one is negative
    /// (distances that fit no points) its axis is left out.
    pub eigenvalues: [f64; 3],
    /// The norm of what three axes leave of the Gram matrix, relative to its own: 0 for distances of
    /// points, and a measure of noise otherwise.
    pub unexplained: f64,
}

/// `G = -1/2 J D^2 J = U Lambda U^T`, `X = U sqrt(Lambda)` with the three largest eigenvalues.
///
/// O(L^2) in memory, and in time for each of a few products, on all threads.
///
/// # Errors
/// [`MdsError::NotADistance`].
///
/// # Source
/// Torgerson 1952, "Multidimensional scaling: I. Theory and method".
pub fn classical_mds(distances: &DistanceMatrix) -> Result<ClassicalMds, MdsError> {
    let len = distances.len();
    for (at, &distance) in distances.entries().iter().enumerate() {
        if !(distance.is_finite() && distance >= 0.0) {
            let (i, j) = (at % len, at / len);
            return Err(MdsError::NotADistance { i, j, distance });
        }
    }
    let gram = distances.gram();
    let largest = largest_eigenpairs(&gram);
    let lengths = largest.values.map(|value| value.max(0.0).sqrt());
    let points = (0..len)
        .map(|i| Vector3::from_fn(|k, _| largest.vectors[(i, k)] * lengths[k]))
        .collect();
    // The axes are orthogonal: squares of eigenvalues subtract.
    let total = gram.norm_squared();
    let explained: f64 = lengths.iter().map(|length| length.powi(4)).sum();
    let unexplained = if total > 0.0 {
        ((total - explained).max(0.0) / total).sqrt()
    } else {
        0.0
    };
    Ok(ClassicalMds {
        points,
        eigenvalues: largest.values,
        unexplained,
    })
}
