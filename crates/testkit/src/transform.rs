//! What the kit does to an input, and to an output that should follow it.

use std::fmt;

use rand::Rng;
use rand::seq::SliceRandom;
use steerable_irreps::{Inversion, Irreps, Layout, O3Element};

use crate::generate::InputPart;
use crate::sample::{Sample, select_rows};

/// A new order of nodes and edges: entry `new` holds the old index.
///
/// Nodes stay inside their graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// The old index of each node.
    pub nodes: Vec<usize>,
    /// The old index of each edge.
    pub edges: Vec<usize>,
}

impl Permutation {
    /// A uniformly random order of the edges and of the nodes of each graph.
    pub(crate) fn random(rng: &mut impl Rng, sample: &Sample) -> Self {
        let mut nodes: Vec<usize> = (0..sample.num_nodes()).collect();
        for range in sample.graph_ranges() {
            nodes[range].shuffle(rng);
        }
        let mut edges: Vec<usize> = (0..sample.edges.len()).collect();
        edges.shuffle(rng);
        Self { nodes, edges }
    }
}

/// What was done to a sample.
#[derive(Clone, Debug)]
pub enum Transform {
    /// Nothing: the sample as generated, or evaluated once more.
    Identity,
    /// A rotation, possibly with an inversion, about the origin: `x -> R x`, features by their irreps.
    Orthogonal(O3Element),
    /// A shift of all positions.
    Translation([f64; 3]),
    /// Nodes and edges in another order.
    Permutation(Permutation),
    /// One graph taken out of the batch.
    Graph(usize),
    /// A small random change, by which the kit measures amplification.
    Perturbed {
        /// What was changed.
        part: InputPart,
        /// The changed sample.
        sample: Box<Sample>,
    },
}

/// Whose row an output row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputKind {
    /// `[n, irreps_out.dim()]`: features of each node; invariant under translation.
    PerNode,
    /// `[g, irreps_out.dim()]`: features of each graph, empty graphs included.
    PerGraph,
    /// `[e, irreps_out.dim()]`: features of each edge of [`Sample::edges`], in that order.
    PerEdge,
    /// `[n, irreps_out.dim()]`: points in space, which rotate *and translate* with the input.
    /// `irreps_out` holds degree 1 only, odd where parity is claimed.
    Positions,
}

/// The types of the numbers in a sample and in an output.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    pub(crate) irreps_in: Irreps,
    pub(crate) irreps_edge: Irreps,
    pub(crate) irreps_out: Irreps,
    pub(crate) layout: Layout,
    pub(crate) output: OutputKind,
}

impl Types {
    /// The number of rows that the output for this sample must have.
    pub(crate) fn output_rows(&self, sample: &Sample) -> usize {
        match self.output {
            OutputKind::PerNode | OutputKind::Positions => sample.num_nodes(),
            OutputKind::PerGraph => sample.num_graphs(),
            OutputKind::PerEdge => sample.edges.len(),
        }
    }

    /// The transformed input.
    pub(crate) fn transform_input(&self, sample: &Sample, transform: &Transform) -> Sample {
        match transform {
            Transform::Identity => sample.clone(),
            Transform::Orthogonal(element) => Sample {
                positions: sample.positions.iter().map(|&x| element.apply(x)).collect(),
                features: self.irreps_in.act(element, self.layout, &sample.features),
                edge_features: self
                    .irreps_edge
                    .act(element, self.layout, &sample.edge_features),
                ..sample.clone()
            },
            Transform::Translation(shift) => {
                let moved = |x: &[f64; 3]| std::array::from_fn(|axis| x[axis] + shift[axis]);
                Sample {
                    positions: sample.positions.iter().map(moved).collect(),
                    ..sample.clone()
                }
            }
            Transform::Permutation(permutation) => sample.permuted(permutation),
            Transform::Graph(graph) => sample.graph(*graph),
            Transform::Perturbed { sample, .. } => Sample::clone(sample),
        }
    }

