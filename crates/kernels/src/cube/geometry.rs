//! Relative positions, lengths and harmonics: one thread for each edge, its row of harmonics put
//! together in shared memory so that the workgroup writes whole lines.

use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use steerable_harmonics::Normalization;

use super::harmonics::{Harmonics, direction, values};
use super::{buffer, dims, empty_like, has_kernels, one_thread_each, row_major, zeros};
use crate::GeometryOps;
use crate::composed::geometry as composed;

/// Degrees whose loops are written out in a kernel; a higher one is left to the host.
const HIGHEST: usize = 10;

/// Rows in shared memory to rows in the memory of the device, or back.
#[cube]
fn write_rows(rows: &[f32], out: &mut [f32], first: usize, count: usize, #[comptime] h: Harmonics) {
    let edges = comptime!(h.edges());
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges * h.dim()) {
        let edge = at / comptime!(h.dim());
        if first + edge < count {
            out[first * comptime!(h.dim()) + at] =
                rows[edge * comptime!(h.stride()) + at % comptime!(h.dim())];
        }
        at += edges;
    }
}

/// Workgroups: tiles of edges. `shifts` has no rows where `shifted` is 0.
#[cube(launch)]
fn of_edges(
    positions: &[f32],
    src: &[i32],
    dst: &[i32],
    shifts: &[f32],
    rel_pos: &mut [f32],
    distance: &mut [f32],
    out: &mut [f32],
    count: usize,
    #[comptime] shifted: bool,
    #[comptime] harmonics: Harmonics,
) {
    let edges = comptime!(harmonics.edges());
    let mut rows = Shared::<[f32]>::new_slice(comptime!(edges * harmonics.stride()));
    let first = CUBE_POS * edges;
    let edge = first + UNIT_POS as usize;
    if edge < count {
        let from = 3 * src[edge] as usize;
        let to = 3 * dst[edge] as usize;
        let mut vector = Array::<f32>::new(3usize);
        #[unroll]
        for axis in 0..3usize {
            vector[axis] = positions[to + axis] - positions[from + axis];
            if comptime!(shifted) {
                vector[axis] -= shifts[3 * edge + axis];
            }
            rel_pos[3 * edge + axis] = vector[axis];
        }
        let x = vector[0];
        let y = vector[1];
        let z = vector[2];
        distance[edge] = (x * x + y * y + z * z).sqrt();
        let values = values(&direction(x, y, z), harmonics);
        #[unroll]
        for k in 0..comptime!(harmonics.dim()) {
            rows[UNIT_POS as usize * comptime!(harmonics.stride()) + k] = values[k];
        }
    }
    sync_cube();
    write_rows(&rows, out, first, count, harmonics);
}

/// As [`of_edges`], of given vectors.
#[cube(launch)]
fn of_vectors(
    vectors: &[f32],
    distance: &mut [f32],
    out: &mut [f32],
    count: usize,
    #[comptime] harmonics: Harmonics,
) {
    let edges = comptime!(harmonics.edges());
    let mut rows = Shared::<[f32]>::new_slice(comptime!(edges * harmonics.stride()));
    let first = CUBE_POS * edges;
    let edge = first + UNIT_POS as usize;
    if edge < count {
        let x = vectors[3 * edge];
        let y = vectors[3 * edge + 1];
        let z = vectors[3 * edge + 2];
        distance[edge] = (x * x + y * y + z * z).sqrt();
        let values = values(&direction(x, y, z), harmonics);
        #[unroll]
        for k in 0..comptime!(harmonics.dim()) {
            rows[UNIT_POS as usize * comptime!(harmonics.stride()) + k] = values[k];
        }
    }
    sync_cube();
    write_rows(&rows, out, first, count, harmonics);
}

