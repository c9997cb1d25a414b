//! Classes of point clouds, the same however the cloud is turned.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use steerable_data::Batch;
use steerable_nn::{Features, Pooling, broadcast_to_nodes};

use super::input::points;
use super::network::{Interface, check_width};
use super::{ModelError, Network, NetworkConfig, Perceptron};

/// Configuration of a [`ShapeClassifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapeClassifierConfig {
    /// The network; lengths are those of the clouds.
    pub network: NetworkConfig,
    /// Invariants of each point that are pooled.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
}

/// Invariants of the points, their mean and maximum over the cloud, then a perceptron.
///
/// A point's input is its position from the centroid, as a vector and as a length.
#[derive(Module, Debug)]
pub struct ShapeClassifier {
    /// Gives the invariants.
    pub network: Network,
    /// From invariants of a point to what is pooled.
    pub of_points: Perceptron,
    /// From what is pooled to the classes.
    pub head: Perceptron,
    #[module(skip)]
    config: ShapeClassifierConfig,
}

impl ShapeClassifierConfig {
    /// Builds the model.
    ///
    /// # Errors
    /// When the network cannot be built, or the width is 0.
    pub fn init(&self, device: &Device) -> Result<ShapeClassifier, ModelError> {
        check_width(self.width)?;
        let vector = self.network.vectors(1);
        let irreps_in = self.network.scalars(1).concat(&vector);
        let interface = Interface {
            irreps_in: irreps_in.expect("both are of one group"),
            irreps_out: self.network.scalars(self.width),
            num_edge_scalars: 0,
        };
        let width = self.width;
        Ok(ShapeClassifier {
            network: self.network.init(interface, device)?,
            of_points: Perceptron::new([width; 3], device),
            head: Perceptron::new([2 * width, width, self.classes], device),
            config: self.clone(),
        })
    }
}

impl ShapeClassifier {
    /// Its configuration.
    pub fn config(&self) -> &ShapeClassifierConfig {
        &self.config
    }

    /// Logits of the classes, `[items, classes]`.
    pub fn forward(&self, batch: &Batch, options: (&Device, DType)) -> Tensor<2> {
        let network = &self.config.network;
        let cloud = points(batch, options);
        let positions = Features::new(network.vectors(1), cloud.positions.clone());
        let centroids = Pooling::Mean.forward(&positions, &cloud.graph);
        let arms =
            positions.into_packed() - broadcast_to_nodes(&centroids, &cloud.graph).into_packed();
        // The root has no gradient at zero; positions need none here.
        let lengths = (arms.clone() * arms.clone()).sum_dim(1).sqrt();
        let lengths = Features::new(network.scalars(1), lengths);
        let input = lengths.join(Features::new(network.vectors(1), arms));
        let invariants = self.network.forward(&input, &cloud).into_packed();
        let of_points = self.of_points.forward(invariants);
        let of_points = Features::new(network.scalars(self.config.width), of_points);
        let pooled = [Pooling::Mean, Pooling::Max]
            .map(|pooling| pooling.forward(&of_points, &cloud.graph).into_packed());
        self.head.forward(Tensor::cat(pooled.into(), 1))
    }
}
