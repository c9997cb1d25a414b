//! All neighbours within a radius.

use serde::{Deserialize, Serialize};

use crate::nearest::nearest_rows;
use crate::rows::search_rows;
use crate::tree::KdTree;
use crate::{Graph, GraphError, positions};

/// How far a node hears, and how many others at most.
///
/// A plain `f64` converts into the configuration without a maximum.
///
/// ```
/// use steerable_graph::{Graph, RadiusConfig};
///
/// let chain = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.5, 0.0, 0.0]];
/// assert_eq!(Graph::radius(&chain, 1.0)?.num_edges(), 4);
/// let nearest = RadiusConfig::new(1.0).with_max_neighbours(1);
/// assert_eq!(Graph::radius(&chain, nearest)?.src(), [1, 2, 1]);
/// # Ok::<(), steerable_graph::GraphError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RadiusConfig {
    /// Largest length of an edge, itself included; in the unit of the positions.
    pub radius: f64,
    /// Keep the nearest this many edges into each node; all of them when `None`.
    ///
    /// With a maximum the graph is no longer symmetric, and where it cuts, an infinitesimal
    /// motion can exchange one edge for another: energies and forces may jump.
    pub max_neighbours: Option<usize>,
}

impl RadiusConfig {
    /// All neighbours within `radius`.
    #[must_use]
    pub fn new(radius: f64) -> Self {
        Self {
            radius,
            max_neighbours: None,
        }
    }

    /// Keeps the nearest `max_neighbours` of them; ties go to the smaller index, then image.
    #[must_use]
    pub fn with_max_neighbours(self, max_neighbours: usize) -> Self {
        Self {
            max_neighbours: Some(max_neighbours),
            ..self
        }
    }

    /// Refuses what cannot be meant.
    pub(crate) fn check(&self) -> Result<(), GraphError> {
        let radius = self.radius;
        if !(radius.is_finite() && radius > 0.0) {
            return Err(GraphError::InvalidRadius { radius });
        }
        if self.max_neighbours == Some(0) {
            return Err(GraphError::ZeroNeighbours);
        }
        Ok(())
    }
}

impl From<f64> for RadiusConfig {
    fn from(radius: f64) -> Self {
        Self::new(radius)
    }
}

impl Graph {
    /// Every node hears all *other* points with `|pos[dst] - pos[src]| <= radius`, the boundary
    /// included, or the nearest [`RadiusConfig::max_neighbours`] of them.
    ///
    /// Without a maximum the graph is exactly symmetric. Lengths are compared as
    /// `(dx dx + dy dy) + dz dz <= radius radius` in `f64`. O(n log n + edges).
    ///
    /// # Shapes
    /// `[n]` points to any number of edges up to `n (n - 1)`
    ///
    /// # Errors
    /// [`GraphError::InvalidRadius`] unless the radius is finite and positive;
    /// [`GraphError::ZeroNeighbours`] for a maximum of 0;
    /// [`GraphError::PositionNotFinite`], [`GraphError::PositionTooLarge`];
    /// [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`] beyond `u32`.
    pub fn radius(
        positions: &[[f64; 3]],
        config: impl Into<RadiusConfig>,
    ) -> Result<Self, GraphError> {
        let config = config.into();
        config.check()?;
        positions::check(positions)?;
        let radius2 = config.radius * config.radius;
        let tree = KdTree::new(positions);
        if let Some(max_neighbours) = config.max_neighbours {
            return Ok(Self::from_rows(nearest_rows(
                &tree,
                max_neighbours,
                radius2,
            )?));
        }
        crate::topology::check_num_edges(tree.pairs_within_at_least(radius2))?;
        let rows = search_rows(
            &tree,
            || (),
            |(), query, row| {
                let start = row.len();
                tree.within(query.position, radius2, |item| {
                    if item.index != query.index {
                        row.push(item.index);
                    }
                });
                row[start..].sort_unstable();
            },
        )?;
        Ok(Self::from_rows(rows))
    }
}
