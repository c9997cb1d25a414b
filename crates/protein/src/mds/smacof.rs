//! Refinement of coordinates against weighted distances.

use nalgebra::Vector3;
use rayon::prelude::*;

use super::{KnownDistances, MdsError};

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmacofConfig {
    /// Steps at most.
    pub max_steps: usize,
    /// Stop where a step lowers the stress by less than this fraction of it.
    pub tolerance: f64,
}

impl Default for SmacofConfig {
    fn default() -> Self {
        Self {
            max_steps: 300,
            tolerance: 1e-5,
        }
    }
}

/// Refined coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Smacof {
    /// In angstrom.
    pub points: Vec<Vector3<f64>>,
    /// Of the start and after every step: `sum over pairs of w (|x_i - x_j| - d)^2`. Never rises.
    pub stress: Vec<f64>,
}

/// Iterations of conjugate gradients for each step. Each of them lowers the majorant, and so the
/// stress; solving on to the end gains little.
const INNER: usize = 8;
/// Squares of residuals below this fraction of the first one are rounding.
const SOLVED: f64 = 1e-20;
/// Stress below this fraction of the distances' weighted squares is rounding: nothing is refined.
const EXACT: f64 = 1e-24;

/// Lowers the stress of `start` by majorization, over the known distances only.
///
/// A step lowers the quadratic function that lies above the stress and touches it at the current
/// points, so stress cannot rise. O(pairs) a step, on all threads.
///
/// # Errors
/// [`MdsError::Start`].
///
/// # Source
/// De Leeuw 1977, "Applications of convex analysis to multidimensional scaling" (the Guttman
/// transform, here approached by preconditioned conjugate gradients from the current points).
pub fn smacof(
    known: &KnownDistances,
    start: Vec<Vector3<f64>>,
    config: SmacofConfig,
) -> Result<Smacof, MdsError> {
    let finite = start.iter().filter(|x| x.iter().all(|c| c.is_finite()));
    let points = finite.count();
    if points != known.len() || points != start.len() {
        let residues = known.len();
        return Err(MdsError::Start { points, residues });
    }
    let mut points = start;
    let mut stress = vec![stress_of(known, &points)];
    let exact = EXACT * weighted_squares(known);
    for _ in 0..config.max_steps {
        let before = stress[stress.len() - 1];
        if before <= exact {
            break;
        }
        let next = step(known, &points);
        let after = stress_of(known, &next);
        // Where the stress is rounding, a step may raise it by rounding: it is not taken.
        if after >= before {
            break;
        }
        points = next;
        stress.push(after);
        if before - after <= config.tolerance * before {
            break;
        }
    }
    Ok(Smacof { points, stress })
}

fn stress_of(known: &KnownDistances, points: &[Vector3<f64>]) -> f64 {
    let rows: Vec<f64> = each_residue(known, |i| {
        let terms = known.of(i).iter().map(|n| {
            let off = (points[i] - points[n.index as usize]).norm() - n.distance;
            n.weight * off * off
        });
        terms.sum()
    });
    // Every pair stands in two rows.
    rows.iter().sum::<f64>() / 2.0
}

/// `sum over pairs of w d^2`: the stress of points in one place.
fn weighted_squares(known: &KnownDistances) -> f64 {
    let rows: Vec<f64> = each_residue(known, |i| {
        let terms = known
            .of(i)
            .iter()
            .map(|n| n.weight * n.distance * n.distance);
        terms.sum()
    });
    rows.iter().sum::<f64>() / 2.0
}

/// From `x` towards the solution of `V y = B(x) x`: V is the Laplacian of the weights, B(x) that of
/// the weights times `d / |x_i - x_j|`.
fn step(known: &KnownDistances, x: &[Vector3<f64>]) -> Vec<Vector3<f64>> {
    let diagonal: Vec<f64> =
        each_residue(known, |i| known.of(i).iter().map(|n| n.weight).sum::<f64>());
    // A residue without known distances stays where it is.
    let scaled = |r: &[Vector3<f64>]| -> Vec<Vector3<f64>> {
        let scale =
            |(r, d): (&Vector3<f64>, &f64)| if *d > 0.0 { r / *d } else { Vector3::zeros() };
        r.iter().zip(&diagonal).map(scale).collect()
    };
    // B(x) x - V x: what is left at the start.
    let mut rest: Vec<Vector3<f64>> = each_residue(known, |i| {
        let terms = known.of(i).iter().map(|n| {
            let apart = x[i] - x[n.index as usize];
            let length = apart.norm();
            // For coincident points any direction is a subgradient, also none.
            let wanted = if length > 0.0 {
                n.distance / length
            } else {
                0.0
            };
            apart * (n.weight * (wanted - 1.0))
        });
        terms.sum()
    });
    let mut y = x.to_vec();
    let mut direction = scaled(&rest);
    let mut size = dot(&rest, &direction);
    // Solved, where all weights are alike after one iteration: going on would divide rounding by
    // rounding.
    let solved = size * SOLVED;
    for _ in 0..INNER {
        if size <= solved {
            break;
        }
        let image: Vec<Vector3<f64>> = each_residue(known, |i| {
            let terms = known
                .of(i)
                .iter()
                .map(|n| (direction[i] - direction[n.index as usize]) * n.weight);
            terms.sum()
        });
        let curvature = dot(&direction, &image);
        let length = size / curvature;
        for i in 0..y.len() {
            y[i] += direction[i] * length;
            rest[i] -= image[i] * length;
        }
        let preconditioned = scaled(&rest);
        let new_size = dot(&rest, &preconditioned);
        let keep = new_size / size;
        for (d, p) in direction.iter_mut().zip(preconditioned) {
            *d = p + *d * keep;
        }
        size = new_size;
    }
    y
}

fn each_residue<T: Send>(known: &KnownDistances, row: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..known.len()).into_par_iter().map(row).collect()
}

fn dot(a: &[Vector3<f64>], b: &[Vector3<f64>]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.dot(b)).sum()
}
