//! The last radial layer and the gradient to it, in the layouts that the matrix products want.
//!
//! Every pair keeps its own place, `weights.start * hidden..weights.end * hidden`, whatever its layout.

use std::ops::Range;

use steerable_harmonics::plan::{Pair, Weighting};

use super::cost::Pass;
use super::lanes::LANES;
use super::program::{Group, Order, Program};
use super::strips::{self, Unit};
use super::{Convolution, Wanted};
use crate::host::matmul::Matrix;
use crate::host::real::{Real, axpy};
use crate::host::tasks::{run_all, split_mut};

/// Columns of a layer that a task rearranges.
const COLUMNS: usize = 1024;
/// Rows of a layer that a task writes, of a gradient `[column, hidden]` half a cache line.
const ROWS: usize = 8;
/// Numbers that a task adds.
const NUMBERS: usize = 1 << 16;

/// A last radial layer: `[hidden, columns]`, with one more row when there is a bias.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) hidden: usize,
    pub(super) columns: usize,
    /// The same without the bias as `[columns, hidden]`, where radial weights of edges are formed: the
    /// product would else rearrange the layer for every span of edges.
    pub(super) by_column: &'a [T],
}

impl<'a, T: Real> Layer<'a, T> {
    /// Some columns, without the bias.
    pub(super) fn weight_of(&self, columns: &Range<usize>) -> Matrix<'a, T> {
        // A layer without rows has no numbers at all.
        let data = self.numbers.get(columns.start..).unwrap_or_default();
        Matrix::new(data, self.hidden, columns.len(), self.columns)
    }

    /// Some columns, `[columns, hidden]`.
    pub(super) fn by_column(&self, columns: &Range<usize>) -> Matrix<'a, T> {
        let data = self.by_column.get(columns.start * self.hidden..);
        Matrix::new(
            data.unwrap_or_default(),
            columns.len(),
            self.hidden,
            self.hidden,
        )
    }

    /// Writes some columns as `[columns, hidden]`.
    pub(super) fn write_by_column(&self, columns: Range<usize>, to: &mut [T]) {
        let (hidden, all) = (self.hidden, self.columns);
        let tasks = to.chunks_mut((COLUMNS * hidden).max(1));
        run_all(tasks.zip(columns.step_by(COLUMNS)).collect(), |task| {
            let (to, first): (&mut [T], usize) = task;
            // Sixteen columns at a time: whole cache lines are read and written.
            let blocks = to.chunks_mut(LANES * hidden);
            for (to, first) in blocks.zip((first..).step_by(LANES)) {
                for h in 0..hidden {
                    let from = &self.numbers[h * all + first..];
                    for (to, from) in to.iter_mut().skip(h).step_by(hidden).zip(from) {
                        *to = *from;
                    }
                }
            }
        });
    }

    /// Hidden features, and one more for the bias.
    pub(super) fn hidden_with_bias(&self) -> usize {
        self.hidden + usize::from(self.bias().is_some())
    }

    /// `[columns]`
    pub(super) fn bias(&self) -> Option<&'a [T]> {
        let rows = self.hidden * self.columns;
        (self.numbers.len() > rows).then(|| &self.numbers[rows..])
    }
}

/// A copy of the last radial layer by the order of each pair, without its bias but in strips. Empty where the
/// layer is read as it is.
pub(crate) struct PackedWeight<T> {
    numbers: Vec<T>,
    pub(super) strips: Vec<Unit<T>>,
}

