//! Distances in bins, and distances from the probabilities of bins.

use thiserror::Error;

use crate::{KnownDistances, MdsError};

/// Bins or probabilities that mean nothing.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DistogramError {
    /// Edges must be at least two finite lengths, each larger than the one before.
    #[error("bins need at least two finite edges above 0 that increase, not {edges:?}")]
    Edges {
        /// What was given, in angstrom.
        edges: Vec<f64>,
    },
    /// There must be one probability for each bin, none negative, not all 0.
    #[error("{bins} bins need as many probabilities, not {probabilities:?}")]
    Probabilities {
        /// The number of bins.
        bins: usize,
        /// What was given.
        probabilities: Vec<f64>,
    },
    /// Distances between residues that are none.
    #[error(transparent)]
    Distances(#[from] MdsError),
}

/// Bins of distances: below the first edge, between edges, and from the last edge on. A distance on
/// an edge belongs to the bin above it.
///
/// ```
/// use steerable_protein::DistanceBins;
///
/// let bins = DistanceBins::uniform(2.0, 20.0, 9)?;
/// assert_eq!(bins.len(), 11);
/// assert_eq!([1.0, 2.0, 3.9, 4.0, 19.9, 20.0, 99.0].map(|d| bins.bin(d)), [0, 1, 1, 2, 9, 10, 10]);
/// assert_eq!(bins.centres()[..3], [1.0, 3.0, 5.0]);
/// # Ok::<(), steerable_protein::DistogramError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DistanceBins {
    edges: Vec<f64>,
}

/// A distance that is known by probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedDistance {
    /// Mean, in angstrom.
    pub mean: f64,
    /// Standard deviation, in angstrom.
    pub spread: f64,
    /// The probability of the last bin, which has no upper edge: where it is large, mean and spread
    /// say little.
    pub beyond: f64,
}

impl DistanceBins {
    /// Bins with these edges, in angstrom.
    ///
    /// # Errors
    /// [`DistogramError::Edges`].
    pub fn new(edges: Vec<f64>) -> Result<Self, DistogramError> {
        let increasing = edges.windows(2).all(|two| two[0] < two[1]);
        let lengths = edges.iter().all(|edge| edge.is_finite() && *edge > 0.0);
        if edges.len() < 2 || !increasing || !lengths {
            return Err(DistogramError::Edges { edges });
        }
        Ok(Self { edges })
    }

    /// `inner` bins of one width from `first` to `last`, in angstrom, and the two outside.
    ///
    /// # Errors
    /// [`DistogramError::Edges`].
    pub fn uniform(first: f64, last: f64, inner: usize) -> Result<Self, DistogramError> {
        let edge = |k| first + (last - first) * k as f64 / inner as f64;
        Self::new((0..=inner).map(edge).collect())
    }

    /// The edges between bins, in angstrom; one fewer than bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The number of bins, the two outside included.
    #[expect(clippy::len_without_is_empty, reason = "there are always bins")]
    pub fn len(&self) -> usize {
        self.edges.len() + 1
    }

    /// The bin of a distance in angstrom.
    pub fn bin(&self, distance: f64) -> usize {
        self.edges.partition_point(|edge| *edge <= distance)
    }

    /// The middles of the bins, in angstrom. The first bin begins, and the last one ends, as if it
    /// were as wide as its neighbour; the first at 0 at the least.
    pub fn centres(&self) -> Vec<f64> {
        self.bounds()
            .map(|[low, high]| (low + high) / 2.0)
            .collect()
    }

    fn bounds(&self) -> impl Iterator<Item = [f64; 2]> {
        let edges = &self.edges;
        let count = edges.len();
        let first = (2.0 * edges[0] - edges[1]).max(0.0);
        let last = 2.0 * edges[count - 1] - edges[count - 2];
        (0..=count).map(move |bin| {
            let low = if bin == 0 { first } else { edges[bin - 1] };
            let high = if bin == count { last } else { edges[bin] };
            [low, high]
        })
    }

    /// Mean and spread of a distance whose bin has these probabilities (they are divided by their
    /// sum), spread evenly within each bin.
    ///
    /// # Errors
    /// [`DistogramError::Probabilities`].
    pub fn expected(&self, probabilities: &[f64]) -> Result<ExpectedDistance, DistogramError> {
        let sum: f64 = probabilities.iter().sum();
        let usable = probabilities.iter().all(|p| *p >= 0.0) && sum > 0.0 && sum.is_finite();
        if probabilities.len() != self.len() || !usable {
            return Err(DistogramError::Probabilities {
                bins: self.len(),
                probabilities: probabilities.to_vec(),
            });
        }
        let over = |of: &dyn Fn([f64; 2]) -> f64| -> f64 {
            let terms = self
                .bounds()
                .zip(probabilities)
                .map(|(bounds, p)| p * of(bounds));
            terms.sum::<f64>() / sum
        };
        let mean = over(&|[low, high]| (low + high) / 2.0);
        // An even distribution of width w has the variance w^2 / 12.
        let variance =
            over(&|[low, high]| ((low + high) / 2.0 - mean).powi(2) + (high - low).powi(2) / 12.0);
        Ok(ExpectedDistance {
            mean,
            spread: variance.sqrt(),
            beyond: probabilities[self.len() - 1] / sum,
        })
    }

    /// The distances that a distogram of `len` residues tells, for [`embed`](crate::embed()): means,
    /// weighted by the reciprocals of their variances, of the pairs that lie below the last edge with
    /// a probability above a half. `probabilities(i, j)` is asked for i < j.
    ///
    /// # Shapes
    /// `[bins]` probabilities for each pair.
    ///
    /// # Errors
    /// [`DistogramError::Probabilities`].
    pub fn known_distances<P: AsRef<[f64]>>(
        &self,
        len: usize,
        probabilities: impl Fn(usize, usize) -> P,
    ) -> Result<KnownDistances, DistogramError> {
        let mut pairs = Vec::new();
        for j in 0..len {
            for i in 0..j {
                let expected = self.expected(probabilities(i, j).as_ref())?;
                if expected.beyond < 0.5 {
                    pairs.push((i, j, expected.mean, expected.spread.powi(-2)));
                }
            }
        }
        Ok(KnownDistances::new(len, pairs)?)
    }
}
