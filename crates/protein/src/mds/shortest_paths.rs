//! Missing distances, from those that are known.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{KnownDistances, MdsError};
use crate::DistanceMatrix;

/// Replaces missing distances by the lengths of the shortest paths over known ones: upper bounds of
/// true distances, and the start that refinement by [`smacof`](super::smacof()) needs. A known
/// distance stays as it is.
///
/// Dijkstra's algorithm from every residue, on all threads: O(L E log L) for E known pairs.
///
/// # Errors
/// [`MdsError::Disconnected`] where no path leads.
///
/// # Source
/// Tenenbaum, de Silva and Langford 2000 (Isomap).
pub fn complete(known: &KnownDistances) -> Result<DistanceMatrix, MdsError> {
    let len = known.len();
    let mut paths = DMatrix::zeros(len, len);
    if len > 0 && !known.is_complete() {
        let columns = paths.as_mut_slice().par_chunks_mut(len);
        columns.enumerate().try_for_each(|(i, column)| {
            column.copy_from_slice(&from(known, i));
            match column.iter().position(|length| length.is_infinite()) {
                Some(j) => Err(MdsError::Disconnected {
                    i: i.min(j),
                    j: i.max(j),
                }),
                None => Ok(()),
            }
        })?;
    }
    for i in 0..len {
        for neighbour in known.of(i) {
            paths[(neighbour.index as usize, i)] = neighbour.distance;
        }
    }
    // A path's length depends on the end it is summed from, by rounding.
    Ok(DistanceMatrix::from_fn(len, |i, j| paths[(i, j)]))
}

/// Lengths of the shortest paths from a residue.
fn from(known: &KnownDistances, source: usize) -> Vec<f64> {
    let mut lengths = vec![f64::INFINITY; known.len()];
    lengths[source] = 0.0;
    // The bits of a length that is not negative sort as the length does.
    let mut open = BinaryHeap::from([Reverse((0.0_f64.to_bits(), source))]);
    while let Some(Reverse((bits, at))) = open.pop() {
        let length = f64::from_bits(bits);
        if length > lengths[at] {
            continue;
        }
        for neighbour in known.of(at) {
            let next = neighbour.index as usize;
            let through = length + neighbour.distance;
            if through < lengths[next] {
                lengths[next] = through;
                open.push(Reverse((through.to_bits(), next)));
            }
        }
    }
    lengths
}
