//! All neighbours within a radius in a periodic cell.
//!
//! The points are wrapped into the cell once. Then, instead of copying points to ghost images,
//! each query is moved: the images of the cell that the sphere around a point can reach are
//! searched with the point shifted the other way, which needs no memory and works the same for a
//! radius many times the cell. The search radius is widened by a bound of the rounding of the
//! wrapping; what it finds is then judged by the positions as given.

use std::f64::consts::PI;

use crate::graph::{PeriodicEdges, relative};
use crate::rows::{Rows, search_rows};
use crate::topology::check_num_edges;
use crate::tree::{KdTree, norm2};
use crate::{Cell, Graph, GraphError, RadiusConfig, positions};

/// Farthest a position may lie from the origin, in cells, so that images are exact in `i32`.
const MOST_CELLS_AWAY: f64 = (1u32 << 28) as f64;
/// Most cells a radius may span along one axis.
const MOST_CELLS_SPANNED: f64 = (1u32 << 20) as f64;
/// Relative rounding allowed for: some thousand times what a few operations can make.
const ROUNDING: f64 = 1e-12;

impl Graph {
    /// As [`Graph::radius`], over all periodic images of the points: node `dst` hears the image
    /// of node `src` that is `shift` away from it when `|rel_pos| <= radius`, where
    ///
    /// `rel_pos = pos[dst] - (pos[src] + shift)`.
    ///
    /// The radius may exceed the cell: then a node hears several images of one source and images
    /// of itself, each by an edge of its own. Only its own image 0 is left out. Positions need not
    /// lie in the cell. [`Graph::images`] counts lattice vectors from the source as given, and
    /// edges with equal ends are sorted by it. Without a maximum of neighbours the graph is
    /// exactly symmetric: the reverse of each edge has the opposite image.
    ///
    /// ```
    /// use steerable_graph::{Cell, Graph};
    ///
    /// // Simple cubic polonium: one atom, six neighbours, all of them its own images.
    /// let cell = Cell::periodic([[3.35, 0.0, 0.0], [0.0, 3.35, 0.0], [0.0, 0.0, 3.35]])?;
    /// let atom = [[0.0; 3]];
    /// let graph = Graph::periodic_radius(&atom, &cell, 3.4)?;
    /// assert_eq!(graph.num_edges(), 6);
    /// assert_eq!(graph.images().expect("periodic")[0], [-1, 0, 0]);
    /// assert_eq!(graph.relative_positions(&atom)[0], [3.35, 0.0, 0.0]);
    /// # Ok::<(), steerable_graph::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Graph::radius`]; [`GraphError::FarFromCell`] for a position beyond 2^28 cells,
    /// [`GraphError::RadiusSpansTooManyCells`] for a radius beyond 2^20 of them.
    pub fn periodic_radius(
        positions: &[[f64; 3]],
        cell: &Cell,
        config: impl Into<RadiusConfig>,
    ) -> Result<Self, GraphError> {
        let config = config.into();
        config.check()?;
        positions::check(positions)?;
        let wrapped = Wrapped::new(positions, cell)?;
        let reach = Reach::new(&wrapped, cell, config.radius)?;
        let tree = KdTree::new(&wrapped.positions);
        check_num_edges(at_least(&tree, &wrapped, cell, config.radius))?;

        let rows = search_rows(
            &tree,
            Vec::new,
            |candidates: &mut Vec<Candidate>, query, row| {
                let dst = query.index as usize;
                let own = Source {
                    node: query.index,
                    image: [0; 3],
                };
                for cells in reach.images(wrapped.fractions[dst]) {
                    let offset = cell.translation(cells.map(f64::from));
                    let center = std::array::from_fn(|k| query.position[k] - offset[k]);
                    tree.within(center, reach.radius * reach.radius, |item| {
                        let src = item.index as usize;
                        let (to, from) = (wrapped.cells[dst], wrapped.cells[src]);
                        let image = std::array::from_fn(|axis| cells[axis] + to[axis] - from[axis]);
                        let source = Source {
                            node: item.index,
                            image,
                        };
                        let distance2 =
                            norm2(relative(positions[dst], positions[src], cell.shift(image)));
                        if distance2 <= config.radius * config.radius && source != own {
                            candidates.push(Candidate { distance2, source });
                        }
                    });
                }
                if let Some(max_neighbours) = config.max_neighbours {
                    candidates.sort_unstable_by(Candidate::nearer);
                    candidates.truncate(max_neighbours);
                }
                let start = row.len();
                row.extend(candidates.drain(..).map(|candidate| candidate.source));
                row[start..].sort_unstable();
            },
        )?;
        Ok(Self::from_periodic_rows(rows, cell))
    }

