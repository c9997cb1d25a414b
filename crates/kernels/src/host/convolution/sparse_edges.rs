//! The order that forms the radial weights of one edge after the other, in registers, from the hidden
//! features that are not zero: `out[m, c_out] += z[m, c_in] R[c_in, c_out]`. Channels lie side by side.
//!
//! Edges go in spans of sixty-four, so that what is formed for a strip stays in the first cache; and group
//! after group over many spans, so that the strips of a group stay in the next ones.

use std::ops::Range;

use steerable_harmonics::plan::Pair;

use super::active::{Active, ActiveHidden, FOUR};
use super::cost::Pass;
use super::couple_edges::{Couple, CoupleBackward};
use super::gradients::EdgeRows;
use super::lanes::{LANES, Lanes, Packed};
use super::program::{Group, Order, Program};
use super::radial_weights::Span;
use super::strip_loops::{Backward, Forward, Half, Rows, RowsMut, ToHidden, ToWeight};
use super::strips::{PathMatrix, Strip, Unit};
use super::tiles::Tile;
use super::{Convolution, EDGES, Wanted};
use crate::host::real::Real;
use crate::host::simd::dispatch;

/// What all edges read.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, T> {
    pub(super) convolution: &'a Convolution<'a, T>,
    pub(super) program: &'a Program<'a, T>,
    pub(super) strips: &'a [Unit<T>],
}

/// One thread.
pub(super) struct SparseEdges<T> {
    /// Whether it forms gradients.
    backward: bool,
    spans: Vec<Held<T>>,
    buffers: Buffers<T>,
}

/// What is read of some edges by all groups.
struct Held<T> {
    edges: Range<usize>,
    /// The row of each.
    rows: Vec<usize>,
    harmonics: Packed<T>,
    active: ActiveHidden<T>,
}

/// For the edges of a span.
struct Buffers<T> {
    /// Kernel entries of a path, `[run, slot]`.
    entries: Vec<Lanes<T>>,
    /// Coupled features, `[edge, m_out, c_in]`.
    z: Vec<T>,
    to_z: Vec<T>,
    /// Messages, `[member, edge, m_out, c_out]`.
    messages: Vec<T>,
    /// The gradient to a strip of radial weights, `[edge, unit]`.
    to_radial: Vec<Unit<T>>,
    /// The gradient to the hidden features in the lists of the edges, as sums that are still apart.
    to_hidden: Vec<Half<T>>,
    /// Where the numbers of each edge begin in `z`, in its message and in what the rows have.
    at_edge: Vec<usize>,
    at_message: Vec<usize>,
    at_row: Vec<usize>,
}

