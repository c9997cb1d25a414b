//! The convolution on GPUs.
//!
//! Radial weights are formed in registers, or in shared memory, and never reach the memory of the
//! device. What does, besides inputs and results, are messages of the full convolution and gradients
//! to coupled features, for as many edges at a time as a budget allows.

mod coupled;
mod messages;
mod program;
mod radial;
mod tile;

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Weighting};

use self::program::{Cut, Program, Reading};
use self::radial::Columns;
use self::tile::{Tile, UNITS, lanes};
use super::{
    THREADS, buffer, dims, empty_like, has_kernels, one_thread_each, row_major, upload, zeros,
};
use crate::ConvolutionOps;
use crate::host::convolution::Wanted;
use crate::ops::convolution::{convolve_backward_on_host, convolve_on_host};

/// Numbers of an intermediate result that are kept at a time: 64 MiB, half of what WebGPU binds.
const BUDGET: usize = 1 << 24;
/// Input channels that a step of the full convolution sums over.
const CHANNELS: usize = 4;
/// Workgroups that fill a GPU.
const MANY: usize = 512;

/// The tensors of one convolution, row-major.
struct Convolution {
    plan: Arc<ConvolutionPlan>,
    features: CubeTensor,
    harmonics: CubeTensor,
    hidden: CubeTensor,
    weight: CubeTensor,
    src: CubeTensor,
    row_offsets: CubeTensor,
    edges: usize,
    rows: usize,
}

impl Convolution {
    fn new(
        floats: [CubeTensor; 4],
        src: CubeTensor,
        row_offsets: CubeTensor,
        plan: Arc<ConvolutionPlan>,
    ) -> Self {
        let [features, harmonics, hidden, weight] = row_major(floats);
        let [src, row_offsets] = row_major([src, row_offsets]);
        Self {
            plan,
            edges: src.meta.shape()[0],
            rows: row_offsets.meta.shape()[0] - 1,
            features,
            harmonics,
            hidden,
            weight,
            src,
            row_offsets,
        }
    }

    /// Whether the result is zero whatever the numbers are.
    fn is_zero(&self) -> bool {
        self.edges == 0 || self.plan.num_weights() == 0
    }

    fn hidden_width(&self) -> usize {
        dims(&self.hidden)[1] / self.plan.num_radials()
    }

    fn bias(&self) -> bool {
        dims(&self.weight)[0] > self.hidden_width()
    }

    fn tile(&self, mul: usize, components: usize, channels: usize, edges: usize) -> Tile {
        let (hidden, bias) = (self.hidden_width(), self.bias());
        Tile::new(mul, components, channels, hidden, bias, edges)
    }

    fn upload(&self, words: &[u32]) -> CubeTensor {
        upload(&self.features, words)
    }

    fn zeros(&self, shape: [usize; 2]) -> CubeTensor {
        zeros(&self.features, shape)
    }

    fn forward(&self) -> CubeTensor {
        match self.plan.weighting() {
            Weighting::Full => self.forward_full(),
            Weighting::ChannelWise => self.forward_channel_wise(),
        }
    }

    fn forward_full(&self) -> CubeTensor {
        let width = self.plan.irreps_out().dim();
        let out = empty_like(&self.features, [self.rows, width]);
        let program = Program::new(&self.plan, CHANNELS, Cut::Output);
        let words = self.upload(&program.words);
        let chunk = chunk(self.edges, width);
        let messages = match self.plan.unreachable_outputs().is_empty() {
            true => empty_like(&self.features, [chunk, width]),
            false => self.zeros([chunk, width]),
        };
        for start in (0..self.edges).step_by(chunk) {
            let end = (start + chunk).min(self.edges);
            for run in &program.runs {
                let tile = self.tile(run.mul, run.components, CHANNELS, end - start);
                messages::full::launch(
                    &out.client,
                    workgroups(
                        (end - start).div_ceil(tile.edges()),
                        run.mul.div_ceil(tile.lanes),
                        1,
                    ),
                    CubeDim::new_1d(THREADS),
                    buffer(&self.features),
                    buffer(&self.harmonics),
                    buffer(&self.hidden),
                    buffer(&self.weight),
                    buffer(&self.src),
                    buffer(&words),
                    buffer(&messages),
                    start,
                    end,
                    run.first,
                    run.len,
                    dims(&self.features)[1],
                    dims(&self.harmonics)[1],
                    dims(&self.hidden)[1],
                    self.plan.num_weights(),
                    width,
                    tile,
                );
            }
            let count = self.rows * width;
            let (groups, threads) = one_thread_each(&out, count);
            messages::add_up::launch(
                &out.client,
                groups,
                threads,
                buffer(&messages),
                buffer(&self.row_offsets),
                buffer(&out),
                start,
                end,
                width,
                count,
            );
        }
        out
    }

