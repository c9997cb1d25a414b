//! The full and the channel-wise convolution, tile by tile.
//!
//! For a tile of edges everything that is larger than a feature row stays in cache: radial weights or
//! sums of outer products are formed, used and forgotten, and the backward pass forms them again. What
//! is stored grows with edges x hidden, nodes x features and, in the backward pass, threads x weights;
//! never with edges x features or edges x c_in x c_out x paths.

mod channel_wise;
mod couple;
mod edge_weights;
mod lanes;
mod program;
mod row_sums;
#[cfg(test)]
mod tests;
mod tiles;

use std::ops::Range;

use rayon::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Weighting};

use self::channel_wise::ChannelWise;
use self::edge_weights::EdgeWeights;
use self::lanes::{LANES, Packed};
use self::program::{Group, Order, Size, groups};
use self::row_sums::{Job, PackedWeight, RowSums, most_rows};
use self::tiles::{Segment, Tile, split_at_rows, tiles};
use super::matmul::Matrix;
use super::real::{Real, axpy};

/// Edges in a tile where rows are summed first: products over many rows run faster.
const EDGES_WITH_SUMS: usize = 256;
/// Edges in a tile where all radial weights are formed edge by edge.
const EDGES: usize = edge_weights::RUNS * LANES;
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
    /// `[hidden_width, num_weights]`, with one more row when there is a bias.
    pub(crate) weight: &'a [T],
    /// Row of `features` that each edge reads.
    pub(crate) src: &'a [i32],
    /// Edges `row_offsets[i]..row_offsets[i + 1]` are summed into output row i.
    pub(crate) row_offsets: &'a [i32],
}

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
struct TileGradients<'a, T> {
    /// To the features and harmonics of the edges, in lanes.
    x: &'a mut Packed<T>,
    y: &'a mut Packed<T>,
    /// Rows of the tile's edges.
    hidden: &'a mut [T],
    weight: &'a mut WeightGradient<T>,
}

/// The gradient to the last radial layer, in the layouts that the products write fastest; empty where
/// it is not wanted.
#[derive(Default)]
struct WeightGradient<T> {
    /// Of the pairs that form radial weights, `[num_weights, hidden]`.
    columns: Vec<T>,
    /// Of the pairs that sum rows first.
    packed: PackedWeight<T>,
    /// `[num_weights]`, empty if there is none.
    bias: Vec<T>,
}

impl<T: Real> WeightGradient<T> {
    fn zeros(convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Self {
        let all = convolution.plan.num_weights();
        let sized = |needed: bool, len: usize| vec![T::ZERO; if needed { len } else { 0 }];
        let sums_all = !program.groups.is_empty() && !program.has(Order::EdgeWeights);
        Self {
            columns: sized(!sums_all, all * convolution.hidden_width),
            packed: PackedWeight::zeros(convolution, &program.groups),
            bias: sized(convolution.bias().is_some(), all),
        }
    }

    fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.packed.is_empty() && self.bias.is_empty()
    }

    fn add(&mut self, other: &Self) {
        axpy(&mut self.columns, T::ONE, &other.columns);
        axpy(self.packed.as_mut_slice(), T::ONE, other.packed.as_slice());
        axpy(&mut self.bias, T::ONE, &other.bias);
    }

    /// In the layout of the layer.
    fn unpack(&self, convolution: &Convolution<'_, T>, program: &Program<'_, T>) -> Vec<T> {
        let (hidden, all) = (convolution.hidden_width, convolution.plan.num_weights());
        let mut out = vec![T::ZERO; convolution.weight.len()];
        // Sixteen columns at a time: whole cache lines are read and written.
        for first in (0..all).step_by(LANES) {
            let columns = first..(first + LANES).min(all);
            let Some(from) = self.columns.get(first * hidden..columns.end * hidden) else {
                break;
            };
            for h in 0..hidden {
                let to = &mut out[h * all..(h + 1) * all][columns.clone()];
                for (to, from) in to.iter_mut().zip(from.iter().skip(h).step_by(hidden)) {
                    *to = *from;
                }
            }
        }
        self.packed.add_to(convolution, &program.groups, &mut out);
        out[hidden * all..].copy_from_slice(&self.bias);
        out
    }
}

/// Gradient rows of consecutive edges.
struct EdgeRows<'a, T> {
    features: &'a mut [T],
    harmonics: &'a mut [T],
    hidden: &'a mut [T],
}

