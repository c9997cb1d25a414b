//! The k nearest neighbours, with or without a bound on the distance.

use std::collections::BinaryHeap;

use crate::rows::{Rows, search_rows};
use crate::tree::{KdTree, key, key_index};
use crate::{Graph, GraphError, positions};

impl Graph {
    /// Every node hears the `k` nearest *other* points, or all of them when there are fewer.
    ///
    /// Points at equal distance are taken in the order of their indices, so the answer is one
    /// even for lattices. Coincident points are neighbours at distance 0.
    ///
    /// The relation is not symmetric: `j` may be among the nearest of `i` and not vice versa.
    /// O(n log n) for any arrangement of the points.
    ///
    /// # Shapes
    /// `[n]` points to `n min(k, n - 1)` edges
    ///
    /// # Errors
    /// [`GraphError::ZeroNeighbours`] for `k = 0`, also when there are no points;
    /// [`GraphError::PositionNotFinite`], [`GraphError::PositionTooLarge`];
    /// [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`] beyond `u32`.
    pub fn knn(positions: &[[f64; 3]], k: usize) -> Result<Self, GraphError> {
        if k == 0 {
            return Err(GraphError::ZeroNeighbours);
        }
        positions::check(positions)?;
        if k >= positions.len().saturating_sub(1) {
            return Self::try_complete(positions.len());
        }
        crate::topology::check_num_edges((positions.len() as u64).saturating_mul(k as u64))?;
        Ok(Self::from_rows(nearest_rows(
            &KdTree::new(positions),
            k,
            f64::INFINITY,
        )?))
    }
}

/// The sources of every point: at most `k` others within `radius2`, nearest first chosen, then
/// sorted by index.
pub(crate) fn nearest_rows(tree: &KdTree, k: usize, radius2: f64) -> Result<Rows<u32>, GraphError> {
    let farthest_allowed = key(radius2, u32::MAX);
    let capacity = k.min(tree.items().len());
    search_rows(
        tree,
        || BinaryHeap::<u128>::with_capacity(capacity),
        |heap, query, row| {
            tree.nearest(query.position, farthest_allowed, |candidate| {
                if key_index(candidate) != query.index {
                    if heap.len() < k {
                        heap.push(candidate);
                    } else if let Some(mut worst) = heap.peek_mut() {
                        *worst = candidate;
                    }
                }
                if heap.len() < k {
                    farthest_allowed
                } else {
                    heap.peek().copied().unwrap_or(farthest_allowed)
                }
            });
            let start = row.len();
            row.extend(heap.drain().map(key_index));
            row[start..].sort_unstable();
        },
    )
}