    fn forward_channel_wise(&self) -> CubeTensor {
        // Every output block belongs to a path: all columns are written.
        let out = empty_like(&self.features, [self.rows, self.plan.irreps_out().dim()]);
        let program = Program::new(&self.plan, 32, Cut::Degree);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let tile = Tile {
                edges_per_thread: 4,
                lanes: lanes(run.mul),
                ..self.tile(run.mul, run.components, 1, self.edges)
            };
            messages::channel_wise::launch(
                &out.client,
                workgroups(self.rows.div_ceil(tile.groups()), run.len, 1),
                CubeDim::new_1d(THREADS),
                buffer(&self.features),
                buffer(&self.harmonics),
                buffer(&self.hidden),
                buffer(&self.weight),
                buffer(&self.src),
                buffer(&self.row_offsets),
                buffer(&words),
                buffer(&out),
                self.rows,
                run.first,
                dims(&self.features)[1],
                dims(&self.harmonics)[1],
                dims(&self.hidden)[1],
                self.plan.num_weights(),
                dims(&out)[1],
                tile,
            );
        }
        out
    }

    /// Sources and rows of the edges, `[2, E]`.
    fn ends(&self) -> CubeTensor {
        let ends = empty_like(&self.src, [2, self.edges]);
        let (groups, threads) = one_thread_each(&ends, self.edges);
        radial::ends_of_edges::launch(
            &ends.client,
            groups,
            threads,
            buffer(&self.src),
            buffer(&self.row_offsets),
            buffer(&ends),
            self.rows,
            self.edges,
        );
        ends
    }

    /// Gradients to features and harmonics.
    fn backward_coupled(&self, backward: &Backward, wanted: Wanted) -> [CubeTensor; 2] {
        let nodes = dims(&self.features);
        let harmonics = dims(&self.harmonics);
        let zeros = |wanted: bool, [rows, columns]: [usize; 2]| {
            self.zeros([if wanted { rows } else { 0 }, columns])
        };
        let to_features = zeros(wanted.features, nodes);
        let to_harmonics = zeros(wanted.harmonics, harmonics);
        if !wanted.features && !wanted.harmonics {
            return [to_features, to_harmonics];
        }
        let used = (self.plan.l_filter_max() + 1).pow(2);
        for reading in Reading::all(&self.plan) {
            let chunk = chunk(self.edges, reading.width);
            let coupled = empty_like(&self.features, [chunk, reading.width]);
            let weights = self.swapped_weights(&reading);
            let by_component = self.upload(&reading.by_component());
            let by_harmonic = self.upload(&reading.by_harmonic(used));
            let mul = reading.input.mul;
            for start in (0..self.edges).step_by(chunk) {
                let end = (start + chunk).min(self.edges);
                self.couple_backward(backward, &reading, &weights, &coupled, start..end);
                if wanted.features {
                    let count = nodes[0] * reading.input.dim();
                    let (groups, threads) = one_thread_each(&to_features, count);
                    coupled::to_features::launch(
                        &coupled.client,
                        groups,
                        threads,
                        buffer(&coupled),
                        buffer(&self.harmonics),
                        buffer(&backward.edges_by_src),
                        buffer(&backward.src_offsets),
                        buffer(&by_component),
                        buffer(&to_features),
                        start,
                        end,
                        reading.input.offset,
                        mul,
                        2 * reading.input.l + 1,
                        reading.width,
                        harmonics[1],
                        nodes[1],
                        count,
                    );
                }
                if wanted.harmonics {
                    let lanes = lanes(mul);
                    coupled::to_harmonics::launch(
                        &coupled.client,
                        workgroups((end - start).div_ceil(UNITS / lanes), used, 1),
                        CubeDim::new_1d(THREADS),
                        buffer(&coupled),
                        buffer(&self.features),
                        buffer(&self.src),
                        buffer(&by_harmonic),
                        buffer(&to_harmonics),
                        start,
                        end,
                        mul,
                        nodes[1],
                        reading.width,
                        harmonics[1],
                        lanes,
                    );
                }
            }
        }
        [to_features, to_harmonics]
    }

    /// The weights of each pair, with its output channels outside; none where channels are not joined.
    fn swapped_weights(&self, reading: &Reading<'_>) -> Vec<CubeTensor> {
        if self.plan.weighting() == Weighting::ChannelWise {
            return Vec::new();
        }
        let rows = dims(&self.weight)[0];
        let pairs = reading.pairs.iter();
        pairs
            .map(|source| {
                let columns = source.pair.weights.len();
                let out = empty_like(&self.weight, [rows, columns]);
                let (groups, threads) = one_thread_each(&out, rows * columns);
                coupled::swap_channels::launch(
                    &out.client,
                    groups,
                    threads,
                    buffer(&self.weight),
                    buffer(&out),
                    source.pair.weights.start,
                    columns,
                    source.pair.input.mul,
                    source.pair.output.mul,
                    self.plan.num_weights(),
                    rows * columns,
                );
                out
            })
            .collect()
    }

    /// Gradients to the coupled features of the edges of a range.
    fn couple_backward(
        &self,
        backward: &Backward,
        reading: &Reading<'_>,
        weights: &[CubeTensor],
        coupled: &CubeTensor,
        range: std::ops::Range<usize>,
    ) {
        for (i, source) in reading.pairs.iter().enumerate() {
            let (pair, components) = (source.pair, 2 * source.pair.output.l + 1);
            let (mul, paths) = (pair.input.mul, pair.paths.len());
            let hidden_column = pair.radial * self.hidden_width();
            let tile = self.tile(mul, components, CHANNELS, range.len());
            let edge_tiles = range.len().div_ceil(tile.edges());
            match self.plan.weighting() {
                Weighting::Full => coupled::full::launch(
                    &coupled.client,
                    workgroups(edge_tiles, mul.div_ceil(tile.lanes), paths),
                    CubeDim::new_1d(THREADS),
                    buffer(&self.hidden),
                    buffer(&weights[i]),
                    buffer(&backward.ends),
                    buffer(&backward.grad),
                    buffer(coupled),
                    self.edges,
                    range.start,
                    range.end,
                    mul,
                    pair.output.mul,
                    pair.output.offset,
                    dims(&backward.grad)[1],
                    dims(&self.hidden)[1],
                    hidden_column,
                    pair.weights.len(),
                    source.first,
                    reading.width,
                    tile,
                ),
                Weighting::ChannelWise => coupled::channel_wise::launch(
                    &coupled.client,
                    workgroups(edge_tiles, mul.div_ceil(tile.lanes), 1),
                    CubeDim::new_1d(THREADS),
                    buffer(&self.hidden),
                    buffer(&self.weight),
                    buffer(&backward.ends),
                    buffer(&backward.grad),
                    buffer(coupled),
                    self.edges,
                    range.start,
                    range.end,
                    mul,
                    pair.output.offset,
                    dims(&backward.grad)[1],
                    dims(&self.hidden)[1],
                    hidden_column,
                    pair.weights.start,
                    self.plan.num_weights(),
                    source.first,
                    reading.width,
                    tile,
                ),
            }
        }
    }

    fn columns(&self, mul: usize, components: usize, channels: usize, edges: usize) -> Columns {
        let weighting = self.plan.weighting();
        Columns {
            lanes: lanes(mul),
            channels: match weighting {
                Weighting::Full => channels,
                Weighting::ChannelWise => 1,
            },
            edges,
            components,
            hidden: self.hidden_width(),
            weighting,
        }
    }

    /// Steps over the columns of the weight: `channels` input channels of a path, or 32 channels of a
    /// channel-wise one.
    fn program(&self, channels: usize, full: Cut, channel_wise: Cut) -> Program {
        match self.plan.weighting() {
            Weighting::Full => Program::new(&self.plan, channels, full),
            Weighting::ChannelWise => Program::new(&self.plan, 32, channel_wise),
        }
    }

    /// Channel tiles of a step, beyond the one that a channel-wise step is.
    fn channel_tiles(&self, mul: usize, lanes: usize) -> usize {
        match self.plan.weighting() {
            Weighting::Full => mul.div_ceil(lanes),
            Weighting::ChannelWise => 1,
        }
    }

    fn backward_hidden(&self, backward: &Backward) -> CubeTensor {
        let out = self.zeros(dims(&self.hidden));
        if self.hidden_width() == 0 {
            return out;
        }
        let weight = CubeBackend::float_transpose(self.weight.clone());
        let [weight] = row_major([weight]);
        let channels = 2;
        let program = self.program(channels, Cut::OutputAndRadial, Cut::DegreeAndRadial);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let columns = self.columns(run.mul, run.components, channels, 32);
            radial::to_hidden::launch(
                &out.client,
                workgroups(
                    self.edges.div_ceil(columns.edges),
                    self.hidden_width().div_ceil(radial::HIDDEN),
                    1,
                ),
                CubeDim::new_1d(THREADS),
                buffer(&self.features),
                buffer(&self.harmonics),
                buffer(&weight),
                buffer(&backward.ends),
                buffer(&backward.grad),
                buffer(&words),
                buffer(&out),
                self.edges,
                run.first,
                run.len,
                self.channel_tiles(run.mul, columns.lanes),
                run.radial * self.hidden_width(),
                dims(&self.features)[1],
                dims(&self.harmonics)[1],
                dims(&backward.grad)[1],
                dims(&weight)[1],
                dims(&out)[1],
                columns,
            );
        }
        out
    }

    fn backward_weight(&self, backward: &Backward) -> CubeTensor {
        let [rows, num_weights] = dims(&self.weight);
        let out = empty_like(&self.weight, [rows, num_weights]);
        if rows == 0 {
            return out;
        }
        let program = self.program(CHANNELS, Cut::Output, Cut::Degree);
        let words = self.upload(&program.words);
        let (edges, row_tiles) = (16, rows.div_ceil(radial::ROWS));
        // Enough splits to fill a GPU, within the budget.
        let steps: usize = program.runs.iter().map(|run| run.len).sum();
        let tiles = self.edges.div_ceil(edges);
        let splits = MANY
            .div_ceil(steps * row_tiles)
            .min(BUDGET / (rows * num_weights))
            .clamp(1, tiles);
        let tiles_per_split = tiles.div_ceil(splits);
        let splits = tiles.div_ceil(tiles_per_split);
        let parts = match splits {
            1 => out.clone(),
            _ => empty_like(&self.weight, [splits * rows, num_weights]),
        };
        for run in &program.runs {
            let columns = self.columns(run.mul, run.components, CHANNELS, edges);
            let channel_tiles = self.channel_tiles(run.mul, columns.lanes);
            radial::to_weight::launch(
                &out.client,
                workgroups(run.len * channel_tiles, row_tiles, splits),
                CubeDim::new_1d(THREADS),
                buffer(&self.features),
                buffer(&self.harmonics),
                buffer(&self.hidden),
                buffer(&backward.ends),
                buffer(&backward.grad),
                buffer(&words),
                buffer(&parts),
                self.edges,
                run.first,
                channel_tiles,
                tiles_per_split,
                dims(&self.features)[1],
                dims(&self.harmonics)[1],
                dims(&backward.grad)[1],
                dims(&self.hidden)[1],
                rows,
                num_weights,
                columns,
            );
        }
        if splits > 1 {
            let count = rows * num_weights;
            let (groups, threads) = one_thread_each(&out, count);
            radial::sum_splits::launch(
                &out.client,
                groups,
                threads,
                buffer(&parts),
                buffer(&out),
                splits,
                count,
            );
        }
        out
    }
}

