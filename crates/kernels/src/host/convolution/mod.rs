//! The full and the channel-wise convolution, tile by tile.
//!
//! For a tile of edges everything that is larger than a feature row stays in cache: radial weights or
//! sums of outer products are formed, used and forgotten, and the backward pass forms them again. What
//! is stored grows with edges x hidden, nodes x features and, in the backward pass, threads x weights;
//! never with edges x features or edges x c_in x c_out x paths.

mod active;
mod apply;
mod channel_wise;
mod cost;
mod couple;
mod couple_edges;
mod edge_frames;
mod edge_weights;
mod frame_layer;
mod frames;
mod gradients;
mod lanes;
mod last_layer;
mod program;
mod radial_weights;
mod row_sums;
mod sparse_edges;
mod strip_loops;
mod strips;
#[cfg(test)]
mod tests;
mod tiles;
mod turns;
mod unframed;
mod worker;

use std::ops::Range;

use rayon::prelude::*;
use steerable_harmonics::plan::ConvolutionPlan;

pub(crate) use self::gradients::ConvolutionGradients;
pub use self::gradients::Wanted;

use self::cost::{MOST_HIDDEN, Pass, Size};
use self::gradients::EdgeRows;
use self::lanes::LANES;
use self::last_layer::{Layer, PackedWeight};
use self::program::{Group, Order, Program};
use self::tiles::{Tile, split_at_rows};
use self::worker::Worker;
use super::matmul::Matrix;
use super::real::{Real, axpy};
use super::tasks::{run_all, split_mut};

/// Edges in a tile where rows are summed first: products over many rows run faster.
const EDGES_WITH_SUMS: usize = 256;
/// Edges in a tile where all radial weights are formed edge by edge.
const EDGES: usize = radial_weights::RUNS * LANES;
/// Edges that go by strips together in the forward pass, group after group; in the backward pass it is those
/// in flight.
const EDGES_TOGETHER: usize = 1024;
/// Below this many edges a second thread costs more than it brings.
const EDGES_PER_THREAD: usize = 64;
/// Edges per thread whose gradients to source features wait to be summed.
const EDGES_IN_FLIGHT: usize = 512;

/// The tensors of one convolution, on the host, row-major.
#[derive(Clone, Copy)]
pub(crate) struct Convolution<'a, T> {
    pub(crate) plan: &'a ConvolutionPlan,
    /// `[num_src, dim_in]`
    pub(crate) features: &'a [T],
    /// `[num_edges, harmonics_width]`
    pub(crate) harmonics: &'a [T],
    pub(crate) harmonics_width: usize,
    /// `[num_edges, num_radials * hidden_width]`
    pub(crate) hidden: &'a [T],
    pub(crate) hidden_width: usize,
    pub(crate) hidden_kind: HiddenKind,
    /// `[hidden_width, num_weights]`, with one more row when there is a bias.
    pub(crate) weight: &'a [T],
    /// Row of `features` that each edge reads.
    pub(crate) src: &'a [i32],
    /// Edges `row_offsets[i]..row_offsets[i + 1]` are summed into output row i.
    pub(crate) row_offsets: &'a [i32],
}

/// What is known of the hidden radial features of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenKind {
    /// Nothing.
    Any,
    /// They come straight out of a ReLU. Its derivative is zero where it gives zero, so the gradient to a hidden
    /// feature of zero does not matter: what is given there means nothing.
    Rectified,
}

impl<'a, T: Real> Convolution<'a, T> {
    fn dim_in(&self) -> usize {
        self.plan.irreps_in().dim()
    }

    fn dim_out(&self) -> usize {
        self.plan.irreps_out().dim()
    }

    fn num_edges(&self) -> usize {
        self.src.len()
    }

    fn num_rows(&self) -> usize {
        self.row_offsets.len() - 1
    }

    fn hidden_stride(&self) -> usize {
        self.plan.num_radials().max(1) * self.hidden_width
    }

