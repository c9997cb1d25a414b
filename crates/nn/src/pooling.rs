//! From node features to graph features.

use burn::config::Config;
use burn::tensor::{Tensor, TensorData};
use steerable_kernels::{gather_rows, sum_rows};

use crate::{Features, GraphTensors};

/// How the nodes of a graph become one row.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Sum over the nodes: extensive quantities.
    Sum,
    /// Mean over the nodes: intensive quantities. A graph without nodes gives zeros.
    Mean,
    /// Maximum over the nodes, channel by channel: scalars only, even ones in O(3), since the maximum
    /// of odd ones does not change sign with them. A graph without nodes gives zeros.
    Max,
}

impl Pooling {
    /// One row per graph of the batch, with the same irreps.
    ///
    /// # Panics
    /// When `Max` meets irreps that are not scalars (0 or 0e), or the features are not those of the
    /// graph's nodes.
    #[track_caller]
    pub fn forward(self, features: &Features, graph: &GraphTensors) -> Features {
        assert_eq!(
            features.num_rows(),
            graph.num_nodes(),
            "Pooling: one row per node is expected"
        );
        let irreps = features.irreps().clone();
        let pooled = match self {
            Self::Sum => sum_rows(features.packed(), graph.members()),
            Self::Mean => {
                sum_rows(features.packed(), graph.members()) * inverse_sizes(features, graph)
            }
            Self::Max => {
                assert!(
                    irreps.iter().all(|block| block.irrep.is_scalar()),
                    "Pooling: Max takes scalars only, got \"{irreps}\""
                );
                max_rows(features.packed(), graph)
            }
        };
        Features::new(irreps, pooled)
    }
}

fn inverse_sizes(features: &Features, graph: &GraphTensors) -> Tensor<2> {
    let (device, dtype) = (features.device(), features.packed().dtype());
    let ones = Tensor::ones([graph.num_nodes(), 1], (&device, dtype));
    sum_rows(ones, graph.members()).clamp_min(1.0).recip()
}

/// The maximum of each column over the nodes of each graph; the gradient goes to the first node that
/// attains it.
fn max_rows(values: Tensor<2>, graph: &GraphTensors) -> Tensor<2> {
    let device = values.device();
    let [nodes, columns] = values.dims();
    let data = values.clone().detach().into_data().convert::<f64>();
    let numbers = data.as_slice::<f64>().expect("converted to f64");
    let mut best: Vec<Option<usize>> = vec![None; graph.num_graphs() * columns];
    for (node, &member) in graph.graph_of_node().iter().enumerate() {
        for column in 0..columns {
            let best = &mut best[member as usize * columns + column];
            let value = numbers[node * columns + column];
            if best.is_none_or(|b| value > numbers[b * columns + column] || value.is_nan()) {
                *best = Some(node);
            }
        }
    }
    // All but one node per graph and column are masked, then summed: the gradient is exact.
    let mut masked = vec![true; nodes * columns];
    for (index, node) in best.into_iter().enumerate() {
        if let Some(node) = node {
            masked[node * columns + index % columns] = false;
        }
    }
    let masked = Tensor::from_data(TensorData::new(masked, [nodes, columns]), &device);
    sum_rows(values.mask_fill(masked, 0.0), graph.members())
}

/// Copies graph features to the nodes of each graph: the transpose of [`Pooling::Sum`].
///
/// # Panics
/// When there is not one row per graph.
#[track_caller]
pub fn broadcast_to_nodes(features: &Features, graph: &GraphTensors) -> Features {
    assert_eq!(
        features.num_rows(),
        graph.num_graphs(),
        "broadcast_to_nodes: one row per graph"
    );
    Features::new(
        features.irreps().clone(),
        gather_rows(features.packed(), graph.members()),
    )
}