    /// What an equivariant model returns for the transformed input, given its output for `sample`;
    /// of a perturbation nothing is known but that it is small.
    pub(crate) fn transform_output(
        &self,
        sample: &Sample,
        transform: &Transform,
        output: &[f64],
    ) -> Vec<f64> {
        let rows = self.output_rows(sample);
        match (transform, self.output) {
            (Transform::Orthogonal(element), _) => {
                self.irreps_out.act(element, self.layout, output)
            }
            (Transform::Translation(shift), OutputKind::Positions) => {
                self.shifted(output, |_row| *shift)
            }
            (Transform::Permutation(permutation), OutputKind::PerNode | OutputKind::Positions) => {
                select_rows(output, rows, permutation.nodes.iter().copied())
            }
            (Transform::Permutation(permutation), OutputKind::PerEdge) => {
                select_rows(output, rows, permutation.edges.iter().copied())
            }
            (Transform::Graph(graph), OutputKind::PerNode | OutputKind::Positions) => {
                select_rows(output, rows, sample.graph_ranges()[*graph].clone())
            }
            (Transform::Graph(graph), OutputKind::PerEdge) => {
                select_rows(output, rows, sample.edges_of_graph(*graph))
            }
            (Transform::Graph(graph), OutputKind::PerGraph) => select_rows(output, rows, [*graph]),
            (Transform::Identity | Transform::Translation(_) | Transform::Perturbed { .. }, _)
            | (Transform::Permutation(_), OutputKind::PerGraph) => output.to_vec(),
        }
    }

    /// The output whose norm measures its size: positions are taken from the centroid of their
    /// graph, since the distance of a molecule from the origin says nothing about the output.
    pub(crate) fn centred(&self, sample: &Sample, output: Vec<f64>) -> Vec<f64> {
        if self.output != OutputKind::Positions {
            return output;
        }
        let centroids = sample.centroids();
        let graph_of_node = sample.graph_of_node();
        self.shifted(&output, |row| centroids[graph_of_node[row]].map(|x| -x))
    }

    /// Adds a vector to every point of every row.
    fn shifted(&self, output: &[f64], shift: impl Fn(usize) -> [f64; 3]) -> Vec<f64> {
        let mut shifted = output.to_vec();
        for (row, values) in shifted
            .chunks_exact_mut(self.irreps_out.dim().max(1))
            .enumerate()
        {
            let shift = shift(row);
            for (block, range) in self.irreps_out.iter().zip(self.irreps_out.slices()) {
                for (place, value) in values[range].iter_mut().enumerate() {
                    *value += match self.layout {
                        Layout::MulIr => shift[place % 3],
                        Layout::IrMul => shift[place / block.mul],
                    };
                }
            }
        }
        shifted
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => write!(f, "as generated"),
            Self::Orthogonal(element) => {
                let q = element.rotation.quaternion();
                let kind = match element.inversion {
                    Inversion::Proper => "rotated",
                    Inversion::Improper => "inverted and rotated",
                };
                write!(
                    f,
                    "{kind} by quaternion ({:.4}, {:.4}, {:.4}, {:.4})",
                    q.w, q.x, q.y, q.z
                )
            }
            Self::Translation([x, y, z]) => write!(f, "translated by ({x:.3}, {y:.3}, {z:.3})"),
            Self::Permutation(permutation) => {
                write!(f, "nodes reordered as ")?;
                write_shortened(f, &permutation.nodes)
            }
            Self::Graph(graph) => write!(f, "graph {graph} evaluated alone"),
            Self::Perturbed { part, .. } => write!(f, "with slightly changed {part}"),
        }
    }
}

fn write_shortened(f: &mut fmt::Formatter<'_>, indices: &[usize]) -> fmt::Result {
    const SHOWN: usize = 16;
    let shown: Vec<String> = indices
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let rest = if indices.len() > SHOWN { ", ..." } else { "" };
    write!(f, "[{}{rest}]", shown.join(", "))
}