    fn layer(&self) -> Layer<'a, T> {
        Layer {
            numbers: self.weight,
            hidden: self.hidden_width,
            columns: self.plan.num_weights(),
            by_column: &[],
        }
    }

    fn bias(&self) -> Option<&'a [T]> {
        self.layer().bias()
    }

    /// Hidden features of an edge, and one more for the bias.
    fn hidden_with_bias(&self) -> usize {
        self.layer().hidden_with_bias()
    }

    /// Hidden features of some edges for one radial network, `[edges, hidden_width]`.
    fn hidden_of(&self, radial: usize, edges: &Range<usize>) -> Matrix<'a, T> {
        let (width, stride) = (self.hidden_width, self.hidden_stride());
        let first = edges.start * stride + radial * width;
        Matrix::new(&self.hidden[first..], edges.len(), width, stride)
    }

    fn features_of(&self, edge: usize) -> &'a [T] {
        row(self.features, self.src[edge] as usize, self.dim_in())
    }

    fn harmonics_of(&self, edge: usize) -> &'a [T] {
        row(self.harmonics, edge, self.harmonics_width)
    }

    fn threads(&self) -> usize {
        (self.num_edges() / EDGES_PER_THREAD).clamp(1, rayon::current_num_threads())
    }

    fn size(&self, groups: &[Group<'_, T>], pass: Pass) -> Size {
        let rows = self.row_offsets.windows(2).filter(|pair| pair[0] < pair[1]);
        let hidden = self.hidden_with_bias();
        let may_be_sparse = self.hidden_kind == HiddenKind::Rectified
            && hidden <= MOST_HIDDEN
            && groups.iter().any(|group| group.fits_strips(pass));
        Size {
            edges: self.num_edges(),
            rows: rows.count(),
            active: may_be_sparse.then(|| self.active_hidden()),
            hidden,
            pass,
        }
    }

    /// Hidden features of an edge that are not zero, in the mean, counting the bias.
    fn active_hidden(&self) -> f64 {
        let active = |part: &[T]| part.iter().filter(|value| **value != T::ZERO).count();
        let active: usize = self.hidden.par_chunks(1 << 16).map(active).sum();
        let networks = self.num_edges() * self.plan.num_radials().max(1);
        active as f64 / networks.max(1) as f64 + f64::from(self.bias().is_some())
    }

    /// `[num_rows, dim_out]`: messages summed over each row's edges.
    pub(crate) fn forward(&self) -> Vec<T> {
        self.forward_in(None)
    }

    fn forward_in(&self, order: Option<Order>) -> Vec<T> {
        let mut out = vec![T::ZERO; self.num_rows() * self.dim_out()];
        let program = self.program(order, Pass::Forward);
        self.add_messages(&program, &mut out);
        if let Some(unframed) = &program.unframed {
            let others = unframed.convolution(self);
            others.add_messages(&unframed.program, &mut out);
        }
        out
    }

    fn add_messages(&self, program: &Program<'_, T>, out: &mut [T]) {
        let dim_out = self.dim_out();
        let packed = PackedWeight::forward(self, program);
        let parts = split_at_rows(&program.tiles, self.threads());
        let ends = parts
            .iter()
            .map(|part| program.tiles[part.end - 1].rows.end);
        let starts = std::iter::once(0).chain(ends.clone());
        let lengths = ends
            .zip(starts.clone())
            .map(|(end, start)| (end - start) * dim_out);
        let outs = split_mut(out, lengths);
        let tasks = parts.iter().cloned().zip(outs).zip(starts).collect();
        run_all(tasks, |((part, out), first_row)| {
            let mut worker = Worker::new(self, program, None);
            worker.forward(self, program, &packed, part, out, first_row);
        });
    }

    /// Gradients for the output gradient `grad`, `[num_rows, dim_out]`.
    pub(crate) fn backward(&self, grad: &[T], wanted: Wanted) -> ConvolutionGradients<T> {
        self.backward_in(grad, wanted, None)
    }

    fn backward_in(
        &self,
        grad: &[T],
        wanted: Wanted,
        order: Option<Order>,
    ) -> ConvolutionGradients<T> {
        let to_harmonics = wanted.harmonics;
        let program = self.program(order, Pass::Backward { to_harmonics });
        let features = zeros(wanted.features, self.features.len());
        let mut gradients = self.gradients(&program, grad, wanted, features);
        if let Some(unframed) = &program.unframed {
            let others = unframed.convolution(self);
            let features = std::mem::take(&mut gradients.features);
            let found = others.gradients(&unframed.program, grad, wanted, features);
            unframed.add_gradients(found, &mut gradients);
        }
        gradients
    }

    /// The gradients of a program; that to the features is added to `features`.
    fn gradients(
        &self,
        program: &Program<'_, T>,
        grad: &[T],
        wanted: Wanted,
        mut features: Vec<T>,
    ) -> ConvolutionGradients<T> {
        let (edges, dim_in) = (self.num_edges(), self.dim_in());
        let mut harmonics = zeros(wanted.harmonics, self.harmonics.len());
        let mut hidden = zeros(wanted.hidden, self.hidden.len());

        let packed = PackedWeight::backward(self, program, wanted);
        let threads = self.threads();
        let mut workers = run_all((0..threads).collect(), |_| {
            Worker::new(self, program, Some(wanted))
        });
        let most = program.tiles.iter().map(|tile| tile.edges.len()).max();
        let in_flight = threads * EDGES_IN_FLIGHT.max(most.unwrap_or(0));
        let mut edge_features = zeros(wanted.features, in_flight.min(edges) * dim_in);
        let mut rest = EdgeRows {
            edges: 0..edges,
            features: &mut [],
            harmonics: &mut harmonics,
            hidden: &mut hidden,
        };
        for block in blocks(&program.tiles, in_flight) {
            let [.., last] = block else { continue };
            let mut rows = rest.take(last.edges.end);
            let mine = rows.edges.clone();
            if wanted.features {
                rows.features = &mut edge_features[..mine.len() * dim_in];
            }
            let parts = even_parts(block, threads).filter(|part| !part.is_empty());
            let tasks: Vec<_> = workers
                .iter_mut()
                .zip(parts)
                .map(|(worker, part)| (worker, part, rows.take(part[part.len() - 1].edges.end)))
                .collect();
            run_all(tasks, |(worker, part, rows)| {
                worker.backward(self, program, &packed, part, (grad, wanted), rows);
            });
            if wanted.features && dim_in > 0 {
                scatter(&mut features, dim_in, &self.src[mine], &edge_features);
            }
        }
        ConvolutionGradients {
            features,
            harmonics,
            hidden,
            weight: self.weight_gradient(workers, program, wanted),
        }
    }

    /// The parts of the threads, summed in their order: the same bits for the same number of threads.
    fn weight_gradient(
        &self,
        workers: Vec<Worker<T>>,
        program: &Program<'_, T>,
        wanted: Wanted,
    ) -> Vec<T> {
        if !wanted.weight {
            return Vec::new();
        }
        let mut workers = workers.into_iter();
        let first = workers.next().expect("there is a worker");
        let (mut sum, mut folded) = (first.to_weight, first.to_folded);
        let mut strips = vec![first.to_strips];
        for worker in workers {
            sum.add(&worker.to_weight);
            folded.add(&worker.to_folded);
            strips.push(worker.to_strips);
        }
        if let Some(framing) = &program.framing {
            framing.layer.unfold(&folded, &mut sum);
        }
        sum.unpack(&strips, self, program)
    }
}