impl<'a, T> EdgeRows<'a, T> {
    /// Splits the rows of the first `edges` of `all` edges off.
    fn take(&mut self, edges: usize, all: usize) -> EdgeRows<'a, T> {
        fn first<'a, T>(rows: &mut &'a mut [T], edges: usize, all: usize) -> &'a mut [T] {
            let width = rows.len() / all.max(1);
            let (mine, others) = std::mem::take(rows).split_at_mut(edges * width);
            *rows = others;
            mine
        }
        EdgeRows {
            features: first(&mut self.features, edges, all),
            harmonics: first(&mut self.harmonics, edges, all),
            hidden: first(&mut self.hidden, edges, all),
        }
    }
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
        self.plan.num_radials() * self.hidden_width
    }

    fn bias(&self) -> Option<&'a [T]> {
        let rows = self.hidden_width * self.plan.num_weights();
        (self.weight.len() > rows).then(|| &self.weight[rows..])
    }

    /// Columns of the last radial layer, without the bias.
    fn weight_of(&self, columns: &Range<usize>) -> Matrix<'a, T> {
        let (rows, all) = (self.hidden_width, self.plan.num_weights());
        // A layer without rows has no numbers at all.
        let data = self.weight.get(columns.start..).unwrap_or_default();
        Matrix::new(data, rows, columns.len(), all)
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

    fn size(&self) -> Size {
        let rows = self.row_offsets.windows(2).filter(|pair| pair[0] < pair[1]);
        Size {
            edges: self.num_edges(),
            rows: rows.count(),
            hidden: self.hidden_width + usize::from(self.bias().is_some()),
        }
    }

    fn program(&self, forced: Option<Order>) -> Program<'a, T> {
        match self.plan.weighting() {
            Weighting::ChannelWise => Program {
                groups: Vec::new(),
                tiles: tiles(self.row_offsets, EDGES, usize::MAX),
            },
            Weighting::Full => {
                let groups = groups(self.plan, self.size(), forced);
                let sums = groups.iter().any(|group| group.order == Order::RowSums);
                let edges = if sums { EDGES_WITH_SUMS } else { EDGES };
                let rows = most_rows(&groups, self.hidden_width);
                Program {
                    groups,
                    tiles: tiles(self.row_offsets, edges, rows),
                }
            }
        }
    }

    /// `[num_rows, dim_out]`: messages summed over each row's edges.
    pub(crate) fn forward(&self) -> Vec<T> {
        self.forward_in(None)
    }

    fn forward_in(&self, order: Option<Order>) -> Vec<T> {
        let dim_out = self.dim_out();
        let mut out = vec![T::ZERO; self.num_rows() * dim_out];
        let program = self.program(order);
        let packed = PackedWeight::new(self, &program.groups);
        let parts = split_at_rows(&program.tiles, self.threads());
        let mut tasks = Vec::with_capacity(parts.len());
        let (mut rest, mut first_row) = (out.as_mut_slice(), 0);
        for part in parts {
            let tiles = &program.tiles[part];
            let end = tiles[tiles.len() - 1].rows.end;
            let (mine, others) = rest.split_at_mut((end - first_row) * dim_out);
            tasks.push((tiles, mine, first_row));
            (rest, first_row) = (others, end);
        }
        tasks.into_par_iter().for_each(|(tiles, out, first_row)| {
            let mut worker = Worker::new(self, &program, None);
            for tile in tiles {
                worker.forward(self, &program, &packed, tile, out, first_row);
            }
        });
        out
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
        let (edges, dim_in) = (self.num_edges(), self.dim_in());
        let sized = |wanted: bool, len: usize| vec![T::ZERO; if wanted { len } else { 0 }];
        let mut features = sized(wanted.features, self.features.len());
        let mut harmonics = sized(wanted.harmonics, self.harmonics.len());
        let mut hidden = sized(wanted.hidden, self.hidden.len());

        let program = self.program(order);
        let packed = PackedWeight::transposed(self, &program.groups);
        let threads = self.threads();
        let mut workers: Vec<Worker<T>> = (0..threads)
            .map(|_| Worker::new(self, &program, Some(wanted)))
            .collect();
        let most = program.tiles.iter().map(|tile| tile.edges.len()).max();
        let in_flight = threads * EDGES_IN_FLIGHT.max(most.unwrap_or(0));
        let mut edge_features = sized(wanted.features, in_flight.min(edges) * dim_in);
        let mut rest = EdgeRows {
            features: &mut [],
            harmonics: &mut harmonics,
            hidden: &mut hidden,
        };
        let mut done = 0;
        for block in blocks(&program.tiles, in_flight) {
            let edges_of = |tiles: &[Tile]| match (tiles.first(), tiles.last()) {
                (Some(first), Some(last)) => first.edges.start..last.edges.end,
                _ => 0..0,
            };
            let mine = edges_of(block);
            let mut rows = rest.take(mine.len(), edges - done);
            done += mine.len();
            let len = if wanted.features {
                mine.len() * dim_in
            } else {
                0
            };
            rows.features = &mut edge_features[..len];
            let mut left = mine.len();
            let tasks: Vec<_> = workers
                .iter_mut()
                .zip(even_parts(block, threads))
                .map(|(worker, part)| {
                    let count = edges_of(part).len();
                    let rows = rows.take(count, left);
                    left -= count;
                    (worker, part, rows)
                })
                .collect();
            tasks.into_par_iter().for_each(|(worker, part, mut rows)| {
                let mut left = edges_of(part).len();
                for tile in part {
                    let rows = rows.take(tile.edges.len(), left);
                    left -= tile.edges.len();
                    worker.backward(self, &program, &packed, tile, (grad, wanted), rows);
                }
            });
            if wanted.features && dim_in > 0 {
                scatter(&mut features, dim_in, &self.src[mine], &edge_features);
            }
        }
        ConvolutionGradients {
            features,
            harmonics,
            hidden,
            weight: self.weight_gradient(workers, &program, wanted),
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
        let mut parts = workers.into_iter().map(|worker| worker.to_weight);
        let Some(mut sum) = parts.next() else {
            return vec![T::ZERO; self.weight.len()];
        };
        parts.for_each(|part| sum.add(&part));
        sum.unpack(self, program)
    }
}

