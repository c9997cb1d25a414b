//! The graph itself: edges in destination order, row offsets and the reverse index.

use std::ops::Range;

use crate::rows::Rows;

/// Directed edges `src -> dst`: the node `dst` receives what the edge carries.
///
/// Edges are sorted by destination, then source, then periodic image. So the edges into one node
/// are one contiguous row ([`Graph::row_offsets`]), a sum over them has one order and needs no
/// atomics, and the reverse index ([`Graph::src_offsets`], [`Graph::edges_by_src`]) gives the
/// same to the backward pass, which sums over the edges *out of* a node.
///
/// A graph may hold many graphs side by side without padding, see [`Graph::batch`].
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub(crate) node_offsets: Vec<u32>,
    pub(crate) src: Vec<u32>,
    pub(crate) dst: Vec<u32>,
    pub(crate) row_offsets: Vec<u32>,
    pub(crate) src_offsets: Vec<u32>,
    pub(crate) edges_by_src: Vec<u32>,
    pub(crate) order: Option<Vec<u32>>,
    pub(crate) periodic: Option<PeriodicEdges>,
}

/// What periodic edges carry beside their ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PeriodicEdges {
    pub(crate) images: Vec<[i32; 3]>,
    pub(crate) shifts: Vec<[f64; 3]>,
}

impl Graph {
    /// A single graph from its rows of sources, each already sorted.
    pub(crate) fn from_rows(rows: Rows<u32>) -> Self {
        let Rows {
            offsets: row_offsets,
            entries: src,
        } = rows;
        let num_nodes = row_offsets.len() - 1;
        let mut dst = Vec::with_capacity(src.len());
        for (node, row) in (0u32..).zip(row_offsets.windows(2)) {
            dst.resize(row[1] as usize, node);
        }
        let Grouped {
            offsets: src_offsets,
            members: edges_by_src,
        } = group(&src, num_nodes);
        Self {
            node_offsets: vec![0, num_nodes as u32],
            src,
            dst,
            row_offsets,
            src_offsets,
            edges_by_src,
            order: None,
            periodic: None,
        }
    }

    /// Number of nodes, isolated ones included.
    #[must_use]
    pub fn num_nodes(&self) -> usize {
        self.row_offsets.len() - 1
    }

    /// Number of directed edges.
    #[must_use]
    pub fn num_edges(&self) -> usize {
        self.src.len()
    }

    /// The sending node of each edge.
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn src(&self) -> &[u32] {
        &self.src
    }

    /// The receiving node of each edge, ascending.
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn dst(&self) -> &[u32] {
        &self.dst
    }

    /// The edges into node `i` are `row_offsets[i]..row_offsets[i + 1]`.
    ///
    /// # Shapes
    /// `[num_nodes + 1]`
    #[must_use]
    pub fn row_offsets(&self) -> &[u32] {
        &self.row_offsets
    }

    /// The edges out of node `i` are `edges_by_src[src_offsets[i]..src_offsets[i + 1]]`.
    ///
    /// # Shapes
    /// `[num_nodes + 1]`
    #[must_use]
    pub fn src_offsets(&self) -> &[u32] {
        &self.src_offsets
    }

    /// Edge numbers grouped by source, ascending within a group: a permutation of all edges.
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn edges_by_src(&self) -> &[u32] {
        &self.edges_by_src
    }

    /// The numbers of the edges into a node.
    ///
    /// # Panics
    /// If the graph has no such node.
    #[must_use]
    pub fn incoming(&self, node: usize) -> Range<usize> {
        self.row_offsets[node] as usize..self.row_offsets[node + 1] as usize
    }

    /// The numbers of the edges out of a node, ascending.
    ///
    /// # Panics
    /// If the graph has no such node.
    #[must_use]
    pub fn outgoing(&self, node: usize) -> &[u32] {
        &self.edges_by_src[self.src_offsets[node] as usize..self.src_offsets[node + 1] as usize]
    }

