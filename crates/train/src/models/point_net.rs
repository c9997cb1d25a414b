//! A classifier of point clouds that is not equivariant, for comparison.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;
use steerable_nn::{Features, Pooling};

use super::Perceptron;
use super::input::points;

/// Configuration of a [`PointNet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointNetConfig {
    /// Widths of the layers that each point goes through.
    pub widths: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
}

/// Coordinates of each point through dense layers, the maximum over the cloud, then a perceptron: PointNet
/// without its transformation networks.
///
/// # Source
/// arXiv 1612.00593.
#[derive(Module, Debug)]
pub struct PointNet {
    /// The layers of a point.
    pub of_points: Vec<Linear>,
    /// From what is pooled to the classes.
    pub head: Perceptron,
    #[module(skip)]
    config: PointNetConfig,
}

impl PointNetConfig {
    /// Builds the model; every width is at least 1.
    pub fn init(&self, device: &Device) -> PointNet {
        let inputs = std::iter::once(&3).chain(&self.widths);
        let layers = inputs.zip(&self.widths);
        let width = self.widths.last().copied().unwrap_or(3);
        PointNet {
            of_points: layers
                .map(|(&from, &to)| LinearConfig::new(from, to).init(device))
                .collect(),
            head: Perceptron::new([width, width, self.classes], device),
            config: self.clone(),
        }
    }
}

impl PointNet {
    /// Its configuration.
    pub fn config(&self) -> &PointNetConfig {
        &self.config
    }

    /// Logits of the classes, `[items, classes]`.
    pub fn forward(&self, batch: &Batch, options: (&Device, DType)) -> Tensor<2> {
        let cloud = points(batch, options);
        let of_points = self
            .of_points
            .iter()
            .fold(cloud.positions.clone(), |x, layer| silu(layer.forward(x)));
        let [_, width] = of_points.dims();
        // Numbers without a type; scalars are what the pooling takes.
        let irreps = format!("{width}x0").parse().expect("irreps");
        let pooled = Pooling::Max.forward(&Features::new(irreps, of_points), &cloud.graph);
        self.head.forward(pooled.into_packed())
    }
}