/// Gradient of the harmonics to the vectors. A derivative lowers the degree by one, so it is a sum over
/// the harmonics of the degree below; `n . ∇R_l = l R_l` gives the radial part, which is taken off.
#[cube(launch)]
fn harmonics_backward(
    grad: &[f32],
    vectors: &[f32],
    out: &mut [f32],
    count: usize,
    #[comptime] harmonics: Harmonics,
) {
    let edges = comptime!(harmonics.edges());
    let dim = comptime!(harmonics.dim());
    let mut rows = Shared::<[f32]>::new_slice(comptime!(edges * harmonics.stride()));
    let first = CUBE_POS * edges;
    let mut at = UNIT_POS as usize;
    while at < comptime!(edges * dim) {
        let edge = at / dim;
        if first + edge < count {
            rows[edge * comptime!(harmonics.stride()) + at % dim] = grad[first * dim + at];
        }
        at += edges;
    }
    sync_cube();
    let edge = first + UNIT_POS as usize;
    if edge >= count {
        terminate!();
    }
    let row = UNIT_POS as usize * comptime!(harmonics.stride());
    let direction = direction(
        vectors[3 * edge],
        vectors[3 * edge + 1],
        vectors[3 * edge + 2],
    );
    let values = values(&direction, harmonics);
    let mut to_x = 0.0f32;
    let mut to_y = 0.0f32;
    let mut to_z = 0.0f32;
    let mut radial = 0.0f32;
    #[unroll]
    for l in 1..comptime!(harmonics.l_max + 1) {
        let centre = comptime!(l * l + l);
        let below = comptime!((l - 1) * l);
        let mut of_degree = 0.0f32;
        #[unroll]
        for m in 0..comptime!(l + 1) {
            let same = comptime!(harmonics.ladder(l, m)[0]).runtime();
            let lower = comptime!(harmonics.ladder(l, m)[1]).runtime();
            let upper = comptime!(harmonics.ladder(l, m)[2]).runtime();
            let of_cosine = rows[row + comptime!(centre + m)];
            of_degree += of_cosine * values[comptime!(centre + m)];
            if comptime!(m > 0) {
                let of_sine = rows[row + comptime!(centre - m)];
                of_degree += of_sine * values[comptime!(centre - m)];
                if comptime!(m < l) {
                    to_y += same * of_cosine * values[comptime!(below + m)];
                    to_y += same * of_sine * values[comptime!(below - m)];
                }
                let lower_cosine = lower * values[comptime!(below + m - 1)];
                to_z += of_cosine * lower_cosine;
                to_x += of_sine * lower_cosine;
                if comptime!(m > 1) {
                    let lower_sine = lower * values[comptime!(below + 1 - m)];
                    to_z += of_sine * lower_sine;
                    to_x -= of_cosine * lower_sine;
                }
                if comptime!(m + 1 < l) {
                    let upper_cosine = upper * values[comptime!(below + m + 1)];
                    let upper_sine = upper * values[comptime!(below - m - 1)];
                    to_z -= of_cosine * upper_cosine + of_sine * upper_sine;
                    to_x += of_sine * upper_cosine - of_cosine * upper_sine;
                }
            } else {
                to_y += same * of_cosine * values[below];
                if comptime!(l > 1) {
                    to_z -= of_cosine * upper * values[comptime!(below + 1)];
                    to_x -= of_cosine * upper * values[comptime!(below - 1)];
                }
            }
        }
        radial += comptime!(l as f32).runtime() * of_degree;
    }
    let inverse = direction[3];
    out[3 * edge] = (to_x - radial * direction[0]) * inverse;
    out[3 * edge + 1] = (to_y - radial * direction[1]) * inverse;
    out[3 * edge + 2] = (to_z - radial * direction[2]) * inverse;
}

#[cube(launch)]
fn lengths_backward(grad: &[f32], vectors: &[f32], lengths: &[f32], out: &mut [f32], count: usize) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let edge = ABSOLUTE_POS / 3;
    let mut scale = 0.0f32;
    if lengths[edge] != 0.0 {
        scale = grad[edge] / lengths[edge];
    }
    out[ABSOLUTE_POS] = scale * vectors[ABSOLUTE_POS];
}

/// One thread for each component of a node: the edges into it, less those out of it.
#[cube(launch)]
fn sum_ends(
    grad: &[f32],
    src_order: &[i32],
    src_offsets: &[i32],
    dst_order: &[i32],
    dst_offsets: &[i32],
    out: &mut [f32],
    count: usize,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let node = ABSOLUTE_POS / 3;
    let axis = ABSOLUTE_POS % 3;
    let mut into = 0.0f32;
    for k in dst_offsets[node] as usize..dst_offsets[node + 1] as usize {
        into += grad[3 * dst_order[k] as usize + axis];
    }
    let mut away = 0.0f32;
    for k in src_offsets[node] as usize..src_offsets[node + 1] as usize {
        away += grad[3 * src_order[k] as usize + axis];
    }
    out[ABSOLUTE_POS] = into - away;
}

/// One workgroup for each tile of edges.
fn tiles(count: usize, harmonics: Harmonics, like: &CubeTensor) -> (CubeCount, CubeDim) {
    let threads = CubeDim::new_1d(harmonics.edges() as u32);
    let groups = cubecl::calculate_cube_count_elemwise(&like.client, count, threads);
    (groups, threads)
}

/// Whether there is no kernel for these harmonics of so many `rows`. Without rows nothing is computed, and
/// burn's own operations on empty tensors are kept away from.
fn is_composed(rows: &CubeTensor, like: &CubeTensor, l_max: usize) -> bool {
    let is_empty = rows.meta.shape()[0] == 0;
    !is_empty && (!has_kernels(like.dtype) || l_max > HIGHEST)
}

