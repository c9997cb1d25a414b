//! What a model reads besides the node features.

use burn::tensor::Tensor;
use steerable_radial::RadialBasis;

use crate::Features;
use crate::edges::{Edges, GraphTensors, HarmonicsOptions};
use crate::features::cat_columns;

/// What a model reads besides the node features.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The graph.
    pub graph: GraphTensors,
    /// Positions in angstrom, `[N, 3]`.
    pub positions: Tensor<2>,
    /// Scalar edge features, `[E, num_edge_scalars]`.
    pub edge_scalars: Option<Tensor<2>>,
    /// Steerable edge features.
    pub edge_features: Option<Features>,
}

impl Cloud {
    /// Points without edge features.
    pub fn new(graph: GraphTensors, positions: Tensor<2>) -> Self {
        Self {
            graph,
            positions,
            edge_scalars: None,
            edge_features: None,
        }
    }

    /// The same with scalar edge features `[E, num_edge_scalars]`.
    pub fn with_edge_scalars(self, edge_scalars: Tensor<2>) -> Self {
        Self {
            edge_scalars: Some(edge_scalars),
            ..self
        }
    }

    /// The same with steerable edge features.
    pub fn with_edge_features(self, edge_features: Features) -> Self {
        Self {
            edge_features: Some(edge_features),
            ..self
        }
    }

    /// One row of features for each node, one of edge features for each edge.
    #[track_caller]
    pub(crate) fn expect_rows(&self, layer: &str, features: &Features) {
        let (nodes, edges) = (self.graph.num_nodes(), self.graph.num_edges());
        let rows = features.num_rows();
        assert_eq!(
            rows, nodes,
            "{layer}: {rows} rows of features for {nodes} nodes"
        );
        let scalars = self.edge_scalars.as_ref().map(|scalars| scalars.dims()[0]);
        let steerable = self.edge_features.as_ref().map(Features::num_rows);
        for rows in [scalars, steerable].into_iter().flatten() {
            assert_eq!(
                rows, edges,
                "{layer}: {rows} rows of edge features for {edges} edges"
            );
        }
    }

    /// What the convolutions read of the edges at `positions`, but for steerable edge features. The
    /// invariants are the scalar edge features, then the expansion of the distance.
    #[track_caller]
    pub(crate) fn edges(
        &self,
        layer: &str,
        positions: Tensor<2>,
        num_edge_scalars: usize,
        (basis, harmonics): (&RadialBasis, HarmonicsOptions),
    ) -> Edges {
        let given = self
            .edge_scalars
            .as_ref()
            .map_or(0, |scalars| scalars.dims()[1]);
        assert_eq!(
            given, num_edge_scalars,
            "{layer}: built for {num_edge_scalars} scalar edge features, called with {given}"
        );
        let geometry = self.graph.geometry(positions, harmonics);
        let basis = basis.forward(geometry.distance.clone());
        let invariants = match &self.edge_scalars {
            Some(scalars) => cat_columns(vec![scalars.clone(), basis]),
            None => basis,
        };
        Edges {
            graph: self.graph.clone(),
            geometry,
            invariants,
            features: None,
        }
    }
}
