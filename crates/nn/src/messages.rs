//! Layers on the edges within a memory budget.

use burn::tensor::Tensor;
use steerable_kernels::{MemoryBudget, MessageInputs, MessagePlan, pass_messages};

use crate::Edges;

/// What a layer does on the edges, before anything is formed there.
pub(crate) struct Messages<'a> {
    pub(crate) edges: &'a Edges,
    pub(crate) inputs: MessageInputs,
    pub(crate) plan: MessagePlan,
}

impl Messages<'_> {
    /// Does it within the graph's budget.
    ///
    /// # Panics
    /// When not even the edges into one node fit.
    #[track_caller]
    pub(crate) fn pass(self, layer: &str) -> Tensor<2> {
        let graph = &self.edges.graph;
        let budget = match graph.budget() {
            MemoryBudget::Unlimited => u64::MAX,
            MemoryBudget::Bytes(bytes) => bytes,
        };
        pass_messages(self.inputs, graph.edges(), budget, self.plan)
            .unwrap_or_else(|error| panic!("{layer}: {error}"))
    }
}
