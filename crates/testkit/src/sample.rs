//! The input that a model is tested on: a ragged batch of point clouds with features.

use std::ops::Range;

use crate::transform::Permutation;

/// A message runs `src -> dst`; both are node indices into the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The sending node.
    pub src: usize,
    /// The receiving node.
    pub dst: usize,
}

/// One input: a ragged batch of graphs with positions and features.
///
/// Graph `g` owns a contiguous run of nodes; the runs follow each other in order. All arrays are
/// row-major. A model with its own neighbour search ignores `edges`.
///
/// # Shapes
/// With `n` nodes, `g` graphs and `e` edges: `positions` `[n, 3]`, `features` `[n, irreps_in.dim()]`,
/// `graph_sizes` `[g]` with sum `n`, `edges` `[e]`, `edge_features` `[e, irreps_edge.dim()]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Where the nodes are, in the user's unit of length.
    pub positions: Vec<[f64; 3]>,
    /// Node features, one row per node, in the layout chosen for the test.
    pub features: Vec<f64>,
    /// The number of nodes of each graph; zero is allowed.
    pub graph_sizes: Vec<usize>,
    /// Directed edges, each inside one graph, without self-loops, in no particular order.
    pub edges: Vec<Edge>,
    /// Edge features, one row per edge, in the layout chosen for the test.
    pub edge_features: Vec<f64>,
}

impl Sample {
    /// The number of nodes of the whole batch.
    #[must_use]
    pub fn num_nodes(&self) -> usize {
        self.positions.len()
    }

    /// The number of graphs, empty ones included.
    #[must_use]
    pub fn num_graphs(&self) -> usize {
        self.graph_sizes.len()
    }

    /// The nodes of each graph.
    #[must_use]
    pub fn graph_ranges(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let ranges = self.graph_sizes.iter().map(|size| {
            let range = start..start + size;
            start = range.end;
            range
        });
        ranges.collect()
    }

    /// The graph of each node.
    #[must_use]
    pub fn graph_of_node(&self) -> Vec<usize> {
        let sizes = self.graph_sizes.iter().enumerate();
        sizes
            .flat_map(|(graph, &size)| std::iter::repeat_n(graph, size))
            .collect()
    }

    /// Graph `graph` as a batch of its own.
    ///
    /// # Panics
    /// If there is no such graph.
    #[must_use]
    pub fn graph(&self, graph: usize) -> Self {
        let nodes = self.graph_ranges()[graph].clone();
        let kept = self.edges_of_graph(graph);
        let edges = kept.iter().map(|&edge| {
            let Edge { src, dst } = self.edges[edge];
            Edge {
                src: src - nodes.start,
                dst: dst - nodes.start,
            }
        });
        Self {
            positions: self.positions[nodes.clone()].to_vec(),
            features: select_rows(&self.features, self.num_nodes(), nodes.clone()),
            graph_sizes: vec![nodes.len()],
            edges: edges.collect(),
            edge_features: select_rows(&self.edge_features, self.edges.len(), kept),
        }
    }

    /// The same batch with nodes and edges listed in another order.
    ///
    /// # Panics
    /// If the permutation has another number of nodes or edges, or moves a node to another graph.
    #[must_use]
    pub fn permuted(&self, permutation: &Permutation) -> Self {
        let Permutation { nodes, edges } = permutation;
        assert_eq!(
            nodes.len(),
            self.num_nodes(),
            "a permutation of other nodes"
        );
        assert_eq!(
            edges.len(),
            self.edges.len(),
            "a permutation of other edges"
        );
        let graph_of_node = self.graph_of_node();
        let mut new_index = vec![0; nodes.len()];
        for (new, &old) in nodes.iter().enumerate() {
            assert_eq!(
                graph_of_node[new], graph_of_node[old],
                "node {old} would change its graph"
            );
            new_index[old] = new;
        }
        let moved = edges.iter().map(|&edge| {
            let Edge { src, dst } = self.edges[edge];
            Edge {
                src: new_index[src],
                dst: new_index[dst],
            }
        });
        Self {
            positions: nodes.iter().map(|&node| self.positions[node]).collect(),
            features: select_rows(&self.features, nodes.len(), nodes.iter().copied()),
            graph_sizes: self.graph_sizes.clone(),
            edges: moved.collect(),
            edge_features: select_rows(&self.edge_features, edges.len(), edges.iter().copied()),
        }
    }