impl<T: Real> SparseEdges<T> {
    pub(super) fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        backward: bool,
    ) -> Self {
        let groups = || program.groups_in(Order::SparseEdgeWeights);
        let coupled = groups().map(Group::coupled_len).max().unwrap_or(0);
        let slots = groups().map(Group::most_slots).max().unwrap_or(0);
        let messages = groups().map(|group| group.components * group.channels_out());
        let messages = messages.max();
        let edges = if groups().next().is_some() { EDGES } else { 0 };
        let back = if backward { edges } else { 0 };
        Self {
            backward,
            spans: Vec::new(),
            buffers: Buffers {
                entries: vec![[T::ZERO; LANES]; edges / LANES * slots],
                z: vec![T::ZERO; edges * coupled],
                to_z: vec![T::ZERO; back * coupled],
                messages: vec![T::ZERO; (edges - back) * messages.unwrap_or(0)],
                to_radial: vec![Unit::ZERO; back * Strip::MOST_UNITS],
                to_hidden: vec![[T::ZERO; LANES / 2]; back * list_len(convolution)],
                at_edge: Vec::new(),
                at_message: Vec::new(),
                at_row: Vec::new(),
            },
        }
    }

    /// Reads what the edges of some tiles have.
    fn hold(&mut self, convolution: &Convolution<'_, T>, tiles: &[Tile]) {
        let mut held = 0;
        for tile in tiles {
            let mut rows = tile.rows_of_edges(convolution.row_offsets);
            for Span { edges, .. } in Span::all(tile) {
                if held == self.spans.len() {
                    self.spans.push(Held {
                        edges: 0..0,
                        rows: Vec::new(),
                        harmonics: Packed::new(EDGES / LANES, convolution.harmonics_width),
                        active: ActiveHidden::new(self.backward),
                    });
                }
                let span = &mut self.spans[held];
                span.rows.clear();
                span.rows.extend(rows.by_ref().take(edges.len()));
                let harmonics = edges.clone().map(|edge| convolution.harmonics_of(edge));
                span.harmonics.load(harmonics);
                span.edges = edges;
                held += 1;
            }
        }
        self.spans.truncate(held);
    }

    /// Adds the messages of some tiles to their rows; `out` begins with row `first_row`.
    pub(super) fn forward(
        &mut self,
        job: Job<'_, T>,
        tiles: &[Tile],
        out: &mut [T],
        first_row: usize,
    ) {
        self.hold(job.convolution, tiles);
        for group in job.program.groups_in(Order::SparseEdgeWeights) {
            for span in &mut self.spans {
                span.active.hold(job.convolution, group.radial, &span.edges);
                self.buffers.forward(job, group, span, out, first_row);
            }
        }
    }

    /// Adds the gradients for the edges of some tiles. `grad` is the gradient to all rows, `weight` that to
    /// the strips.
    pub(super) fn backward(
        &mut self,
        job: Job<'_, T>,
        tiles: &[Tile],
        (grad, wanted): (&[T], Wanted),
        rows: &mut EdgeRows<'_, T>,
        weight: &mut [Unit<T>],
    ) {
        self.hold(job.convolution, tiles);
        for group in job.program.groups_in(Order::SparseEdgeWeights) {
            for span in &mut self.spans {
                span.active.hold(job.convolution, group.radial, &span.edges);
                let rows = rows.of(&span.edges);
                self.buffers
                    .backward(job, group, span, (grad, wanted), rows, weight);
            }
        }
    }
}

