//! What a layer does on the edges, and what it holds there.

use std::sync::Arc;

use steerable_harmonics::plan::ConvolutionPlan;

use crate::RadialStack;
use crate::host::attention::AttentionPlan;

/// A convolution with the hidden layers of its radial networks.
#[derive(Clone, Debug)]
pub struct MessageConvolution {
    /// The hidden layers.
    pub hidden: RadialStack,
    /// The paths.
    pub plan: Arc<ConvolutionPlan>,
}

/// What becomes of the messages.
#[derive(Clone, Debug)]
pub enum Reduction {
    /// Summed over the edges into each node.
    Sum,
    /// Left on the edges.
    PerEdge,
    /// They are values with keys behind them, or values where keys have a convolution of their own, and
    /// each node attends over its edges.
    Attend {
        /// Gives the keys, where they are separate.
        key: Option<MessageConvolution>,
        /// Heads and blocks.
        plan: Arc<AttentionPlan>,
    },
}

/// What a layer does on the edges.
#[derive(Clone, Debug)]
pub struct MessagePlan {
    /// Gives the messages.
    pub value: MessageConvolution,
    /// What becomes of them.
    pub reduction: Reduction,
}

/// Columns of the tensors that a layer reads on the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EdgeColumns {
    pub(crate) features: usize,
    /// Zero where the edges have none of their own.
    pub(crate) edge_features: usize,
    pub(crate) harmonics: usize,
    pub(crate) invariants: usize,
}

/// Integers for each edge of a slab: source, edges by source, and the end of a row of one edge.
const INDICES: usize = 3;

impl MessagePlan {
    /// The convolutions: that of the messages, and that of separate keys.
    pub(crate) fn convolutions(&self) -> impl Iterator<Item = &MessageConvolution> {
        let key = match &self.reduction {
            Reduction::Attend { key, .. } => key.as_ref(),
            Reduction::Sum | Reduction::PerEdge => None,
        };
        std::iter::once(&self.value).chain(key)
    }

    /// Columns of the output.
    pub(crate) fn columns(&self) -> usize {
        match &self.reduction {
            Reduction::Sum | Reduction::PerEdge => self.value.plan.irreps_out().dim(),
            Reduction::Attend { plan, .. } => plan.dim_value(),
        }
    }

    /// Bytes that an edge of a slab holds at most, in the backward pass, which holds more than the forward
    /// one: what is cut out for it, everything formed again, and the gradients to all that, with numbers
    /// of `number` bytes.
    pub(crate) fn bytes_per_edge(&self, columns: EdgeColumns, number: usize) -> u64 {
        let EdgeColumns {
            features,
            edge_features,
            harmonics,
            invariants,
        } = columns;
        let given = harmonics + invariants + edge_features + 1;
        // The features of the sources and their gradient: at most one source for each edge.
        let of_sources = 2 * features;
        // Gathered, joined, and the gradient cut apart again.
        let (joined, more_indices) = match edge_features {
            0 => (0, 0),
            _ => (4 * features + 3 * edge_features, INDICES),
        };
        let formed: usize = self
            .convolutions()
            .map(|convolution| {
                let widths = convolution.hidden.widths();
                let stages: usize = widths.iter().sum();
                // A layer's gradient comes from that of the layer behind it, or from the convolution.
                let inputs = std::iter::once(&invariants).chain(&widths);
                let passing = inputs.zip(&widths).map(|(input, output)| input + output);
                let messages = match self.reduction {
                    Reduction::Sum => 0,
                    Reduction::PerEdge | Reduction::Attend { .. } => {
                        2 * convolution.plan.irreps_out().dim()
                    }
                };
                stages + passing.max().unwrap_or(0) + messages
            })
            .sum();
        // Of each convolution, and their sum.
        let gradients = (self.convolutions().count() + 1) * (harmonics + invariants) + 1;
        let numbers = given + of_sources + joined + formed + gradients;
        (numbers * number + (2 * INDICES + more_indices) * size_of::<i32>()) as u64
    }
}