impl<T: Real> PackedWeight<T> {
    /// For pairs that sum rows first `[path, c_in, hidden, c_out]`: (c_in, hidden) is one index; for those
    /// by edge weights `[column, hidden]`.
    pub(super) fn forward(convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Self {
        let mut packed = Self::without_row_sums(convolution, program, Pass::Forward);
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        run_all(
            packed.places_of_row_sums(program, hidden),
            |(_, pair, to)| {
                let first = pair.weights.start * hidden;
                for (at, h, column) in channel_runs(pair, hidden, 0..hidden) {
                    let from = &convolution.weight[h * all + column..][..pair.output.mul];
                    to[at - first..][..from.len()].copy_from_slice(from);
                }
            },
        );
        packed
    }

    /// For pairs that sum rows first `[path, c_out, c_in, hidden]`; for those by edge weights and for a
    /// channel-wise convolution `[column, hidden]`.
    pub(super) fn backward(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        wanted: Wanted,
    ) -> Self {
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        if convolution.plan.weighting() == Weighting::ChannelWise {
            let columns = if wanted.hidden { all } else { 0 };
            let mut packed = vec![T::ZERO; columns * hidden];
            let layer = convolution.layer();
            layer.write_by_column(0..columns, &mut packed);
            return Self {
                numbers: packed,
                strips: Vec::new(),
            };
        }
        let to_harmonics = wanted.harmonics;
        let pass = Pass::Backward { to_harmonics };
        let mut packed = Self::without_row_sums(convolution, program, pass);
        run_all(
            packed.places_of_row_sums(program, hidden),
            |(group, pair, to)| {
                let (mul, channels) = (group.input.mul, pair.output.mul);
                let paths = to.chunks_exact_mut((mul * channels * hidden).max(1));
                for (path, to) in paths.enumerate() {
                    let first = group.columns(pair, path).start;
                    for c_in in 0..mul {
                        for c_out in 0..channels {
                            let column = first + c_in * channels + c_out;
                            let to = &mut to[(c_out * mul + c_in) * hidden..][..hidden];
                            for (h, to) in to.iter_mut().enumerate() {
                                *to = convolution.weight[h * all + column];
                            }
                        }
                    }
                }
            },
        );
        packed
    }

    /// The pairs that sum rows first, each with its place.
    fn places_of_row_sums<'a, 'g, 'p>(
        &'a mut self,
        program: &'g Program<'p, T>,
        hidden: usize,
    ) -> Vec<(&'g Group<'p, T>, &'p Pair, &'a mut [T])> {
        let mut pairs: Vec<_> = pairs_in(program, Order::RowSums).collect();
        pairs.sort_by_key(|(_, pair)| pair.weights.start);
        let mut before = 0;
        let lengths = pairs.iter().flat_map(|(_, pair)| {
            let gap = pair.weights.start - before;
            before = pair.weights.end;
            [gap * hidden, pair.weights.len() * hidden]
        });
        let pieces = split_mut(&mut self.numbers, lengths);
        let own = pieces.into_iter().skip(1).step_by(2);
        let places = pairs.into_iter().zip(own);
        places
            .map(|((group, pair), own)| (group, pair, own))
            .collect()
    }

    /// With zeros for the pairs that sum rows first.
    fn without_row_sums(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        pass: Pass,
    ) -> Self {
        let (layer, hidden) = (convolution.layer(), convolution.hidden_width);
        let by_edge_weights = || pairs_in(program, Order::EdgeWeights);
        let end = pairs_in(program, Order::RowSums)
            .chain(by_edge_weights())
            .map(|(_, pair)| pair.weights.end)
            .max();
        let mut packed = vec![T::ZERO; end.unwrap_or(0) * hidden];
        for (_, pair) in by_edge_weights() {
            let columns = pair.weights.clone();
            let to = &mut packed[columns.start * hidden..columns.end * hidden];
            layer.write_by_column(columns, to);
        }
        Self {
            numbers: packed,
            strips: strips::pack(convolution, program, pass),
        }
    }

    /// The layer with its columns for pairs by edge weights.
    pub(super) fn layer<'a>(&'a self, convolution: &Convolution<'a, T>) -> Layer<'a, T> {
        Layer {
            by_column: &self.numbers,
            ..convolution.layer()
        }
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.numbers
    }
}

