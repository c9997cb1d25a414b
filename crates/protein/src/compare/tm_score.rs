//! TM-score of a model whose residues correspond to the reference's.

use super::search::{Cutoffs, search};
use crate::{CompareError, Frame, Matched};

/// A TM-score and the superposition that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TmScore {
    /// `sum over residues of 1 / (1 + (d_i / d0)^2) / length`, in (0, 1] where the length is the
    /// number of residues.
    pub score: f64,
    /// Takes points of the model to the place in which they have this score.
    pub motion: Frame,
    /// The scale of distances d0, in angstrom.
    pub d0: f64,
}

/// TM-score's scale of distances for a length, `d0 = 1.24 (length - 15)^(1/3) - 1.8` angstrom, and
/// no less than 0.5.
///
/// # Source
/// Zhang and Skolnick 2004; 0.5 for 21 residues and fewer as in TM-align.
pub fn tm_distance_scale(length: usize) -> f64 {
    const LEAST: f64 = 0.5;
    if length <= 21 {
        return LEAST;
    }
    (1.24 * (length as f64 - 15.0).cbrt() - 1.8).max(LEAST)
}

impl Matched<'_> {
    /// TM-score, normalised by `length`: the full length of the reference, as a rule, of which only
    /// a part may be matched here.
    ///
    /// The largest sum is searched for from many starts, not proved to be the largest. O(L^2) for
    /// L residues, on all threads.
    ///
    /// # Errors
    /// [`CompareError`]: unequal lengths, no residues, coordinates that are not finite, length 0.
    ///
    /// # Source
    /// Zhang and Skolnick 2004, "Scoring function for automated assessment of protein structure
    /// template quality".
    pub fn tm_score(&self, length: usize) -> Result<TmScore, CompareError> {
        self.check()?;
        if length == 0 {
            return Err(CompareError::NoLength);
        }
        let d0 = tm_distance_scale(length);
        let around = d0.clamp(4.5, 8.0);
        let cutoffs = Cutoffs {
            first: around - 1.0,
            later: around + 1.0,
        };
        let per_square = 1.0 / (d0 * d0);
        let best = search(self, cutoffs, |square| 1.0 / (1.0 + square * per_square));
        Ok(TmScore {
            score: best.score / length as f64,
            motion: best.motion,
            d0,
        })
    }
}