/// What is done, and in which pieces.
struct Program<'a, T> {
    /// Of a full convolution.
    groups: Vec<Group<'a, T>>,
    tiles: Vec<Tile>,
}

impl<T> Program<'_, T> {
    fn groups_in(&self, order: Order) -> impl Iterator<Item = &Group<'_, T>> {
        self.groups.iter().filter(move |group| group.order == order)
    }

    fn has(&self, order: Order) -> bool {
        self.groups_in(order).next().is_some()
    }
}

/// One thread's buffers.
struct Worker<T> {
    segments: Vec<Segment>,
    x: Packed<T>,
    y: Packed<T>,
    /// Messages of the tile's edges, or the gradient to them.
    messages: Packed<T>,
    to_x: Packed<T>,
    to_y: Packed<T>,
    edge_weights: EdgeWeights<T>,
    row_sums: RowSums<T>,
    channel_wise: Option<ChannelWise<T>>,
    /// This thread's part of the gradient to the last radial layer.
    to_weight: WeightGradient<T>,
}

impl<T: Real> Worker<T> {
    fn new(
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        wanted: Option<Wanted>,
    ) -> Self {
        let tiles = || program.tiles.iter();
        let runs = tiles().map(Tile::runs).max().unwrap_or(0);
        let segments = tiles().map(|tile| tile.segments(convolution.row_offsets).count());
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        let is_full = convolution.plan.weighting() == Weighting::Full;
        let has_bias = convolution.bias().is_some();
        let wants = |gradient: fn(&Wanted) -> bool| wanted.as_ref().is_some_and(gradient);
        let packed =
            |is_needed: bool, width: usize| Packed::new(if is_needed { runs } else { 0 }, width);
        let rows = match program.has(Order::RowSums) {
            true => segments.max().unwrap_or(0),
            false => 0,
        };
        Self {
            segments: Vec::new(),
            x: packed(is_full, dim_in),
            y: packed(is_full, convolution.harmonics_width),
            messages: packed(program.has(Order::EdgeWeights), dim_out),
            to_x: packed(is_full && wants(|w| w.features), dim_in),
            to_y: packed(
                is_full && wants(|w| w.harmonics),
                convolution.harmonics_width,
            ),
            edge_weights: EdgeWeights::new(
                program.groups_in(Order::EdgeWeights),
                convolution.hidden_width,
                wanted.is_some(),
            ),
            row_sums: RowSums::new(
                &program.groups,
                convolution.hidden_width,
                has_bias,
                (runs, rows),
                wanted.is_some(),
            ),
            channel_wise: (!is_full).then(|| ChannelWise::new(convolution, wanted)),
            to_weight: match wants(|w| w.weight) {
                true => WeightGradient::zeros(convolution, program),
                false => WeightGradient::default(),
            },
        }
    }