    fn from_periodic_rows(rows: Rows<Source>, cell: &Cell) -> Self {
        let images: Vec<[i32; 3]> = rows.entries.iter().map(|source| source.image).collect();
        let shifts = images.iter().map(|&image| cell.shift(image)).collect();
        let entries = rows.entries.iter().map(|source| source.node).collect();
        let graph = Self::from_rows(Rows {
            offsets: rows.offsets,
            entries,
        });
        Self {
            periodic: Some(PeriodicEdges { images, shifts }),
            ..graph
        }
    }
}

/// One image of a node; sorted by node, then image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    node: u32,
    image: [i32; 3],
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    distance2: f64,
    source: Source,
}

impl Candidate {
    fn nearer(&self, other: &Self) -> std::cmp::Ordering {
        self.distance2
            .total_cmp(&other.distance2)
            .then(self.source.cmp(&other.source))
    }
}

/// `positions[i] + cells[i] * lattice` is the position of node `i` as given.
struct Wrapped {
    positions: Vec<[f64; 3]>,
    fractions: Vec<[f64; 3]>,
    cells: Vec<[i32; 3]>,
    /// Largest magnitude that took part in the wrapping of a point.
    magnitude: f64,
    /// The same, in units of the lattice vectors.
    fraction_magnitude: f64,
}

impl Wrapped {
    fn new(positions: &[[f64; 3]], cell: &Cell) -> Result<Self, GraphError> {
        let lengths = cell.lengths();
        let spacings = cell.plane_spacings();
        let mut wrapped = Self {
            positions: Vec::with_capacity(positions.len()),
            fractions: Vec::with_capacity(positions.len()),
            cells: Vec::with_capacity(positions.len()),
            magnitude: 0.0,
            fraction_magnitude: 0.0,
        };
        for (node, &position) in positions.iter().enumerate() {
            let fractions = cell.fractions(position);
            let cells = fractions.map(f64::floor);
            if let Some(&far) = cells.iter().find(|cells| cells.abs() > MOST_CELLS_AWAY) {
                return Err(GraphError::FarFromCell {
                    node,
                    cells: far,
                    limit: MOST_CELLS_AWAY,
                });
            }
            let translation = cell.translation(cells);
            let size = norm2(position).sqrt();
            let mut magnitude = size;
            for axis in cell.periodic_axes() {
                magnitude += cells[axis].abs() * lengths[axis];
                wrapped.fraction_magnitude =
                    wrapped.fraction_magnitude.max(size / spacings[axis] + 1.0);
            }
            wrapped.magnitude = wrapped.magnitude.max(magnitude);
            wrapped
                .positions
                .push(std::array::from_fn(|k| position[k] - translation[k]));
            wrapped
                .fractions
                .push(std::array::from_fn(|axis| fractions[axis] - cells[axis]));
            wrapped.cells.push(cells.map(|cells| cells as i32));
        }
        Ok(wrapped)
    }

    /// The smallest and largest coordinates of some points.
    fn bounds(points: &[[f64; 3]]) -> [[f64; 3]; 2] {
        points.iter().fold(
            [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]],
            |[low, high], point| {
                [
                    std::array::from_fn(|axis| low[axis].min(point[axis])),
                    std::array::from_fn(|axis| high[axis].max(point[axis])),
                ]
            },
        )
    }
}