/// The gradient to the last radial layer; empty where it is not wanted.
#[derive(Default)]
pub(super) struct WeightGradient<T> {
    /// Of pairs that sum rows first `[path, c_in, hidden, c_out]`, of others `[column, hidden]`, but for those
    /// that go by strips.
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
        let packed = self.packed.chunks_mut(NUMBERS);
        let tasks = packed.zip(other.packed.chunks(NUMBERS)).collect();
        run_all(tasks, |(to, from)| axpy(to, T::ONE, from));
        axpy(&mut self.bias, T::ONE, &other.bias);
    }

    /// With the gradients to the strips, which are to be summed, in the layout of the layer.
    pub(super) fn unpack(
        &self,
        strips: &[Vec<Unit<T>>],
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
    ) -> Vec<T> {
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        let mut out = vec![T::ZERO; convolution.weight.len()];
        let unsummed = unsummed_columns(program, all);
        let tasks = out.chunks_mut((ROWS * all).max(1));
        let tasks = tasks.zip((0..).step_by(ROWS)).collect();
        run_all(tasks, |(out, first): (&mut [T], usize)| {
            let rows = first.min(hidden)..(first + ROWS).min(hidden);
            for columns in &unsummed {
                self.unpack_columns(columns, rows.clone(), hidden, (out, all));
            }
            for (_, pair) in pairs_in(program, Order::RowSums) {
                for (at, h, column) in channel_runs(pair, hidden, rows.clone()) {
                    let from = &self.packed[at..at + pair.output.mul];
                    out[(h - first) * all + column..][..from.len()].copy_from_slice(from);
                }
            }
            let bias = out[rows.len() * all..].iter_mut().zip(&self.bias);
            bias.for_each(|(to, &from)| *to = from);
            strips::unpack(strips, first, convolution, program, out);
        });
        out
    }

    /// Some rows of columns of which the gradient is `[column, hidden]`.
    fn unpack_columns(
        &self,
        columns: &Range<usize>,
        rows: Range<usize>,
        hidden: usize,
        (out, all): (&mut [T], usize),
    ) {
        // Sixteen columns at a time: whole cache lines are written.
        for first in columns.clone().step_by(LANES) {
            let columns = first..(first + LANES).min(columns.end);
            let from = &self.packed[columns.start * hidden..columns.end * hidden];
            for (h, out) in rows.clone().zip(out.chunks_exact_mut(all)) {
                let to = out[columns.clone()].iter_mut();
                for (to, from) in to.zip(from.iter().skip(h).step_by(hidden)) {
                    *to = *from;
                }
            }
        }
    }
}

/// The pairs of one order, with their groups.
fn pairs_in<'g, 'p, T>(
    program: &'g Program<'p, T>,
    order: Order,
) -> impl Iterator<Item = (&'g Group<'p, T>, &'p Pair)> {
    let groups = program.groups.iter();
    groups
        .filter(move |group| group.order == order)
        .flat_map(|group| group.members.iter().map(move |pair| (group, *pair)))
}

/// Where the runs of `c_out` of a pair stand in `[path, c_in, hidden, c_out]`, each with its hidden
/// feature among some and its first column in the layout of the layer.
fn channel_runs(
    pair: &Pair,
    hidden: usize,
    features: Range<usize>,
) -> impl Iterator<Item = (usize, usize, usize)> {
    let columns = pair.weights.clone().step_by(pair.output.mul);
    let channels = pair.output.mul;
    columns.flat_map(move |column| {
        let features = features.clone();
        features.map(move |h| (column * hidden + h * channels, h, column))
    })
}

/// The columns of the pairs whose gradient is `[column, hidden]`.
fn unsummed_columns<T>(program: &Program<'_, T>, all: usize) -> Vec<Range<usize>> {
    if program.groups.is_empty() {
        return std::iter::once(0..all).collect();
    }
    let groups = program.groups.iter();
    let groups =
        groups.filter(|group| matches!(group.order, Order::EdgeWeights | Order::EdgeFrames));
    let pairs = groups.flat_map(|group| &group.members);
    pairs.map(|pair| pair.weights.clone()).collect()
}