    /// Number of edges into each node; 0 marks a node that receives nothing.
    ///
    /// # Shapes
    /// `[num_nodes]`
    #[must_use]
    pub fn in_degrees(&self) -> Vec<u32> {
        self.row_offsets
            .windows(2)
            .map(|row| row[1] - row[0])
            .collect()
    }

    /// Where the caller's edges went: edge `e` of the graph is edge `order[e]` of the list given
    /// to [`Graph::from_edges`]. Edge features go with `features[order[e]]`.
    ///
    /// `None` for a graph that found its edges itself. In a batch it refers to the lists of all
    /// members, one after the other; a member without a list counts as given in its own order.
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// The translation of the source of each edge to the image meant, in the unit of the
    /// positions: `sum_a images[e][a] * cell.vectors()[a]`.
    ///
    /// `None` unless the graph, or a member of the batch, came from [`Graph::periodic_radius`].
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn shifts(&self) -> Option<&[[f64; 3]]> {
        self.periodic.as_ref().map(|edges| edges.shifts.as_slice())
    }

    /// The periodic image of the source of each edge, counted in lattice vectors from the source
    /// as given. What [`Graph::shifts`] is made of, for whoever differentiates by the cell.
    ///
    /// # Shapes
    /// `[num_edges]`
    #[must_use]
    pub fn images(&self) -> Option<&[[i32; 3]]> {
        self.periodic.as_ref().map(|edges| edges.images.as_slice())
    }

    /// `rel_pos[e] = pos[dst[e]] - (pos[src[e]] + shift[e])`, from the source to the destination.
    ///
    /// Evaluated as `(pos[dst] - pos[src]) - shift`, so that an edge and its reverse have exactly
    /// opposite vectors.
    ///
    /// # Shapes
    /// `[num_nodes]` positions to `[num_edges]` vectors
    ///
    /// # Panics
    /// If there is not one position per node.
    #[must_use]
    pub fn relative_positions(&self, positions: &[[f64; 3]]) -> Vec<[f64; 3]> {
        assert_eq!(
            positions.len(),
            self.num_nodes(),
            "Graph::relative_positions: expected one position per node ({}), got {}",
            self.num_nodes(),
            positions.len()
        );
        let ends = self.src.iter().zip(&self.dst);
        let pairs = ends.map(|(&src, &dst)| (positions[src as usize], positions[dst as usize]));
        match self.shifts() {
            None => pairs
                .map(|(src, dst)| relative(dst, src, [0.0; 3]))
                .collect(),
            Some(shifts) => pairs
                .zip(shifts)
                .map(|((src, dst), &shift)| relative(dst, src, shift))
                .collect(),
        }
    }
}

/// `dst - (src + shift)` in the order of operations that is exactly antisymmetric.
pub(crate) fn relative(dst: [f64; 3], src: [f64; 3], shift: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| (dst[axis] - src[axis]) - shift[axis])
}

/// Positions of a list grouped by their label: those with label `i` are
/// `members[offsets[i]..offsets[i + 1]]`, ascending.
pub(crate) struct Grouped {
    pub(crate) offsets: Vec<u32>,
    pub(crate) members: Vec<u32>,
}

/// A stable counting sort, O(labels + num_groups).
pub(crate) fn group(labels: &[u32], num_groups: usize) -> Grouped {
    group_in_order(labels, num_groups, 0..labels.len() as u32)
}

/// As [`group`], visiting the positions in the order given, which is kept within a group.
pub(crate) fn group_in_order(
    labels: &[u32],
    num_groups: usize,
    order: impl Iterator<Item = u32>,
) -> Grouped {
    let mut offsets = vec![0u32; num_groups + 1];
    for &label in labels {
        offsets[label as usize + 1] += 1;
    }
    for i in 0..num_groups {
        offsets[i + 1] += offsets[i];
    }
    let mut next = offsets.clone();
    let mut members = vec![0u32; labels.len()];
    for position in order {
        let slot = &mut next[labels[position as usize] as usize];
        members[*slot as usize] = position;
        *slot += 1;
    }
    Grouped { offsets, members }
}
