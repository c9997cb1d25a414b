//! The distance matrix and the Gram matrix of a chain.

use nalgebra::{DMatrix, Vector3};
use rayon::prelude::*;

/// The distances between all residues of a chain, in angstrom: `[L, L]`, symmetric, 0 on the diagonal.
#[derive(Clone, Debug, PartialEq)]
pub struct DistanceMatrix {
    entries: DMatrix<f64>,
}

impl DistanceMatrix {
    /// `|x_i - x_j|` of points in angstrom. O(L^2) in time and memory, on all threads.
    pub fn of(points: &[Vector3<f64>]) -> Self {
        let len = points.len();
        let mut entries = DMatrix::zeros(len, len);
        if len > 0 {
            let columns = entries.as_mut_slice().par_chunks_mut(len);
            columns.zip(points).for_each(|(column, x)| {
                for (entry, y) in column.iter_mut().zip(points) {
                    *entry = (x - y).norm();
                }
            });
        }
        Self { entries }
    }

    /// The matrix whose entry (i, j) is `distance(i, j)`, asked for i < j only.
    pub fn from_fn(len: usize, mut distance: impl FnMut(usize, usize) -> f64) -> Self {
        let mut entries = DMatrix::zeros(len, len);
        for j in 0..len {
            for i in 0..j {
                let entry = distance(i, j);
                entries[(i, j)] = entry;
                entries[(j, i)] = entry;
            }
        }
        Self { entries }
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.entries.nrows()
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The distance between residues i and j, in angstrom.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.entries[(i, j)]
    }

    /// The matrix itself, in angstrom.
    pub fn entries(&self) -> &DMatrix<f64> {
        &self.entries
    }

    /// The squared distances, in square angstrom: of rank 5 at most.
    pub fn squared(&self) -> DMatrix<f64> {
        self.entries.map(|d| d * d)
    }

    /// The Gram matrix `G = -1/2 J D^2 J` with `J = I - 1 1^T / L`, in square angstrom: the products
    /// `x_i . x_j` of the centred points, of rank 3 at most where distances are those of points.
    ///
    /// O(L^2), on all threads.
    pub fn gram(&self) -> DMatrix<f64> {
        let len = self.len();
        if len == 0 {
            return DMatrix::zeros(0, 0);
        }
        let mut gram = self.squared();
        let means: Vec<f64> = gram
            .as_slice()
            .par_chunks(len)
            .map(|column| column.iter().sum::<f64>() / len as f64)
            .collect();
        let mean = means.iter().sum::<f64>() / len as f64;
        let columns = gram.as_mut_slice().par_chunks_mut(len);
        columns.zip(&means).for_each(|(column, of_column)| {
            for (entry, of_row) in column.iter_mut().zip(&means) {
                *entry = -0.5 * (*entry - of_row - of_column + mean);
            }
        });
        gram
    }
}

/// The number of singular values above `tolerance` times the largest one.
///
/// 1e-9 suits matrices computed in f64 from coordinates of a chain. O(L^3).
pub fn rank(matrix: &DMatrix<f64>, tolerance: f64) -> usize {
    if matrix.is_empty() {
        return 0;
    }
    let singular = matrix.singular_values();
    let largest = singular.iter().fold(0.0_f64, |a, &b| a.max(b));
    singular
        .iter()
        .filter(|&&s| s > tolerance * largest)
        .count()
}
