//! The gradients that a backward pass forms, and where it writes them.

use std::ops::Range;

use super::lanes::Packed;
use super::last_layer::WeightGradient;

/// Which gradients the backward pass must form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Gradient to the node features.
    pub features: bool,
    /// Gradient to the harmonics, hence to positions.
    pub harmonics: bool,
    /// Gradient to the hidden radial features.
    pub hidden: bool,
    /// Gradient to the last radial layer.
    pub weight: bool,
}

/// Gradients of one convolution, shaped as what they belong to; empty where they were not wanted.
pub(crate) struct ConvolutionGradients<T> {
    pub(crate) features: Vec<T>,
    pub(crate) harmonics: Vec<T>,
    pub(crate) hidden: Vec<T>,
    pub(crate) weight: Vec<T>,
}

/// Where the gradients of one tile go.
pub(super) struct TileGradients<'a, T> {
    /// To the features and harmonics of the edges, in lanes.
    pub(super) x: &'a mut Packed<T>,
    pub(super) y: &'a mut Packed<T>,
    /// Rows of the tile's edges.
    pub(super) hidden: &'a mut [T],
    pub(super) weight: &'a mut WeightGradient<T>,
}

/// Gradient rows of consecutive edges.
pub(super) struct EdgeRows<'a, T> {
    pub(super) edges: Range<usize>,
    pub(super) features: &'a mut [T],
    pub(super) harmonics: &'a mut [T],
    pub(super) hidden: &'a mut [T],
}

impl<'a, T> EdgeRows<'a, T> {
    /// Splits the rows of the first edges off, up to `end`.
    pub(super) fn take(&mut self, end: usize) -> EdgeRows<'a, T> {
        let (all, taken) = (self.edges.len().max(1), end - self.edges.start);
        let first = |rows: &mut &'a mut [T]| {
            let width = rows.len() / all;
            let (mine, others) = std::mem::take(rows).split_at_mut(taken * width);
            *rows = others;
            mine
        };
        let rows = EdgeRows {
            edges: self.edges.start..end,
            features: first(&mut self.features),
            harmonics: first(&mut self.harmonics),
            hidden: first(&mut self.hidden),
        };
        self.edges.start = end;
        rows
    }

    /// The rows of some of the edges.
    pub(super) fn of(&mut self, edges: &Range<usize>) -> EdgeRows<'_, T> {
        let all = self.edges.len().max(1);
        let [start, end] = [edges.start, edges.end].map(|edge| edge - self.edges.start);
        let lengths = [&*self.features, &*self.harmonics, &*self.hidden].map(|rows| rows.len());
        let [features, harmonics, hidden] = lengths.map(|len| {
            let width = len / all;
            start * width..end * width
        });
        EdgeRows {
            edges: edges.clone(),
            features: &mut self.features[features],
            harmonics: &mut self.harmonics[harmonics],
            hidden: &mut self.hidden[hidden],
        }
    }
}
