//! The distances that are known, and how well.

use super::MdsError;
use crate::DistanceMatrix;

/// Some of the distances between L residues, each with a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownDistances {
    /// Where the neighbours of each residue begin; one more than residues.
    offsets: Vec<usize>,
    /// Each pair stands in the rows of both its residues, sorted by neighbour.
    neighbours: Vec<Neighbour>,
}

/// A residue whose distance from another one is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Neighbour {
    pub(super) index: u32,
    pub(super) distance: f64,
    pub(super) weight: f64,
}

impl KnownDistances {
    /// Distances (i, j, angstrom, weight) between `len` residues, each pair once in either order. A
    /// weight is a reciprocal variance, as a rule; pairs of weight 0 are dropped.
    ///
    /// # Errors
    /// [`MdsError::NotADistance`], [`MdsError::NotAWeight`], [`MdsError::NotAPair`].
    pub fn new(
        len: usize,
        pairs: impl IntoIterator<Item = (usize, usize, f64, f64)>,
    ) -> Result<Self, MdsError> {
        let mut directed = Vec::new();
        for (i, j, distance, weight) in pairs {
            if i == j || i >= len || j >= len {
                return Err(MdsError::NotAPair { i, j, len });
            }
            if !(distance.is_finite() && distance >= 0.0) {
                return Err(MdsError::NotADistance { i, j, distance });
            }
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(MdsError::NotAWeight { i, j, weight });
            }
            if weight > 0.0 {
                let neighbour = |index: usize| Neighbour {
                    index: index as u32,
                    distance,
                    weight,
                };
                directed.push((i, neighbour(j)));
                directed.push((j, neighbour(i)));
            }
        }
        directed.sort_unstable_by_key(|&(i, neighbour)| (i, neighbour.index));
        for two in directed.windows(2) {
            let ((i, a), (k, b)) = (two[0], two[1]);
            if i == k && a.index == b.index {
                let j = a.index as usize;
                return Err(MdsError::NotAPair { i, j, len });
            }
        }
        let mut offsets = vec![0; len + 1];
        for &(i, _) in &directed {
            offsets[i + 1] += 1;
        }
        for i in 0..len {
            offsets[i + 1] += offsets[i];
        }
        Ok(Self {
            offsets,
            neighbours: directed
                .into_iter()
                .map(|(_, neighbour)| neighbour)
                .collect(),
        })
    }

    /// All distances of a matrix, alike in weight.
    ///
    /// # Errors
    /// [`MdsError::NotADistance`].
    pub fn all(distances: &DistanceMatrix) -> Result<Self, MdsError> {
        let len = distances.len();
        let pairs = (0..len).flat_map(|j| (0..j).map(move |i| (i, j)));
        Self::new(len, pairs.map(|(i, j)| (i, j, distances.get(i, j), 1.0)))
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of pairs whose distance is known.
    pub fn num_pairs(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// Whether every pair's distance is known.
    pub fn is_complete(&self) -> bool {
        let len = self.len();
        2 * self.num_pairs() == len * len.saturating_sub(1)
    }

    pub(super) fn of(&self, residue: usize) -> &[Neighbour] {
        &self.neighbours[self.offsets[residue]..self.offsets[residue + 1]]
    }
}
