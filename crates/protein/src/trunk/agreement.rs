//! What observed distances say of coordinates, and what a distogram says of observed distances.

use nalgebra::Vector3;

use super::observed::ObservedDistances;
use crate::ExpectedDistance;

/// No pair counts more than this, in angstrom: a wrong observation says only that it is wrong.
const LARGEST: f64 = 6.0;

/// An observation contradicts a distogram that is farther from it than this many standard deviations.
const CONTRADICTION: f64 = 3.0;

/// A distogram is sure that a pair lies below the last edge where it lies beyond with no more than this
/// probability.
const SURE: f64 = 0.02;

/// The standard deviation of a normal distribution, by the median of absolute errors.
const OF_MEDIAN: f64 = 1.4826;

impl ObservedDistances {
    /// How far the distances between points are from those that were observed, in angstrom: the mean over the
    /// observed pairs that do not follow each other along the chain, none of which counts more than 6
    /// angstrom. A pair that was seen beyond the last edge disagrees where it is nearer. Zero without such
    /// pairs. O(L^2).
    ///
    /// # Panics
    /// When there are not as many points as residues.
    pub fn disagreement(&self, points: &[Vector3<f64>]) -> f64 {
        assert_eq!(points.len(), self.len(), "a point for each residue");
        let centres = self.bins().centres();
        let edges = self.bins().edges();
        let last_edge = edges[edges.len() - 1];
        let (mut sum, mut count) = (0.0, 0);
        for j in 0..self.len() {
            for i in 0..j.saturating_sub(1) {
                let Some(bin) = self.bin(i, j) else { continue };
                let distance = (points[i] - points[j]).norm();
                let off = match bin + 1 == centres.len() {
                    true => (last_edge - distance).max(0.0),
                    false => (centres[bin] - distance).abs(),
                };
                sum += off.min(LARGEST);
                count += 1;
            }
        }
        sum / f64::from(count.max(1))
    }

    /// The observations that a distogram does not contradict; the others count as not observed.
    ///
    /// Contradicted is a distance below the last edge if the distogram rather sees the pair beyond it, or is
    /// more than three standard deviations off, of its own error and the observations' together. The
    /// observations' error is the median one over the pairs that the distogram is sure of.
    ///
    /// `expected`: what the distogram tells of each pair, row by row, `L * L`; it is asked for i < j.
    ///
    /// # Panics
    /// When there are not `L * L` of them.
    #[must_use]
    pub fn uncontradicted_by(&self, expected: &[ExpectedDistance]) -> Self {
        let length = self.len();
        assert_eq!(expected.len(), length * length, "a distance for each pair");
        let centres = self.bins().centres();
        // Pairs with a distance, their error, and what is expected of them.
        let mut told = Vec::new();
        for j in 0..length {
            for i in 0..j {
                if let Some(bin) = self.bin(i, j).filter(|bin| bin + 1 < centres.len()) {
                    let expected = expected[i * length + j];
                    told.push((i, j, (centres[bin] - expected.mean).abs(), expected));
                }
            }
        }
        let sure = told.iter().filter(|(.., of)| of.beyond < SURE);
        let mut errors: Vec<f64> = sure.map(|&(_, _, off, _)| off).collect();
        errors.sort_by(f64::total_cmp);
        let error = OF_MEDIAN * errors.get(errors.len() / 2).copied().unwrap_or(LARGEST);
        let contradicted = told.into_iter().filter(|(_, _, off, of)| {
            of.beyond > 0.5 || *off > CONTRADICTION * of.spread.hypot(error)
        });
        let pairs: Vec<(usize, usize)> = contradicted.map(|(i, j, ..)| (i, j)).collect();
        self.without(&pairs)
    }
}
