//! The test kit's samples as burn tensors.

use burn::tensor::{Device, Tensor, TensorData};
use steerable::graph::{Edge, Graph};
use steerable::harmonics::Normalization;
use steerable::irreps::Irreps;
use steerable::nn::{Cloud, EdgeGeometry, Edges, Features, GraphTensors, HarmonicsOptions};
use steerable::radial::{Envelope, RadialBasis};
use steerable_testkit::{Precision, Sample};

use crate::flat::matrix_of_rows;

/// What a model reads: the kit's edge features are the scalars, then the steerable ones.
#[derive(Clone, Debug, Default)]
pub struct InputTypes {
    /// Irreps of the node features.
    pub irreps_in: Irreps,
    /// Number of scalar edge features.
    pub edge_scalars: usize,
    /// Irreps of the steerable edge features.
    pub irreps_edge: Irreps,
}

/// A sample on a device.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Node features.
    pub features: Features,
    /// Graph, positions, edge features.
    pub cloud: Cloud,
    /// The edge of the sample that each edge of the graph is.
    pub order: Vec<usize>,
}

/// The graph of a sample, and the edge of the sample that each of its edges is.
pub fn graph_of(sample: &Sample) -> (Graph, Vec<usize>) {
    let mut order = Vec::with_capacity(sample.edges.len());
    let graphs: Vec<Graph> = sample
        .graph_ranges()
        .into_iter()
        .map(|nodes| {
            let own: Vec<usize> = (0..sample.edges.len())
                .filter(|&edge| nodes.contains(&sample.edges[edge].dst))
                .collect();
            let edges: Vec<Edge> = own
                .iter()
                .map(|&edge| Edge {
                    src: (sample.edges[edge].src - nodes.start) as u32,
                    dst: (sample.edges[edge].dst - nodes.start) as u32,
                })
                .collect();
            let graph = Graph::from_edges(nodes.len(), &edges).expect("edges stay inside a graph");
            let sorted = graph.order().expect("edges were given");
            order.extend(sorted.iter().map(|&edge| own[edge as usize]));
            graph
        })
        .collect();
    (Graph::batch(&graphs), order)
}

/// Puts a sample on a device. Features are laid out as the layers want them (`IrMul`).
pub fn inputs(
    sample: &Sample,
    types: &InputTypes,
    precision: Precision,
    device: &Device,
) -> Inputs {
    let (graph, order) = graph_of(sample);
    let InputTypes {
        irreps_in,
        edge_scalars,
        irreps_edge,
    } = types;
    let tensor = |values: &[f64], shape| matrix_of_rows(values, shape, precision, device);
    let nodes = sample.num_nodes();
    let features = tensor(&sample.features, [nodes, irreps_in.dim()]);
    let positions = tensor(sample.positions.as_flattened(), [nodes, 3]);
    let mut cloud = Cloud::new(GraphTensors::new(&graph, device), positions);

    let columns = edge_scalars + irreps_edge.dim();
    let edges = order.len();
    let part = |from: usize, to: usize| {
        let rows = order
            .iter()
            .flat_map(|&edge| &sample.edge_features[edge * columns + from..edge * columns + to]);
        let values: Vec<f64> = rows.copied().collect();
        tensor(&values, [edges, to - from])
    };
    if *edge_scalars > 0 {
        cloud = cloud.with_edge_scalars(part(0, *edge_scalars));
    }
    if !irreps_edge.is_empty() {
        let own = Features::new(irreps_edge.clone(), part(*edge_scalars, columns));
        cloud = cloud.with_edge_features(own);
    }
    Inputs {
        features: Features::new(irreps_in.clone(), features),
        cloud,
        order,
    }
}

/// How a single layer sees the edges; whole models do this themselves.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// Expansion of the distance.
    pub basis: RadialBasis,
    /// Highest degree of the harmonics.
    pub l_max: usize,
    /// Smooth cutoff.
    pub envelope: Envelope,
}

impl Inputs {
    /// Everything a single layer reads of the edges.
    pub fn edges(&self, options: &EdgeOptions) -> Edges {
        let Cloud {
            graph,
            positions,
            edge_scalars,
            edge_features,
        } = &self.cloud;
        let harmonics = HarmonicsOptions {
            l_max: options.l_max,
            normalization: Normalization::Component,
            envelope: options.envelope,
        };
        let geometry = EdgeGeometry::new(graph.relative_positions(positions.clone()), harmonics);
        let basis = options.basis.forward(geometry.distance.clone());
        let invariants = match edge_scalars {
            Some(scalars) => Tensor::cat(vec![scalars.clone(), basis], 1),
            None => basis,
        };
        Edges {
            graph: graph.clone(),
            geometry,
            invariants,
            features: edge_features.clone(),
        }
    }

    /// Rows of the graph's edges in the order of the sample's edges.
    pub fn in_sample_order(&self, rows: Tensor<2>) -> Tensor<2> {
        let mut place = vec![0_i32; self.order.len()];
        for (row, &edge) in self.order.iter().enumerate() {
            place[edge] = row as i32;
        }
        if place.is_empty() {
            return rows;
        }
        let edges = place.len();
        let place = Tensor::from_data(TensorData::new(place, [edges]), &rows.device());
        rows.select(0, place)
    }
}