/// Runs of tiles with at most `edges` edges together, at least one tile each.
fn blocks(tiles: &[Tile], edges: usize) -> Vec<&[Tile]> {
    let mut out = Vec::new();
    let mut rest = tiles;
    while let [first, ..] = rest {
        let start = first.edges.start;
        let count = rest.partition_point(|tile| tile.edges.end - start <= edges);
        let (block, others) = rest.split_at(count.max(1));
        out.push(block);
        rest = others;
    }
    out
}

/// Cuts tiles into `parts` runs with about equal numbers of tiles.
fn even_parts(tiles: &[Tile], parts: usize) -> impl Iterator<Item = &[Tile]> {
    (0..parts).map(move |part| &tiles[tiles.len() * part / parts..tiles.len() * (part + 1) / parts])
}

/// `out[src[e]] += rows[e]`, for each row of `out` in the order of the edges.
fn scatter<T: Real>(out: &mut [T], width: usize, src: &[i32], rows: &[T]) {
    let nodes = out.len() / width;
    let parts = ((src.len() * width) >> 16).clamp(1, rayon::current_num_threads());
    let per_part = nodes.div_ceil(parts).max(1);
    out.par_chunks_mut(per_part * width)
        .enumerate()
        .for_each(|(part, out)| {
            let first = part * per_part;
            for (&node, from) in src.iter().zip(rows.chunks_exact(width)) {
                let to = (node as usize)
                    .checked_sub(first)
                    .and_then(|at| out.get_mut(at * width..(at + 1) * width));
                if let Some(to) = to {
                    axpy(to, T::ONE, from);
                }
            }
        });
}

fn zeros<T: Real>(wanted: bool, len: usize) -> Vec<T> {
    vec![T::ZERO; if wanted { len } else { 0 }]
}

fn row<T>(data: &[T], index: usize, width: usize) -> &[T] {
    &data[index * width..(index + 1) * width]
}