    fn load(&mut self, convolution: &Convolution<'_, T>, tile: &Tile) {
        self.segments.clear();
        self.segments.extend(tile.segments(convolution.row_offsets));
        let edges = || tile.edges.clone();
        self.x
            .load(edges().map(|edge| convolution.features_of(edge)));
        self.y
            .load(edges().map(|edge| convolution.harmonics_of(edge)));
    }

    /// Adds the messages of a tile to its rows; `out` begins with row `first_row`.
    fn forward(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        tile: &Tile,
        out: &mut [T],
        first_row: usize,
    ) {
        if let Some(channel_wise) = &mut self.channel_wise {
            channel_wise.forward(convolution, tile, out, first_row);
            return;
        }
        self.load(convolution, tile);
        for group in program.groups_in(Order::RowSums) {
            let job = Job {
                convolution,
                group,
                packed,
                tile,
                segments: &self.segments,
                x: &self.x,
                y: &self.y,
            };
            self.row_sums.forward(job, out, first_row);
        }
        if !program.has(Order::EdgeWeights) {
            return;
        }
        self.messages.clear(tile.runs());
        for group in program.groups_in(Order::EdgeWeights) {
            let (x, y) = (&self.x, &self.y);
            let messages = &mut self.messages;
            self.edge_weights
                .forward(convolution, group, tile, x, y, messages);
        }
        // A message is summed once it is complete: one order of additions for each row.
        let dim_out = convolution.dim_out();
        for segment in &self.segments {
            let out = &mut out[(segment.row - first_row) * dim_out..][..dim_out];
            for edge in segment.edges.clone() {
                self.messages.add_to(edge, out);
            }
        }
    }

    fn backward(
        &mut self,
        convolution: &Convolution<'_, T>,
        program: &Program<'_, T>,
        packed: &PackedWeight<T>,
        tile: &Tile,
        (grad, wanted): (&[T], Wanted),
        rows: EdgeRows<'_, T>,
    ) {
        if let Some(channel_wise) = &mut self.channel_wise {
            let to_weight = &mut self.to_weight;
            channel_wise.backward(convolution, tile, (grad, wanted), rows, to_weight);
            return;
        }
        self.load(convolution, tile);
        let (dim_in, dim_out) = (convolution.dim_in(), convolution.dim_out());
        if wanted.features {
            self.to_x.clear(tile.runs());
        }
        if wanted.harmonics {
            self.to_y.clear(tile.runs());
        }
        let mut gradients = TileGradients {
            x: &mut self.to_x,
            y: &mut self.to_y,
            hidden: rows.hidden,
            weight: &mut self.to_weight,
        };
        for group in program.groups_in(Order::RowSums) {
            let job = Job {
                convolution,
                group,
                packed,
                tile,
                segments: &self.segments,
                x: &self.x,
                y: &self.y,
            };
            self.row_sums.backward(job, grad, wanted, &mut gradients);
        }
        if program.has(Order::EdgeWeights) {
            let mut row_of_edge = Vec::with_capacity(tile.edges.len());
            for segment in &self.segments {
                row_of_edge.extend(segment.edges.clone().map(|_| segment.row));
            }
            self.messages
                .load(row_of_edge.iter().map(|&at| row(grad, at, dim_out)));
            let read = (&self.x, &self.y, &self.messages);
            for group in program.groups_in(Order::EdgeWeights) {
                self.edge_weights
                    .backward(convolution, group, tile, read, wanted, &mut gradients);
            }
        }
        if wanted.features && dim_in > 0 {
            for (edge, to) in rows.features.chunks_exact_mut(dim_in).enumerate() {
                self.to_x.copy_to(edge, to);
            }
        }
        if wanted.harmonics {
            let rows = rows.harmonics.chunks_exact_mut(convolution.harmonics_width);
            for (edge, to) in rows.enumerate() {
                self.to_y.copy_to(edge, to);
            }
        }
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

fn row<T>(data: &[T], index: usize, width: usize) -> &[T] {
    &data[index * width..(index + 1) * width]
}
