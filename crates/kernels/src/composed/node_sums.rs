//! Sums over the nodes of rows that come slab by slab.

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;

use super::messages::upload;
use crate::RowOps;
use crate::edges::group;

/// Sums of rows that slabs have for the nodes that their edges leave.
///
/// Rows wait until they are half as many as the nodes. So a slab costs what its own rows do, however many
/// nodes there are, and what waits is less than the sums and one slab's rows.
pub(super) struct NodeSums<B: RowOps> {
    num_nodes: usize,
    total: Option<FloatTensor<B>>,
    nodes: Vec<u32>,
    waiting: Vec<FloatTensor<B>>,
}

impl<B: RowOps> NodeSums<B> {
    pub(super) fn new(num_nodes: usize) -> Self {
        Self {
            num_nodes,
            total: None,
            nodes: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Adds a row to each of these nodes.
    pub(super) fn add(&mut self, nodes: &[u32], rows: FloatTensor<B>) {
        self.nodes.extend(nodes);
        self.waiting.push(rows);
        if 2 * self.nodes.len() >= self.num_nodes {
            self.sum_waiting();
        }
    }

    fn sum_waiting(&mut self) {
        let Some(first) = self.waiting.first() else {
            return;
        };
        let device = first.device();
        let (order, offsets) = group(&self.nodes, self.num_nodes);
        let [index, order, offsets] = [&self.nodes, &order, &offsets]
            .map(|indices| upload::<B>(indices.iter().copied(), &device));
        let rows = match self.waiting.len() {
            1 => self.waiting.remove(0),
            _ => B::float_cat(std::mem::take(&mut self.waiting), 0),
        };
        self.nodes.clear();
        let sums = B::sum_rows(rows, index, order, offsets);
        self.total = Some(match self.total.take() {
            None => sums,
            Some(before) => B::float_add(before, sums),
        });
    }

    pub(super) fn finish(mut self) -> Option<FloatTensor<B>> {
        self.sum_waiting();
        self.total
    }
}
