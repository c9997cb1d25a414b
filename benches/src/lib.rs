//! What the benches share: graphs and random tensors of stated sizes, the workloads that are compared
//! with other codes, and how they are measured.

pub mod machine;
pub mod measure;
pub mod process;
pub mod table;
pub mod workload;

use burn::tensor::{DType, Device, Distribution, Tensor};
use steerable::kernels::RowGroups;

/// Sizes of a random regular graph.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Number of nodes.
    pub nodes: usize,
    /// Incoming edges of each node.
    pub neighbours: usize,
}

impl Sizes {
    /// Number of edges.
    pub fn edges(self) -> usize {
        self.nodes * self.neighbours
    }

    /// Source of each edge, scattered over the nodes, none its own destination.
    pub fn src(self) -> Vec<u32> {
        let step = |e: usize| 1 + e * 7919 % (self.nodes - 1);
        (0..self.edges())
            .map(|e| ((e / self.neighbours + step(e)) % self.nodes) as u32)
            .collect()
    }

    /// Destination of each edge, ascending.
    pub fn dst(self) -> Vec<u32> {
        (0..self.edges())
            .map(|e| (e / self.neighbours) as u32)
            .collect()
    }

    /// Edges grouped by source and by destination.
    pub fn groups(self, device: &Device) -> [RowGroups; 2] {
        [self.src(), self.dst()].map(|index| RowGroups::new(&index, self.nodes, device))
    }
}

/// Uniform in (-1, 1), f32.
pub fn random(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(
        shape,
        Distribution::Uniform(-1.0, 1.0),
        (device, DType::F32),
    )
}