impl<T: Real> Buffers<T> {
    fn forward(
        &mut self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        span: &Held<T>,
        out: &mut [T],
        first_row: usize,
    ) {
        let (mul, dim_out) = (group.input.mul, job.convolution.dim_out());
        let numbers = |pair: &Pair| group.components * pair.output.mul;
        let count = span.edges.len();
        let all = count * group.components * group.channels_out();
        self.messages[..all].fill(T::ZERO);
        for index in 0..group.paths.len() {
            self.couple(job, group, index, span);
            let mut messages = &mut self.messages[..];
            for pair in &group.members {
                let own = messages.split_off_mut(..count * numbers(pair));
                self.at_message.clear();
                self.at_message
                    .extend((0..count).map(|edge| edge * numbers(pair)));
                let matrix = PathMatrix::new(group, pair, index, Pass::Forward);
                let features = job.convolution.hidden_with_bias();
                let weights = matrix.onwards(job.strips, features);
                let own = own.expect("the buffer holds the messages of the largest group");
                for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
                    let (weight, next) = strip.of(weights, features);
                    dispatch(Forward {
                        weight,
                        next,
                        active: &span.active,
                        strip,
                        components: group.components,
                        z: Rows {
                            data: &self.z,
                            at: &self.at_edge,
                            stride: mul,
                        },
                        out: RowsMut {
                            data: &mut *own,
                            at: &self.at_message,
                            stride: pair.output.mul,
                        },
                    });
                }
            }
        }
        // A message is summed once it is complete: one order of additions for each row.
        let mut messages = &self.messages[..];
        for pair in &group.members {
            let all_messages = messages.chunks_exact(numbers(pair));
            for (row, message) in span.rows.iter().zip(all_messages) {
                let to = &mut out[(row - first_row) * dim_out..][pair.output.columns()];
                to.iter_mut().zip(message).for_each(|(to, &m)| *to += m);
            }
            messages = &messages[count * numbers(pair)..];
        }
    }

    fn backward(
        &mut self,
        job: Job<'_, T>,
        group: &Group<'_, T>,
        span: &Held<T>,
        (grad, wanted): (&[T], Wanted),
        edges: EdgeRows<'_, T>,
        weight: &mut [Unit<T>],
    ) {
        let to_harmonics = wanted.harmonics;
        let pass = Pass::Backward { to_harmonics };
        let to_z = wanted.features || wanted.harmonics;
        let features = job.convolution.hidden_with_bias();
        let list = list_len(job.convolution);
        let count = span.edges.len();
        if wanted.hidden {
            self.to_hidden[..count * list].fill([T::ZERO; LANES / 2]);
        }
        for index in 0..group.paths.len() {
            self.couple(job, group, index, span);
            if to_z {
                self.to_z[..count * group.coupled_len()].fill(T::ZERO);
            }
            for pair in &group.members {
                self.find_rows(job, pair, span);
                let matrix = PathMatrix::new(group, pair, index, pass);
                let (z, g) = (group.input.mul, pair.output.mul);
                for strip in Strip::cut::<T>(matrix.rows, matrix.units) {
                    let to_radial = &mut self.to_radial[..count * strip.len()];
                    let (own, next) = strip.of(matrix.onwards(job.strips, features), features);
                    dispatch(Backward {
                        weight: own,
                        next,
                        active: &span.active,
                        strip,
                        components: group.components,
                        z: Rows {
                            data: &self.z,
                            at: &self.at_edge,
                            stride: z,
                        },
                        grad: Rows {
                            data: grad,
                            at: &self.at_row,
                            stride: g,
                        },
                        to_z: to_z.then_some(RowsMut {
                            data: &mut self.to_z,
                            at: &self.at_edge,
                            stride: z,
                        }),
                        to_radial: (wanted.weight || wanted.hidden).then_some(&mut *to_radial),
                    });
                    if wanted.hidden {
                        dispatch(ToHidden {
                            to: &mut self.to_hidden,
                            list,
                            weight: own,
                            active: &span.active,
                            to_radial,
                            strip,
                        });
                    }
                    if wanted.weight {
                        let to = matrix.onwards_mut(weight, features);
                        let (to, next) = strip.of_mut(to, features);
                        dispatch(ToWeight {
                            to,
                            next,
                            active: &span.active,
                            to_radial,
                            strip,
                        });
                    }
                }
            }
            if to_z {
                dispatch(CoupleBackward {
                    convolution: job.convolution,
                    group,
                    path: &group.paths[index],
                    edges: &span.edges,
                    entries: &self.entries,
                    to_z: &self.to_z,
                    to_x: wanted.features.then_some(&mut *edges.features),
                    to_y: wanted.harmonics.then_some(&mut *edges.harmonics),
                });
            }
        }
        if wanted.hidden {
            self.add_to_hidden(job, group, span, edges.hidden);
        }
    }

    /// Where the numbers of a pair begin in the row of each edge.
    fn find_rows(&mut self, job: Job<'_, T>, pair: &Pair, span: &Held<T>) {
        let (dim, column) = (job.convolution.dim_out(), pair.output.columns().start);
        self.at_row.clear();
        let rows = span.rows.iter();
        self.at_row.extend(rows.map(|row| row * dim + column));
    }

    fn couple(&mut self, job: Job<'_, T>, group: &Group<'_, T>, index: usize, span: &Held<T>) {
        let len = group.coupled_len();
        self.at_edge.clear();
        self.at_edge
            .extend((0..span.edges.len()).map(|edge| edge * len));
        dispatch(Couple {
            convolution: job.convolution,
            group,
            path: &group.paths[index],
            edges: &span.edges,
            y: &span.harmonics,
            entries: &mut self.entries,
            z: &mut self.z,
        });
    }

    fn add_to_hidden(&self, job: Job<'_, T>, group: &Group<'_, T>, span: &Held<T>, to: &mut [T]) {
        let (width, stride) = (
            job.convolution.hidden_width,
            job.convolution.hidden_stride(),
        );
        let own = self.to_hidden.chunks_exact(list_len(job.convolution));
        for (edge, (active, own)) in span.active.of_edges().zip(own).enumerate() {
            let to = &mut to[edge * stride + group.radial * width..][..width];
            for (&Active { index, .. }, own) in active.iter().zip(own) {
                // The bias has no gradient to a feature.
                if let Some(to) = to.get_mut(index as usize) {
                    *to += own.iter().fold(T::ZERO, |sum, &part| sum + part);
                }
            }
        }
    }
}

/// Room for the hidden features of one edge.
fn list_len<T: Real>(convolution: &Convolution<'_, T>) -> usize {
    let features = convolution.hidden_with_bias();
    features.next_multiple_of(FOUR).max(FOUR)
}