/// How far, in space and in cells, a search has to go to miss nothing.
struct Reach {
    radius: f64,
    /// The sphere around a point of fraction `f` meets cells `f - high .. f + low` on each axis.
    low: [f64; 3],
    high: [f64; 3],
    periodic: [bool; 3],
}

impl Reach {
    fn new(wrapped: &Wrapped, cell: &Cell, radius: f64) -> Result<Self, GraphError> {
        let spacings = cell.plane_spacings();
        let lengths = cell.lengths();
        let mut magnitude = wrapped.magnitude + radius;
        let mut periodic = [false; 3];
        for axis in cell.periodic_axes() {
            let cells = radius / spacings[axis];
            if cells > MOST_CELLS_SPANNED {
                let limit = MOST_CELLS_SPANNED;
                return Err(GraphError::RadiusSpansTooManyCells {
                    radius,
                    cells,
                    limit,
                });
            }
            magnitude += (cells + 2.0) * lengths[axis];
            periodic[axis] = true;
        }
        let radius = radius + ROUNDING * magnitude;
        let [lowest, highest] = Wrapped::bounds(&wrapped.fractions);
        let cells = |axis: usize| radius / spacings[axis] + ROUNDING * wrapped.fraction_magnitude;
        Ok(Self {
            radius,
            low: std::array::from_fn(|axis| cells(axis) - lowest[axis]),
            high: std::array::from_fn(|axis| cells(axis) + highest[axis]),
            periodic,
        })
    }

    /// The images whose points can be within the radius of a point with these fractions.
    fn images(&self, fractions: [f64; 3]) -> impl Iterator<Item = [i32; 3]> {
        let [first, second, third] = std::array::from_fn(|axis| {
            if self.periodic[axis] {
                let start = (fractions[axis] - self.high[axis]).ceil() as i32;
                let end = (fractions[axis] + self.low[axis]).floor() as i32;
                start..=end
            } else {
                0..=0
            }
        });
        first.flat_map(move |a| {
            let third = third.clone();
            second
                .clone()
                .flat_map(move |b| third.clone().map(move |c| [a, b, c]))
        })
    }
}

/// A lower bound of the number of edges, to refuse early what cannot be stored.
///
/// Image 0 alone has the pairs the tree counts. Beyond that, let `u` be the diagonal of the box
/// around the wrapped points and `d` the diameter of the cell: the cells whose corner is nearer
/// than `radius - u` cover the ball of radius `radius - u - d`, so each ordered pair has at least
/// as many images as there are cell volumes in that ball.
fn at_least(tree: &KdTree, wrapped: &Wrapped, cell: &Cell, radius: f64) -> u64 {
    let surely = radius - ROUNDING * (wrapped.magnitude + radius);
    if wrapped.positions.is_empty() || surely <= 0.0 {
        return 0;
    }
    let [low, high] = Wrapped::bounds(&wrapped.positions);
    let across = norm2(std::array::from_fn(|axis| high[axis] - low[axis])).sqrt();
    let lengths = cell.lengths();
    let left = surely - across - cell.periodic_axes().map(|axis| lengths[axis]).sum::<f64>();
    if left <= 0.0 {
        return tree.pairs_within_at_least(surely * surely);
    }
    let ball = match cell.periodic_axes().count() {
        0 => 1.0,
        1 => 2.0 * left,
        2 => PI * left.powi(2),
        _ => 4.0 / 3.0 * PI * left.powi(3),
    };
    let images = (ball / cell.volume() * (1.0 - ROUNDING)).floor();
    let nodes = wrapped.positions.len() as f64;
    // Float to integer conversion saturates.
    ((nodes * nodes * images - nodes) * (1.0 - ROUNDING)).floor() as u64
}

#[cfg(test)]
mod tests;
