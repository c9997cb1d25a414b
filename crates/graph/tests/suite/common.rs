//! Point clouds of every awkward kind, slow oracles, and what every graph must satisfy.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use steerable_graph::{Edge, Graph};

/// How the points of a cloud lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Uniform,
    /// Few places, each taken by many points.
    Duplicates,
    /// All points at one place.
    Coincident,
    Collinear,
    Planar,
    /// Integer coordinates: ties everywhere.
    Lattice,
    /// Uniform, 1e6 from the origin.
    Offset,
    /// Uniform, 1e-100 wide.
    Tiny,
    /// Coordinates whose magnitudes spread over ten decades.
    Clustered,
}

impl Shape {
    pub(crate) const ALL: [Self; 9] = [
        Self::Uniform,
        Self::Duplicates,
        Self::Coincident,
        Self::Collinear,
        Self::Planar,
        Self::Lattice,
        Self::Offset,
        Self::Tiny,
        Self::Clustered,
    ];

    pub(crate) fn cloud(self, len: usize, seed: u64) -> Vec<[f64; 3]> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut unit = || -> [f64; 3] { std::array::from_fn(|_| rng.random_range(-1.0..1.0)) };
        let (direction, other) = (unit(), unit());
        let places = [unit(), unit(), unit(), unit(), unit()];
        (0..len)
            .map(|point| {
                let [x, y, z] = unit();
                match self {
                    Self::Uniform => [x, y, z],
                    Self::Duplicates => places[point % places.len()],
                    Self::Coincident => direction,
                    Self::Collinear => direction.map(|d| x * d),
                    Self::Planar => std::array::from_fn(|k| x * direction[k] + y * other[k]),
                    Self::Lattice => [x, y, z].map(|x| (2.5 * x).round()),
                    Self::Offset => [x + 1e6, y - 1e6, z + 1e6],
                    Self::Tiny => [x, y, z].map(|x| 1e-100 * x),
                    Self::Clustered => [x, y, z].map(|x| x.signum() * 10f64.powf(10.0 * x.abs())),
                }
            })
            .collect()
    }
}

/// Clouds of every shape, with 0 to `most` points.
pub(crate) fn any_cloud(most: usize) -> impl Strategy<Value = Vec<[f64; 3]>> {
    (
        proptest::sample::select(Shape::ALL.to_vec()),
        0..=most,
        any::<u64>(),
    )
        .prop_map(|(shape, len, seed)| shape.cloud(len, seed))
}

pub(crate) fn distance2(a: [f64; 3], b: [f64; 3]) -> f64 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

/// For each point, the others within the radius, cut to the nearest `k`, by sorting them all.
pub(crate) fn brute_force(positions: &[[f64; 3]], k: usize, radius2: f64) -> Vec<Edge> {
    let nodes = 0..positions.len();
    let rows = nodes.clone().map(|dst| {
        let mut others: Vec<(f64, usize)> = nodes
            .clone()
            .filter(|&src| src != dst)
            .map(|src| (distance2(positions[dst], positions[src]), src))
            .filter(|&(distance2, _)| distance2 <= radius2)
            .collect();
        others.sort_by(|a, b| a.partial_cmp(b).expect("finite distances"));
        others.truncate(k);
        let mut row: Vec<Edge> = others
            .iter()
            .map(|&(_, src)| Edge {
                src: src as u32,
                dst: dst as u32,
            })
            .collect();
        row.sort_by_key(|edge| edge.src);
        row
    });
    rows.flatten().collect()
}

pub(crate) fn edges(graph: &Graph) -> Vec<Edge> {
    graph
        .src()
        .iter()
        .zip(graph.dst())
        .map(|(&src, &dst)| Edge { src, dst })
        .collect()
}

/// Sorted, offsets that fit, a reverse index that is a bijection, consistent lengths.
pub(crate) fn assert_well_formed(graph: &Graph) {
    let (nodes, edges) = (graph.num_nodes(), graph.num_edges());
    assert_eq!(graph.dst().len(), edges);
    assert_eq!(graph.row_offsets().len(), nodes + 1);
    assert_eq!(graph.src_offsets().len(), nodes + 1);
    assert_eq!(graph.edges_by_src().len(), edges);
    assert_eq!((graph.row_offsets()[0], graph.src_offsets()[0]), (0, 0));
    assert_eq!(graph.row_offsets()[nodes] as usize, edges);
    assert_eq!(graph.src_offsets()[nodes] as usize, edges);
    assert_eq!(graph.in_degrees().iter().sum::<u32>() as usize, edges);

    let image = |edge: usize| graph.images().map(|images| images[edge]);
    let sort_key = |edge: usize| (graph.dst()[edge], graph.src()[edge], image(edge));
    assert!(
        (1..edges).all(|edge| sort_key(edge - 1) <= sort_key(edge)),
        "edges are not sorted"
    );
    for node in 0..nodes {
        assert!(
            graph
                .incoming(node)
                .all(|edge| graph.dst()[edge] as usize == node)
        );
        let out = graph.outgoing(node);
        assert!(
            out.iter()
                .all(|&edge| graph.src()[edge as usize] as usize == node)
        );
        assert!(
            out.is_sorted_by(|a, b| a < b),
            "edges out of {node} are not ascending"
        );
    }
    let distinct: BTreeSet<u32> = graph.edges_by_src().iter().copied().collect();
    assert_eq!(distinct.len(), edges, "the reverse index is no bijection");
    assert!(distinct.last().is_none_or(|&edge| (edge as usize) < edges));

    assert_eq!(graph.node_offsets().len(), graph.num_graphs() + 1);
    assert_eq!(
        graph.node_offsets().last().map(|&node| node as usize),
        Some(nodes)
    );
    assert_eq!(graph.graph_of_node().len(), nodes);
    assert!(graph.order().is_none_or(|order| order.len() == edges));
    assert!(graph.shifts().is_none_or(|shifts| shifts.len() == edges));
    assert_eq!(graph.shifts().is_some(), graph.images().is_some());
}