/// What only the backward pass reads.
struct Backward {
    /// Gradient to the output.
    grad: CubeTensor,
    /// Edges, source by source, ascending.
    edges_by_src: CubeTensor,
    src_offsets: CubeTensor,
    /// Sources and rows of the edges, `[2, E]`.
    ends: CubeTensor,
}

/// Edges whose rows of `width` numbers keep to the budget.
fn chunk(edges: usize, width: usize) -> usize {
    (BUDGET / width.max(1)).clamp(1, edges)
}

fn workgroups(x: usize, y: usize, z: usize) -> CubeCount {
    let count = |n: usize| -> u32 {
        assert!(
            n <= 65535,
            "convolve: {n} workgroups are more than an axis has"
        );
        n as u32
    };
    CubeCount::Static(count(x), count(y), count(z))
}

impl ConvolutionOps for CubeBackend {
    fn convolve(
        features: CubeTensor,
        harmonics: CubeTensor,
        hidden: CubeTensor,
        weight: CubeTensor,
        src: CubeTensor,
        edges_by_src: CubeTensor,
        src_offsets: CubeTensor,
        row_offsets: CubeTensor,
        plan: Arc<ConvolutionPlan>,
    ) -> CubeTensor {
        let floats = [features, harmonics, hidden, weight];
        if !has_kernels(floats[0].dtype) {
            return convolve_on_host::<Self>(floats, [src, row_offsets], &plan);
        }
        let _ = (edges_by_src, src_offsets);
        let convolution = Convolution::new(floats, src, row_offsets, plan);
        if convolution.is_zero() {
            return convolution.zeros([convolution.rows, convolution.plan.irreps_out().dim()]);
        }
        convolution.forward()
    }

