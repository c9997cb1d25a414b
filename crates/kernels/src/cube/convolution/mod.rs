//! The convolution on GPUs.
//!
//! Radial weights are formed in registers, or in shared memory, and never reach the memory of the
//! device. What does, besides inputs and results, are messages of the full convolution and gradients
//! to coupled features, for as many edges at a time as a budget allows.

mod backward;
mod channel_wise;
mod coupled;
mod messages;
mod program;
mod radial;
#[cfg(all(test, feature = "wgpu"))]
mod tests;
mod tile;

use std::sync::Arc;

use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use steerable_harmonics::plan::{ConvolutionPlan, Weighting};

use self::backward::Backward;
use self::program::{Cut, Program};
use self::tile::Tile;
use super::{
    THREADS, buffer, dims, empty_like, has_kernels, one_thread_each, row_major, upload, zeros,
};
use crate::ConvolutionOps;
use crate::host::convolution::{HiddenKind, Wanted};
use crate::ops::convolution::{convolve_backward_on_host, convolve_on_host};

/// Numbers of an intermediate result that are kept at a time: 64 MiB, half of what WebGPU binds.
const BUDGET: usize = 1 << 24;
/// Workgroups that an axis of a launch holds, by WebGPU's default limits.
const WORKGROUPS: usize = 65535;
/// Edges of a tile, at least.
const LEAST_TILE: usize = tile::UNITS / 32;
/// Input channels that a step of the full convolution sums over.
const CHANNELS: usize = 4;

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
    /// Numbers of an intermediate result that are kept at a time.
    budget: usize,
    /// Workgroups that an axis of a launch holds.
    axis: usize,
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
            budget: BUDGET,
            axis: WORKGROUPS,
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

    /// Edges whose rows of `width` numbers keep to the budget, and their tiles to an axis of a launch.
    fn chunk(&self, width: usize) -> usize {
        (self.budget / width.max(1)).clamp(1, self.edges.min(LEAST_TILE * self.axis))
    }

    /// Workgroups for so many tiles, on the first axis and, where it is too short, on the third as well;
    /// those behind the last tile have nothing to do. [`tile_of_workgroup`] tells which tile is whose.
    fn tiles(&self, tiles: usize, y: usize) -> CubeCount {
        let x = tiles.min(self.axis);
        workgroups(x, y, tiles.div_ceil(x))
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
        let chunk = self.chunk(width);
        let messages = match self.plan.unreachable_outputs().is_empty() {
            true => empty_like(&self.features, [chunk, width]),
            false => self.zeros([chunk, width]),
        };
        for start in (0..self.edges).step_by(chunk) {
            let end = (start + chunk).min(self.edges);
            for run in &program.runs {
                let tile = self.tile(run.mul, run.components, CHANNELS, end - start);
                // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
                unsafe {
                    messages::full::launch_unchecked(
                        &out.client,
                        workgroups(
                            (end - start).div_ceil(tile.edges().count),
                            run.mul.div_ceil(tile.lanes),
                            1,
                        ),
                        CubeDim::new_1d(THREADS),
                        tile.edges().vector,
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
            }
            let count = self.rows * width;
            let (groups, threads) = one_thread_each(&out, count);
            // SAFETY: threads are guarded; the graph's indices and the plan's columns are in bounds.
            unsafe {
                messages::add_up::launch_unchecked(
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
        }
        out
    }
}

/// The tile of a workgroup of [`Convolution::tiles`].
#[cube]
fn tile_of_workgroup() -> usize {
    CUBE_POS_Z as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize
}

fn workgroups(x: usize, y: usize, z: usize) -> CubeCount {
    let count = |n: usize| -> u32 {
        assert!(
            n <= WORKGROUPS,
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
        hidden_kind: HiddenKind,
    ) -> CubeTensor {
        let floats = [features, harmonics, hidden, weight];
        if !has_kernels(floats[0].dtype) {
            return convolve_on_host::<Self>(floats, [src, row_offsets], &plan, hidden_kind);
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
        hidden_kind: HiddenKind,
        wanted: Wanted,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let floats = [features, harmonics, hidden, weight];
        if !has_kernels(floats[0].dtype) {
            let ints = [src, src_offsets, row_offsets];
            return convolve_backward_on_host::<Self>(
                grad,
                floats,
                ints,
                &plan,
                hidden_kind,
                wanted,
            );
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
            src_offsets,
            ends: convolution.ends(&edges_by_src),
        };
        let [to_features, to_harmonics] = convolution.backward_inputs(&backward, wanted);
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
