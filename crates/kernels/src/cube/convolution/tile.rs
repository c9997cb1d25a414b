//! What the kernels of the convolution do with a tile of edges.

use cubecl::prelude::*;

use super::super::THREADS;

/// Threads of a workgroup.
pub(super) const UNITS: usize = THREADS as usize;
/// Numbers of shared memory in a workgroup: 16 KiB, what WebGPU promises.
const SHARED: usize = 4096;
/// Tiles that fill a GPU.
const MANY: usize = 256;
/// Edges of a vector, at most.
const VECTOR: usize = 4;
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
                let numbers = tile.edges().pitch() * tile.edges().vector * tile.rows();
                let few = edges_per_thread > 1 && edges.div_ceil(tile.edges().count) < MANY;
                let sums = edges_per_thread > 1 && edges_per_thread * components > SUMS;
                if numbers <= SHARED && !few && !sums {
                    return tile;
                }
            }
        }
        tile(32, 1, false)
    }

    /// Numbers of shared memory that an edge needs.
    fn rows(&self) -> usize {
        self.hidden + self.channels * self.components
    }

    /// The edges of the tile, in vectors that a thread has one or more of.
    pub(super) fn edges(&self) -> Edges {
        Edges {
            count: UNITS / self.lanes * self.edges_per_thread,
            vector: self.edges_per_thread.min(VECTOR),
        }
    }

    /// Vectors of staged hidden features.
    pub(super) fn staged_vectors(&self) -> usize {
        match self.staged {
            true => self.edges().pitch() * self.hidden.max(1),
            false => 1,
        }
    }

    /// Vectors of coupled features of a step.
    pub(super) fn coupled_vectors(&self) -> usize {
        self.edges().pitch() * self.channels * self.components
    }

    /// Vectors of edges that a thread takes.
    pub(super) fn vectors_per_thread(&self) -> usize {
        self.edges_per_thread / self.edges().vector
    }
}

/// Edges of a tile, which lie side by side in shared memory, in vectors.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Edges {
    /// Edges in the tile.
    pub(super) count: usize,
    /// Edges in a vector.
    pub(super) vector: usize,
}

impl Edges {
    /// Vectors in the tile.
    pub(super) fn vectors(&self) -> usize {
        self.count / self.vector
    }

    /// Vectors from one row of the tile to the next: odd, so that threads that write to rows below each
    /// other meet different banks.
    pub(super) fn pitch(&self) -> usize {
        self.vectors() | 1
    }
}

/// `z[k, m, edge] = sum over terms of value Y[harmonic] x[m_in, k]` for the channels k of a step, in
/// shared memory; zero behind the last edge and the last channel.
#[cube]
pub(super) fn couple<N: Size>(
    features: &[f32],
    harmonics: &[f32],
    src: &[i32],
    program: &[u32],
    z: &mut [Vector<f32, N>],
    step: usize,
    first: usize,
    end: usize,
    features_width: usize,
    harmonics_width: usize,
    #[comptime] edges: Edges,
    #[comptime] channels: usize,
    #[comptime] components: usize,
) {
    let input = program[step] as usize;
    let mul = program[step + 1] as usize;
    let terms = program[step + 6] as usize;
    let present = program[step + 7] as usize;
    let pitch = comptime!(edges.pitch());
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges.vectors() * channels * components) {
        let k = at % channels;
        let m = (at / channels) % components;
        let vector = at / comptime!(channels * components);
        let edge = first + vector * edges.vector;
        let mut sums = Vector::<f32, N>::new(0.0f32);
        if edge < end && k < present {
            // Edges behind the last one repeat it, and are left out at the end.
            let mut x = Array::<usize>::new(edges.vector);
            let mut y = Array::<usize>::new(edges.vector);
            let mut each = Array::<f32>::new(edges.vector);
            #[unroll]
            for i in 0..edges.vector {
                let edge = (edge + i).min(end - 1);
                x[i] = src[edge] as usize * features_width + input + k;
                y[i] = edge * harmonics_width;
                each[i] = 0.0;
            }
            let mut term = program[terms + m] as usize;
            let last = program[terms + m + 1] as usize;
            while term < last {
                let packed = program[term] as usize;
                let value = f32::reinterpret(program[term + 1]);
                let harmonic = packed / 65536;
                let component = packed % 65536 * mul;
                #[unroll]
                for i in 0..edges.vector {
                    each[i] += value * harmonics[y[i] + harmonic] * features[x[i] + component];
                }
                term += 2;
            }
            #[unroll]
            for i in 0..edges.vector {
                if edge + i < end {
                    sums.insert(i, each[i]);
                }
            }
        }
        z[(k * components + m) * pitch + vector] = sums;
        at += UNITS;
    }
}

/// Hidden features of a tile, `[h, edge]`, in shared memory; zero behind the last edge.
#[cube]
pub(super) fn stage_hidden<N: Size>(
    hidden: &[f32],
    staged: &mut [Vector<f32, N>],
    first: usize,
    end: usize,
    stride: usize,
    column: usize,
    #[comptime] edges: Edges,
    #[comptime] width: usize,
) {
    let pitch = comptime!(edges.pitch());
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges.vectors() * width) {
        let h = at % width;
        let vector = at / width;
        let edge = first + vector * edges.vector;
        let mut values = Vector::<f32, N>::new(0.0f32);
        #[unroll]
        for i in 0..edges.vector {
            if edge + i < end {
                values.insert(i, hidden[(edge + i) * stride + column + h]);
            }
        }
        staged[h * pitch + vector] = values;
        at += UNITS;
    }
}

/// `sums[edge, m] += sum over k of (hidden_edge . weight[:, column + k stride]) z[k, m, edge]`: a
/// radial weight lives in a register of the thread that formed it, for as long as it is used.
#[cube]
pub(super) fn accumulate<N: Size>(
    hidden: &[f32],
    staged: &[Vector<f32, N>],
    z: &[Vector<f32, N>],
    weight: &[f32],
    sums: &mut Array<Vector<f32, N>>,
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
    let pitch = comptime!(tile.edges().pitch());
    let mine = comptime!(tile.vectors_per_thread());
    let vector = group * mine;
    for k in 0..present {
        let column = column + k * stride;
        let mut radial = Array::<Vector<f32, N>>::new(mine);
        #[unroll]
        for i in 0..mine {
            if comptime!(tile.bias) {
                radial[i] = Vector::new(weight[tile.hidden * num_weights + column]);
            } else {
                radial[i] = Vector::new(0.0f32);
            }
        }
        for h in 0..tile.hidden {
            let factor = Vector::<f32, N>::new(weight[h * num_weights + column]);
            #[unroll]
            for i in 0..mine {
                if comptime!(tile.staged) {
                    radial[i] += staged[h * pitch + vector + i] * factor;
                } else {
                    // One edge to a thread.
                    let edge = (first + vector + i).min(end - 1);
                    let value = hidden[edge * hidden_stride + hidden_column + h];
                    radial[i] += Vector::new(value) * factor;
                }
            }
        }
        #[unroll]
        for m in 0..tile.components {
            #[unroll]
            for i in 0..mine {
                let z = z[(k * tile.components + m) * pitch + vector + i];
                sums[i * tile.components + m] += radial[i] * z;
            }
        }
    }
}