impl GeometryOps for CubeBackend {
    fn edge_geometry(
        positions: CubeTensor,
        src: CubeTensor,
        src_order: CubeTensor,
        src_offsets: CubeTensor,
        dst: CubeTensor,
        dst_order: CubeTensor,
        dst_offsets: CubeTensor,
        shifts: CubeTensor,
        l_max: usize,
        normalization: Normalization,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        if is_composed(&src, &positions, l_max) {
            let rel_pos = composed::relative_positions::<Self>(positions, src, dst, shifts);
            let (lengths, harmonics) = Self::vector_geometry(rel_pos.clone(), l_max, normalization);
            return (rel_pos, lengths, harmonics);
        }
        let _ = (src_order, src_offsets, dst_order, dst_offsets);
        let [positions, src, dst, shifts] = row_major([positions, src, dst, shifts]);
        let harmonics = Harmonics {
            l_max,
            normalization,
        };
        let edges = src.meta.shape()[0];
        let rel_pos = empty_like(&positions, [edges, 3]);
        let distance = empty_like(&positions, [edges, 1]);
        let out = empty_like(&positions, [edges, harmonics.dim()]);
        if edges > 0 {
            let shifted = dims(&shifts)[0] > 0;
            // Without shifts the kernel binds something it does not read.
            let shifts = if shifted { &shifts } else { &positions };
            let (groups, threads) = tiles(edges, harmonics, &out);
            of_edges::launch(
                &out.client,
                groups,
                threads,
                buffer(&positions),
                buffer(&src),
                buffer(&dst),
                buffer(shifts),
                buffer(&rel_pos),
                buffer(&distance),
                buffer(&out),
                edges,
                shifted,
                harmonics,
            );
        }
        (rel_pos, distance, out)
    }

    fn relative_positions_backward(
        grad: CubeTensor,
        src_order: CubeTensor,
        src_offsets: CubeTensor,
        dst_order: CubeTensor,
        dst_offsets: CubeTensor,
    ) -> CubeTensor {
        let orders = [src_order, src_offsets, dst_order, dst_offsets];
        if is_composed(&grad, &grad, 0) {
            return composed::relative_positions_backward::<Self>(grad, orders);
        }
        let [grad] = row_major([grad]);
        let [src_order, src_offsets, dst_order, dst_offsets] = row_major(orders);
        let nodes = dst_offsets.meta.shape()[0] - 1;
        let out = empty_like(&grad, [nodes, 3]);
        if nodes > 0 && dims(&grad)[0] > 0 {
            let (groups, threads) = one_thread_each(&out, 3 * nodes);
            sum_ends::launch(
                &out.client,
                groups,
                threads,
                buffer(&grad),
                buffer(&src_order),
                buffer(&src_offsets),
                buffer(&dst_order),
                buffer(&dst_offsets),
                buffer(&out),
                3 * nodes,
            );
            return out;
        }
        zeros(&grad, [nodes, 3])
    }

    fn vector_geometry(
        vectors: CubeTensor,
        l_max: usize,
        normalization: Normalization,
    ) -> (CubeTensor, CubeTensor) {
        if is_composed(&vectors, &vectors, l_max) {
            let lengths = composed::lengths::<Self>(vectors.clone());
            let harmonics = composed::spherical_harmonics::<Self>(vectors, l_max, normalization);
            return (lengths, harmonics);
        }
        let [vectors] = row_major([vectors]);
        let harmonics = Harmonics {
            l_max,
            normalization,
        };
        let edges = dims(&vectors)[0];
        let distance = empty_like(&vectors, [edges, 1]);
        let out = empty_like(&vectors, [edges, harmonics.dim()]);
        if edges > 0 {
            let (groups, threads) = tiles(edges, harmonics, &out);
            of_vectors::launch(
                &out.client,
                groups,
                threads,
                buffer(&vectors),
                buffer(&distance),
                buffer(&out),
                edges,
                harmonics,
            );
        }
        (distance, out)
    }

    fn lengths_backward(grad: CubeTensor, vectors: CubeTensor, lengths: CubeTensor) -> CubeTensor {
        if is_composed(&vectors, &vectors, 0) {
            return composed::lengths_backward::<Self>(grad, vectors, lengths);
        }
        let [grad, vectors, lengths] = row_major([grad, vectors, lengths]);
        let edges = dims(&vectors)[0];
        let out = empty_like(&vectors, [edges, 3]);
        if edges > 0 {
            let (groups, threads) = one_thread_each(&out, 3 * edges);
            lengths_backward::launch(
                &out.client,
                groups,
                threads,
                buffer(&grad),
                buffer(&vectors),
                buffer(&lengths),
                buffer(&out),
                3 * edges,
            );
        }
        out
    }

    fn spherical_harmonics_backward(
        grad: CubeTensor,
        vectors: CubeTensor,
        l_max: usize,
        normalization: Normalization,
    ) -> CubeTensor {
        if is_composed(&vectors, &vectors, l_max) {
            return composed::spherical_harmonics_backward::<Self>(
                grad,
                vectors,
                l_max,
                normalization,
            );
        }
        let [grad, vectors] = row_major([grad, vectors]);
        let harmonics = Harmonics {
            l_max,
            normalization,
        };
        let edges = dims(&vectors)[0];
        let out = empty_like(&vectors, [edges, 3]);
        if edges > 0 {
            let (groups, threads) = tiles(edges, harmonics, &out);
            harmonics_backward::launch(
                &out.client,
                groups,
                threads,
                buffer(&grad),
                buffer(&vectors),
                buffer(&out),
                edges,
                harmonics,
            );
        }
        out
    }
}
