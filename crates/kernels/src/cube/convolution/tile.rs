//! What the kernels of the convolution do with a tile of edges.

use cubecl::prelude::*;

use super::super::THREADS;

/// Threads of a workgroup.
pub(super) const UNITS: usize = THREADS as usize;
/// Numbers of shared memory in a workgroup: 16 KiB, what WebGPU promises.
const SHARED: usize = 4096;
/// Sums that a thread keeps in registers.
const SUMS: usize = 48;

/// How a workgroup is cut: `lanes` channels side by side, and the edges of the tile over the other
/// threads. Known when the kernel is compiled.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Tile {
    /// Channels side by side.
    pub(super) lanes: usize,
    /// Edges that a thread takes.
    pub(super) edges_per_thread: usize,
    /// `2 l_out + 1`.
    pub(super) components: usize,
    /// Channels that a step sums over.
    pub(super) channels: usize,
    /// Width of the hidden radial features.
    pub(super) hidden: usize,
    /// Whether the hidden features of the tile lie in shared memory.
    pub(super) staged: bool,
    /// Whether the weights have a bias row.
    pub(super) bias: bool,
}

/// Threads side by side for `mul` channels.
pub(super) fn lanes(mul: usize) -> usize {
    mul.next_power_of_two().clamp(8, 32)
}

impl Tile {
    /// The largest tile that fits, but small enough that `edges` edges fill a GPU.
    pub(super) fn new(
        mul: usize,
        components: usize,
        channels: usize,
        hidden: usize,
        bias: bool,
        edges: usize,
    ) -> Self {
        let tile = |lanes, edges_per_thread, staged| Self {
            lanes,
            edges_per_thread,
            components,
            channels,
            hidden,
            staged,
            bias,
        };
        for lanes in [8, 16, 32].into_iter().filter(|&l| l >= lanes(mul)) {
            for edges_per_thread in [8, 4, 2, 1] {
                let tile = tile(lanes, edges_per_thread, true);
                let numbers = tile.edges() * (hidden + channels * components);
                let few = edges_per_thread > 1 && edges.div_ceil(tile.edges()) < 64;
                let sums = edges_per_thread > 1 && edges_per_thread * components > SUMS;
                if numbers <= SHARED && !few && !sums {
                    return tile;
                }
            }
        }
        tile(32, 1, false)
    }

    /// Groups of threads with edges of their own.
    pub(super) fn groups(&self) -> usize {
        UNITS / self.lanes
    }

    /// Edges in the tile.
    pub(super) fn edges(&self) -> usize {
        self.groups() * self.edges_per_thread
    }
}

/// `z[k, m, edge] = sum over terms of value Y[harmonic] x[m_in, k]` for the channels k of a step, in
/// shared memory; zero behind the last edge and the last channel.
#[cube]
pub(super) fn couple(
    features: &[f32],
    harmonics: &[f32],
    src: &[i32],
    program: &[u32],
    z: &mut [f32],
    step: usize,
    first: usize,
    end: usize,
    features_width: usize,
    harmonics_width: usize,
    #[comptime] edges: usize,
    #[comptime] channels: usize,
    #[comptime] components: usize,
) {
    let input = program[step] as usize;
    let mul = program[step + 1] as usize;
    let terms = program[step + 6] as usize;
    let present = program[step + 7] as usize;
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges * channels * components) {
        let k = at % channels;
        let m = (at / channels) % components;
        let in_tile = at / comptime!(channels * components);
        let edge = first + in_tile;
        let mut sum = 0.0f32;
        if edge < end && k < present {
            let x = src[edge] as usize * features_width + input + k;
            let y = edge * harmonics_width;
            let mut term = program[terms + m] as usize;
            let last = program[terms + m + 1] as usize;
            while term < last {
                let packed = program[term] as usize;
                let value = f32::reinterpret(program[term + 1]);
                sum += value * harmonics[y + packed / 65536] * features[x + packed % 65536 * mul];
                term += 2;
            }
        }
        z[(k * components + m) * edges + in_tile] = sum;
        at += UNITS;
    }
}

/// Hidden features of a tile, `[h, edge]`, in shared memory; zero behind the last edge.
#[cube]
pub(super) fn stage_hidden(
    hidden: &[f32],
    staged: &mut [f32],
    first: usize,
    end: usize,
    stride: usize,
    column: usize,
    #[comptime] edges: usize,
    #[comptime] width: usize,
) {
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges * width) {
        let h = at % width;
        let in_tile = at / width;
        let edge = first + in_tile;
        let mut value = 0.0f32;
        if edge < end {
            value = hidden[edge * stride + column + h];
        }
        staged[h * edges + in_tile] = value;
        at += UNITS;
    }
}

/// `sums[edge, m] += sum over k of (hidden_edge . weight[:, column + k stride]) z[k, m, edge]`: a
/// radial weight lives in a register of the thread that formed it, for as long as it is used.
#[cube]
pub(super) fn accumulate(
    hidden: &[f32],
    staged: &[f32],
    z: &[f32],
    weight: &[f32],
    sums: &mut Array<f32>,
    group: usize,
    first: usize,
    end: usize,
    hidden_stride: usize,
    hidden_column: usize,
    column: usize,
    stride: usize,
    present: usize,
    num_weights: usize,
    #[comptime] tile: Tile,
) {
    let edges = comptime!(tile.edges());
    let mine = comptime!(tile.edges_per_thread);
    let in_tile = group * mine;
    for k in 0..present {
        let column = column + k * stride;
        let mut radial = Array::<f32>::new(mine);
        #[unroll]
        for i in 0..mine {
            if comptime!(tile.bias) {
                radial[i] = weight[tile.hidden * num_weights + column];
            } else {
                radial[i] = 0.0;
            }
        }
        for h in 0..tile.hidden {
            let factor = weight[h * num_weights + column];
            #[unroll]
            for i in 0..mine {
                if comptime!(tile.staged) {
                    radial[i] += staged[h * edges + in_tile + i] * factor;
                } else {
                    let edge = (first + in_tile + i).min(end - 1);
                    radial[i] += hidden[edge * hidden_stride + hidden_column + h] * factor;
                }
            }
        }
        #[unroll]
        for m in 0..tile.components {
            #[unroll]
            for i in 0..mine {
                let z = z[(k * tile.components + m) * edges + in_tile + i];
                sums[i * tile.components + m] += radial[i] * z;
            }
        }
    }
}