    /// The indices of the edges inside one graph, in order.
    pub(crate) fn edges_of_graph(&self, graph: usize) -> Vec<usize> {
        let nodes = self.graph_ranges()[graph].clone();
        (0..self.edges.len())
            .filter(|&edge| nodes.contains(&self.edges[edge].dst))
            .collect()
    }

    /// The largest absolute coordinate; 0 without nodes.
    pub(crate) fn extent(&self) -> f64 {
        self.positions
            .iter()
            .flatten()
            .fold(0.0, |largest, x| x.abs().max(largest))
    }

    /// The mean position of the nodes of each graph; the origin for an empty graph.
    pub(crate) fn centroids(&self) -> Vec<[f64; 3]> {
        let centroid = |nodes: Range<usize>| {
            let count = nodes.len().max(1) as f64;
            let positions = &self.positions[nodes];
            std::array::from_fn(|axis| positions.iter().map(|x| x[axis]).sum::<f64>() / count)
        };
        self.graph_ranges().into_iter().map(centroid).collect()
    }
}

/// Rows of a row-major array with `num_rows` rows, in the order asked for.
pub(crate) fn select_rows(
    array: &[f64],
    num_rows: usize,
    rows: impl IntoIterator<Item = usize>,
) -> Vec<f64> {
    let width = array.len().checked_div(num_rows).unwrap_or(0);
    rows.into_iter()
        .flat_map(|row| &array[row * width..(row + 1) * width])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_graphs() -> Sample {
        Sample {
            positions: (0..5).map(|i| [f64::from(i), 0.0, 1.0]).collect(),
            features: (0..10).map(f64::from).collect(),
            graph_sizes: vec![3, 0, 2],
            edges: vec![
                Edge { src: 3, dst: 4 },
                Edge { src: 0, dst: 2 },
                Edge { src: 1, dst: 0 },
            ],
            edge_features: vec![100.0, 200.0, 300.0],
        }
    }

    #[test]
    fn a_graph_alone_keeps_its_rows_and_renumbers_its_edges() {
        let last = two_graphs().graph(2);
        assert_eq!(last.positions, [[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]]);
        assert_eq!(last.features, [6.0, 7.0, 8.0, 9.0]);
        assert_eq!(last.graph_sizes, [2]);
        assert_eq!(last.edges, [Edge { src: 0, dst: 1 }]);
        assert_eq!(last.edge_features, [100.0]);
        let empty = two_graphs().graph(1);
        assert_eq!(
            (empty.num_nodes(), empty.num_graphs(), empty.edges.len()),
            (0, 1, 0)
        );
    }

    #[test]
    fn permuting_and_back_is_the_identity() {
        let sample = two_graphs();
        let forth = Permutation {
            nodes: vec![2, 0, 1, 4, 3],
            edges: vec![1, 2, 0],
        };
        let back = Permutation {
            nodes: vec![1, 2, 0, 4, 3],
            edges: vec![2, 0, 1],
        };
        let moved = sample.permuted(&forth);
        assert_eq!(moved.positions[0], sample.positions[2]);
        assert_eq!(moved.edges[0], Edge { src: 1, dst: 0 });
        assert_eq!(moved.permuted(&back), sample);
    }

    #[test]
    #[should_panic(expected = "would change its graph")]
    fn a_permutation_across_graphs_is_refused() {
        let across = Permutation {
            nodes: vec![3, 1, 2, 0, 4],
            edges: vec![0, 1, 2],
        };
        let _ = two_graphs().permuted(&across);
    }

    #[test]
    fn ranges_and_owners_agree() {
        let sample = two_graphs();
        assert_eq!(sample.graph_ranges(), [0..3, 3..3, 3..5]);
        assert_eq!(sample.graph_of_node(), [0, 0, 0, 2, 2]);
    }
}
