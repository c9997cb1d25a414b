//! The backward pass.

use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use steerable_harmonics::plan::Weighting;

use super::super::{
    THREADS, buffer, dims, empty_like, one_thread_each, row_major, sums::sum_parts,
};
use super::program::{Cut, Program, Reading, Run};
use super::radial::{self, Columns};
use super::tile::{Edges, UNITS, lanes};
use super::{CHANNELS, Convolution, coupled, workgroups};
use crate::host::convolution::Wanted;

/// Workgroups that fill a GPU.
const MANY: usize = 1024;

/// What only the backward pass reads.
pub(super) struct Backward {
    /// Gradient to the output.
    pub(super) grad: CubeTensor,
    pub(super) src_offsets: CubeTensor,
    /// Sources and rows of the edges, and the edges source by source, ascending: `[3, E]`.
    pub(super) ends: CubeTensor,
}

impl Convolution {
    /// Sources and rows of the edges, and the edges source by source: `[3, E]`.
    pub(super) fn ends(&self, edges_by_src: &CubeTensor) -> CubeTensor {
        let ends = empty_like(&self.src, [3, self.edges]);
        let (groups, threads) = one_thread_each(&ends, self.edges);
        // SAFETY: threads are guarded, and rows are those that the offsets name.
        unsafe {
            radial::ends_of_edges::launch_unchecked(
                &ends.client,
                groups,
                threads,
                buffer(&self.src),
                buffer(&self.row_offsets),
                buffer(edges_by_src),
                buffer(&ends),
                self.rows,
                self.edges,
            );
        }
        ends
    }

    /// Gradients to features and harmonics.
    pub(super) fn backward_inputs(&self, backward: &Backward, wanted: Wanted) -> [CubeTensor; 2] {
        if self.plan.weighting() == Weighting::Full {
            return self.backward_coupled(backward, wanted);
        }
        let none = |like: &CubeTensor| self.zeros([0, dims(like)[1]]);
        let to_features = match wanted.features {
            true => self.channel_wise_to_features(backward),
            false => none(&self.features),
        };
        let to_harmonics = match wanted.harmonics {
            true => self.channel_wise_to_harmonics(backward),
            false => none(&self.harmonics),
        };
        [to_features, to_harmonics]
    }

    /// Gradients to features and harmonics where channels are joined, by way of the coupled features.
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
            let chunk = self.chunk(reading.width);
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
                    // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
                    unsafe {
                        coupled::to_features::launch_unchecked(
                            &coupled.client,
                            groups,
                            threads,
                            buffer(&coupled),
                            buffer(&self.harmonics),
                            buffer(&backward.ends),
                            buffer(&backward.src_offsets),
                            buffer(&by_component),
                            buffer(&to_features),
                            2 * self.edges,
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
                }
                if wanted.harmonics {
                    let lanes = lanes(mul);
                    // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
                    unsafe {
                        coupled::to_harmonics::launch_unchecked(
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
        }
        [to_features, to_harmonics]
    }

    /// The weights of each pair, with its output channels outside.
    fn swapped_weights(&self, reading: &Reading<'_>) -> Vec<CubeTensor> {
        let rows = dims(&self.weight)[0];
        let pairs = reading.pairs.iter();
        pairs
            .map(|source| {
                let columns = source.pair.weights.len();
                let out = empty_like(&self.weight, [rows, columns]);
                let (groups, threads) = one_thread_each(&out, rows * columns);
                // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
                unsafe {
                    coupled::swap_channels::launch_unchecked(
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
                }
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
            let edge_tiles = range.len().div_ceil(tile.edges().count);
            // SAFETY: edges and channels are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                coupled::full::launch_unchecked(
                    &coupled.client,
                    workgroups(edge_tiles, mul.div_ceil(tile.lanes), paths),
                    CubeDim::new_1d(THREADS),
                    tile.edges().vector,
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
                );
            }
        }
    }

    /// How the kernels of the last radial layer cut their workgroups: `rows` of its weight at a time.
    fn columns(&self, run: &Run, channels: usize, edges: usize, rows: usize) -> Columns {
        let weighting = self.plan.weighting();
        Columns {
            lanes: lanes(run.mul),
            channels: match weighting {
                Weighting::Full => channels,
                Weighting::ChannelWise => 1,
            },
            edges: Edges {
                count: edges,
                vector: radial::VECTOR,
            },
            rows,
            components: run.components,
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

    pub(super) fn backward_hidden(&self, backward: &Backward) -> CubeTensor {
        let out = self.zeros(dims(&self.hidden));
        if self.hidden_width() == 0 {
            return out;
        }
        let weight = CubeBackend::float_transpose(self.weight.clone());
        let [weight] = row_major([weight]);
        // Shared memory holds one coupled feature of the highest degrees.
        let channels = match self.plan.irreps_out().lmax() {
            Some(l) if l > 11 => 1,
            _ => 2,
        };
        let program = self.program(channels, Cut::OutputAndRadial, Cut::DegreeAndRadial);
        let words = self.upload(&program.words);
        for run in &program.runs {
            let columns = self.columns(run, channels, 32, 0);
            // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                radial::to_hidden::launch_unchecked(
                    &out.client,
                    self.tiles(
                        self.edges.div_ceil(columns.edges.count),
                        self.hidden_width().div_ceil(radial::HIDDEN),
                    ),
                    CubeDim::new_1d(THREADS),
                    radial::VECTOR,
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
        }
        out
    }

    pub(super) fn backward_weight(&self, backward: &Backward) -> CubeTensor {
        let [rows, num_weights] = dims(&self.weight);
        let out = empty_like(&self.weight, [rows, num_weights]);
        if rows == 0 {
            return out;
        }
        let (channels, edges, most) = match self.plan.weighting() {
            // Coupled features of high degrees leave less room.
            Weighting::Full if self.plan.irreps_out().lmax().is_some_and(|l| l > 4) => (2, 16, 40),
            Weighting::Full => (CHANNELS, 16, 40),
            Weighting::ChannelWise => (1, 32, 72),
        };
        let program = self.program(channels, Cut::Output, Cut::Degree);
        let words = self.upload(&program.words);
        // Enough splits to fill a GPU, within the budget.
        let steps: usize = program.runs.iter().map(|run| run.len).sum();
        let tiles = self.edges.div_ceil(edges);
        let splits = MANY
            .div_ceil(steps * rows.div_ceil(most))
            .min(self.budget / (rows * num_weights))
            .clamp(1, tiles);
        let tiles_per_split = tiles.div_ceil(splits);
        let splits = tiles.div_ceil(tiles_per_split);
        let parts = match splits {
            1 => out.clone(),
            _ => empty_like(&self.weight, [splits * rows, num_weights]),
        };
        for run in &program.runs {
            // Rows are dealt evenly to workgroups, and to the threads above each other in one.
            let rows_each = rows.div_ceil(rows.div_ceil(most));
            let rows_each = rows_each.next_multiple_of(UNITS / lanes(run.mul));
            let columns = self.columns(run, channels, edges, rows_each);
            let channel_tiles = self.channel_tiles(run.mul, columns.lanes);
            // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                radial::to_weight::launch_unchecked(
                    &out.client,
                    workgroups(run.len * channel_tiles, rows.div_ceil(rows_each), splits),
                    CubeDim::new_1d(THREADS),
                    radial::VECTOR,
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
        }
        if splits > 1 {
            sum_parts(&parts, splits, &out);
        }
        out
    }
}
