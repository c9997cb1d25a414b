//! The last radial layer and the gradient to it, in the layouts that the matrix products want.
//!
//! Every pair keeps its own place, `weights.start * hidden..weights.end * hidden`, whatever its layout.

use std::ops::Range;

use steerable_harmonics::plan::{Pair, Weighting};

use super::lanes::LANES;
use super::program::{Group, Order, Program};
use super::{Convolution, Wanted};
use crate::host::matmul::Matrix;
use crate::host::real::{Real, axpy};

/// A last radial layer: `[hidden, columns]`, with one more row when there is a bias.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) hidden: usize,
    pub(super) columns: usize,
}

impl<'a, T> Layer<'a, T> {
    /// Some columns, without the bias.
    pub(super) fn weight_of(&self, columns: &Range<usize>) -> Matrix<'a, T> {
        // A layer without rows has no numbers at all.
        let data = self.numbers.get(columns.start..).unwrap_or_default();
        Matrix::new(data, self.hidden, columns.len(), self.columns)
    }

    /// `[columns]`
    pub(super) fn bias(&self) -> Option<&'a [T]> {
        let rows = self.hidden * self.columns;
        (self.numbers.len() > rows).then(|| &self.numbers[rows..])
    }
}

/// A copy of the last radial layer without its bias. Empty where the layer is read as it is.
pub(crate) struct PackedWeight<T>(Vec<T>);

impl<T: Real> PackedWeight<T> {
    /// For pairs that sum rows first, `[path, c_in, hidden, c_out]`: (c_in, hidden) is one index.
    pub(super) fn forward(convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Self {
        let mut packed = Self::zeros(convolution, program);
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        for (_, pair) in summed_pairs(program) {
            for (at, h, column) in channel_runs(pair, hidden) {
                let from = &convolution.weight[h * all + column..][..pair.output.mul];
                packed.0[at..at + from.len()].copy_from_slice(from);
            }
        }
        packed
    }

    /// For pairs that sum rows first, `[path, c_out, c_in, hidden]`; for a channel-wise convolution
    /// `[num_weights, hidden]`.
    pub(super) fn backward(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        wanted: Wanted,
    ) -> Self {
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        let weight = |h: usize, column: usize| convolution.weight[h * all + column];
        if convolution.plan.weighting() == Weighting::ChannelWise {
            let columns = if wanted.hidden { all } else { 0 };
            let columns = (0..columns).flat_map(|column| (0..hidden).map(move |h| (h, column)));
            return Self(columns.map(|(h, column)| weight(h, column)).collect());
        }
        let mut packed = Self::zeros(convolution, program);
        for (group, pair) in summed_pairs(program) {
            let (mul, channels) = (group.input.mul, pair.output.mul);
            for path in 0..group.paths.len() {
                let columns = group.columns(pair, path);
                let to = &mut packed.0[columns.start * hidden..columns.end * hidden];
                for c_in in 0..mul {
                    for c_out in 0..channels {
                        let column = columns.start + c_in * channels + c_out;
                        let to = &mut to[(c_out * mul + c_in) * hidden..][..hidden];
                        for (h, to) in to.iter_mut().enumerate() {
                            *to = weight(h, column);
                        }
                    }
                }
            }
        }
        packed
    }

    fn zeros(convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Self {
        let end = summed_pairs(program)
            .map(|(_, pair)| pair.weights.end)
            .max();
        Self(vec![T::ZERO; end.unwrap_or(0) * convolution.hidden_width])
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.0
    }
}

/// The gradient to the last radial layer; empty where it is not wanted.
#[derive(Default)]
pub(super) struct WeightGradient<T> {
    /// Of pairs that sum rows first `[path, c_in, hidden, c_out]`, of others `[column, hidden]`.
    pub(super) packed: Vec<T>,
    /// `[num_weights]`, empty if there is none.
    pub(super) bias: Vec<T>,
}

impl<T: Real> WeightGradient<T> {
    pub(super) fn zeros(layer: Layer<'_, T>) -> Self {
        let Layer {
            hidden, columns, ..
        } = layer;
        Self {
            packed: vec![T::ZERO; columns * hidden],
            bias: vec![T::ZERO; layer.bias().map_or(0, <[T]>::len)],
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        axpy(&mut self.packed, T::ONE, &other.packed);
        axpy(&mut self.bias, T::ONE, &other.bias);
    }

    /// In the layout of the layer.
    pub(super) fn unpack(
        &self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
    ) -> Vec<T> {
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        let mut out = vec![T::ZERO; convolution.weight.len()];
        for columns in unsummed_columns(program, all) {
            // Sixteen columns at a time: whole cache lines are read and written.
            for first in columns.clone().step_by(LANES) {
                let columns = first..(first + LANES).min(columns.end);
                let from = &self.packed[columns.start * hidden..columns.end * hidden];
                for h in 0..hidden {
                    let to = &mut out[h * all..(h + 1) * all][columns.clone()];
                    for (to, from) in to.iter_mut().zip(from.iter().skip(h).step_by(hidden)) {
                        *to = *from;
                    }
                }
            }
        }
        for (_, pair) in summed_pairs(program) {
            for (at, h, column) in channel_runs(pair, hidden) {
                let from = &self.packed[at..at + pair.output.mul];
                out[h * all + column..][..from.len()].copy_from_slice(from);
            }
        }
        out[hidden * all..].copy_from_slice(&self.bias);
        out
    }
}

/// The pairs that sum rows first, with their groups.
fn summed_pairs<'g, 'p, T>(
    program: &'g Program<'p, T>,
) -> impl Iterator<Item = (&'g Group<'p, T>, &'p Pair)> {
    let groups = program.groups.iter();
    groups
        .filter(|group| group.order == Order::RowSums)
        .flat_map(|group| group.members.iter().map(move |pair| (group, *pair)))
}

/// Where the runs of `c_out` of a pair stand in `[path, c_in, hidden, c_out]`, each with its hidden
/// feature and its first column in the layout of the layer.
fn channel_runs(pair: &Pair, hidden: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let columns = pair.weights.clone().step_by(pair.output.mul);
    let channels = pair.output.mul;
    columns.flat_map(move |column| {
        (0..hidden).map(move |h| (column * hidden + h * channels, h, column))
    })
}

/// The columns of all other pairs.
fn unsummed_columns<T>(program: &Program<'_, T>, all: usize) -> Vec<Range<usize>> {
    if program.groups.is_empty() {
        return std::iter::once(0..all).collect();
    }
    let groups = program.groups.iter();
    let groups = groups.filter(|group| group.order != Order::RowSums);
    let pairs = groups.flat_map(|group| &group.members);
    pairs.map(|pair| pair.weights.clone()).collect()
}
