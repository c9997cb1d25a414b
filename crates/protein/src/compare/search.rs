//! The search for the motion under which most pairs of residues lie close.

use nalgebra::Vector3;
use rayon::prelude::*;

use super::superposition::Moments;
use crate::{Frame, Matched};

/// Rounds of superposing the pairs that came close, at most, for each start.
const ROUNDS: usize = 20;
/// Lengths of the fragments that starts are superposed on: L, L/2, ... for at most this many, the
/// last of them [`SHORTEST`].
const FRAGMENT_LENGTHS: usize = 6;
/// Residues in the shortest fragment.
const SHORTEST: usize = 4;
/// A round needs this many pairs; the cutoff grows by [`RELAXATION`] until there are as many.
const FEWEST: f64 = 3.0;
/// Growth of a cutoff that leaves too few pairs, in angstrom.
const RELAXATION: f64 = 0.5;

/// Pairs that a round superposes: those closer than this after the round before, in angstrom.
#[derive(Clone, Copy)]
pub(super) struct Cutoffs {
    /// After the superposition of a fragment.
    pub(super) first: f64,
    /// After each later one.
    pub(super) later: f64,
}

/// The best motion found and its score.
#[derive(Clone, Copy)]
pub(super) struct Best {
    pub(super) score: f64,
    pub(super) motion: Frame,
}

/// Finds the motion with the largest sum of `score(squared distance)` over all pairs: every fragment
/// of six lengths is superposed, then again and again the pairs that came close, until they stay the
/// same.
///
/// # Source
/// Zhang and Skolnick 2004, "Scoring function for automated assessment of protein structure template
/// quality"; lengths, cutoffs and rounds as in the function `TMscore8_search` of TM-align, where
/// every start is tried.
pub(super) fn search(
    matched: &Matched<'_>,
    cutoffs: Cutoffs,
    score: impl Fn(f64) -> f64 + Sync,
) -> Best {
    let len = matched.model.len();
    let (at_model, at_reference) = (mean(matched.model), mean(matched.reference));
    let pairs: Vec<_> = matched
        .model
        .iter()
        .zip(matched.reference)
        .map(|(x, y)| (x - at_model, y - at_reference))
        .collect();
    let starts: Vec<_> = fragment_lengths(len)
        .flat_map(|fragment| (0..=len - fragment).map(move |start| start..start + fragment))
        .collect();
    let best = starts
        .par_iter()
        .map(|range| refine(&pairs, &pairs[range.clone()], cutoffs, &score))
        // Of equals the earlier start, whatever the threads.
        .reduce_with(|a, b| if b.score > a.score { b } else { a })
        .expect("a structure that is not empty has a fragment");
    let rotation = best.motion.rotation;
    Best {
        motion: Frame {
            rotation,
            translation: best.motion.translation + at_reference - rotation * at_model,
        },
        ..best
    }
}

type Pair = (Vector3<f64>, Vector3<f64>);

fn mean(points: &[Vector3<f64>]) -> Vector3<f64> {
    points.iter().sum::<Vector3<f64>>() / points.len() as f64
}

/// Falling from `len` by halves to the shortest.
fn fragment_lengths(len: usize) -> impl Iterator<Item = usize> {
    let shortest = SHORTEST.min(len);
    let halves = (0..FRAGMENT_LENGTHS - 1).map(move |i| len >> i);
    halves
        .take_while(move |&fragment| fragment > shortest)
        .chain([shortest])
}

fn refine(
    pairs: &[Pair],
    fragment: &[Pair],
    cutoffs: Cutoffs,
    score: &impl Fn(f64) -> f64,
) -> Best {
    let mut moments = Moments::default();
    for (x, y) in fragment {
        moments.add(x, y, 1.0);
    }
    let mut best = Best {
        score: f64::NEG_INFINITY,
        motion: Frame::identity(),
    };
    for round in 0..=ROUNDS {
        let motion = moments.best_motion();
        let cutoff = if round == 0 {
            cutoffs.first
        } else {
            cutoffs.later
        };
        let (total, close) = measure(pairs, &motion, cutoff, score);
        if total > best.score {
            best = Best {
                score: total,
                motion,
            };
        }
        // Equal sums are the same pairs, and lead to the same motion.
        if close == moments {
            break;
        }
        moments = close;
    }
    best
}

/// The score under a motion, and the sums over the pairs it brings closer than the cutoff.
fn measure(
    pairs: &[Pair],
    motion: &Frame,
    cutoff: f64,
    score: &impl Fn(f64) -> f64,
) -> (f64, Moments) {
    let fewest = FEWEST.min(pairs.len() as f64);
    let mut relaxed = cutoff;
    loop {
        let mut total = 0.0;
        let mut close = Moments::default();
        for (x, y) in pairs {
            let square = (motion.apply(x) - y).norm_squared();
            total += score(square);
            if square < relaxed * relaxed {
                close.add(x, y, 1.0);
            }
        }
        if close.weight >= fewest {
            return (total, close);
        }
        relaxed += RELAXATION;
    }
}