    fn convolve_backward(
        grad: CubeTensor,
        features: CubeTensor,
        harmonics: CubeTensor,
        hidden: CubeTensor,
        weight: CubeTensor,
        src: CubeTensor,
        edges_by_src: CubeTensor,
        src_offsets: CubeTensor,
        row_offsets: CubeTensor,
        plan: Arc<ConvolutionPlan>,
        wanted: Wanted,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let floats = [features, harmonics, hidden, weight];
        if !has_kernels(floats[0].dtype) {
            let ints = [src, src_offsets, row_offsets];
            return convolve_backward_on_host::<Self>(grad, floats, ints, &plan, wanted);
        }
        let convolution = Convolution::new(floats, src, row_offsets, plan);
        let zeros = |wanted: bool, like: &CubeTensor| {
            let [rows, columns] = dims(like);
            convolution.zeros([if wanted { rows } else { 0 }, columns])
        };
        if convolution.is_zero() {
            return (
                zeros(wanted.features, &convolution.features),
                zeros(wanted.harmonics, &convolution.harmonics),
                zeros(wanted.hidden, &convolution.hidden),
                zeros(wanted.weight, &convolution.weight),
            );
        }
        let [grad] = row_major([grad]);
        let [edges_by_src, src_offsets] = row_major([edges_by_src, src_offsets]);
        let backward = Backward {
            grad,
            edges_by_src,
            src_offsets,
            ends: convolution.ends(),
        };
        let [to_features, to_harmonics] = convolution.backward_coupled(&backward, wanted);
        let to_hidden = match wanted.hidden {
            true => convolution.backward_hidden(&backward),
            false => zeros(false, &convolution.hidden),
        };
        let to_weight = match wanted.weight {
            true => convolution.backward_weight(&backward),
            false => zeros(false, &convolution.weight),
        };
        (to_features, to_harmonics, to_hidden, to_weight)
    }
}
