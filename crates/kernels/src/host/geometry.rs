//! Relative positions, lengths and harmonics of edges, a chunk of edges at a time: what one step writes
//! the next one reads from the cache.

use rayon::prelude::*;
use steerable_harmonics::{Domain, Normalization, SphericalHarmonics, Threads};

use super::real::Real;
use super::simd::{Instructions, Loop, dispatch};

/// Edges that one thread takes at once.
const CHUNK: usize = 2048;
/// Edges whose lengths are computed side by side.
const LANES: usize = 16;
/// Nodes below which a second thread costs more than it brings.
const NODES_PER_THREAD: usize = 512;

/// Where the vectors of the edges come from.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'a, T> {
    /// `[num_nodes, 3]`
    pub(crate) positions: &'a [T],
    pub(crate) src: &'a [i32],
    pub(crate) dst: &'a [i32],
    /// Added to the position of the source, `[num_edges, 3]`, or empty.
    pub(crate) shifts: &'a [T],
}

/// Edges grouped by one of their ends.
#[derive(Clone, Copy)]
pub(crate) struct EdgesOfNodes<'a> {
    pub(crate) order: &'a [i32],
    pub(crate) offsets: &'a [i32],
}

/// Results for each edge.
pub(crate) struct EdgeGeometry<T> {
    /// `[num_edges, 3]`
    pub(crate) rel_pos: Vec<T>,
    /// `[num_edges]`
    pub(crate) distance: Vec<T>,
    /// `[num_edges, (l_max + 1)^2]`
    pub(crate) harmonics: Vec<T>,
}

/// Harmonics of directions, on the calling thread.
pub(crate) fn sphere(l_max: usize, normalization: Normalization) -> SphericalHarmonics {
    SphericalHarmonics::new(l_max)
        .with_normalization(normalization)
        .with_domain(Domain::Sphere)
        .with_threads(Threads::Single)
}

impl<T: Real> Ends<'_, T> {
    /// `positions[dst] - (positions[src] + shift)`, its length and its harmonics.
    pub(crate) fn geometry(&self, harmonics: &SphericalHarmonics) -> EdgeGeometry<T> {
        let (edges, width) = (self.src.len(), harmonics.dim());
        let mut out = EdgeGeometry {
            rel_pos: vec![T::ZERO; 3 * edges],
            distance: vec![T::ZERO; edges],
            harmonics: vec![T::ZERO; width * edges],
        };
        out.rel_pos
            .par_chunks_mut(3 * CHUNK)
            .zip(out.distance.par_chunks_mut(CHUNK))
            .zip(out.harmonics.par_chunks_mut(width * CHUNK))
            .enumerate()
            .for_each(|(chunk, ((rel_pos, distance), values))| {
                self.relative(chunk * CHUNK, rel_pos);
                dispatch(Lengths {
                    vectors: rel_pos,
                    out: distance,
                });
                harmonics.values(rel_pos, values);
            });
        out
    }

    /// Relative positions of the edges from `first` on.
    fn relative(&self, first: usize, out: &mut [T]) {
        let edges = first..first + out.len() / 3;
        let ends = self.src[edges.clone()].iter().zip(&self.dst[edges.clone()]);
        for (out, (&src, &dst)) in out.chunks_exact_mut(3).zip(ends) {
            let src = &self.positions[3 * src as usize..3 * src as usize + 3];
            let dst = &self.positions[3 * dst as usize..3 * dst as usize + 3];
            for ((out, &to), &from) in out.iter_mut().zip(dst).zip(src) {
                *out = to - from;
            }
        }
        if !self.shifts.is_empty() {
            let shifts = &self.shifts[3 * edges.start..3 * edges.end];
            for (out, &shift) in out.iter_mut().zip(shifts) {
                *out = *out - shift;
            }
        }
    }
}

/// Lengths `[n]` and harmonics `[n, (l_max + 1)^2]` of vectors `[n, 3]`.
pub(crate) fn of_vectors<T: Real>(
    vectors: &[T],
    harmonics: &SphericalHarmonics,
) -> (Vec<T>, Vec<T>) {
    let (edges, width) = (vectors.len() / 3, harmonics.dim());
    let (mut distance, mut values) = (vec![T::ZERO; edges], vec![T::ZERO; width * edges]);
    distance
        .par_chunks_mut(CHUNK)
        .zip(values.par_chunks_mut(width * CHUNK))
        .zip(vectors.par_chunks(3 * CHUNK))
        .for_each(|((distance, values), vectors)| {
            dispatch(Lengths {
                vectors,
                out: distance,
            });
            harmonics.values(vectors, values);
        });
    (distance, values)
}

/// Lengths of `vectors` `[n, 3]`.
struct Lengths<'a, T> {
    vectors: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Loop for Lengths<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let length = |vector: &[T]| {
            let [x, y, z] = [vector[0], vector[1], vector[2]];
            Real::sqrt(I::multiply_add(x, x, I::multiply_add(y, y, z * z)))
        };
        let mut vectors = self.vectors.chunks_exact(3 * LANES);
        let mut out = self.out.chunks_exact_mut(LANES);
        for (vectors, out) in vectors.by_ref().zip(out.by_ref()) {
            for lane in 0..LANES {
                out[lane] = length(&vectors[3 * lane..3 * lane + 3]);
            }
        }
        let rest = vectors.remainder().chunks_exact(3);
        for (out, vector) in out.into_remainder().iter_mut().zip(rest) {
            *out = length(vector);
        }
    }
}

/// Gradient of the harmonics to the vectors, `[n, 3]`.
pub(crate) fn harmonics_backward<T: Real>(
    grad: &[T],
    vectors: &[T],
    harmonics: &SphericalHarmonics,
) -> Vec<T> {
    let mut out = vec![T::ZERO; vectors.len()];
    out.par_chunks_mut(3 * CHUNK)
        .zip(vectors.par_chunks(3 * CHUNK))
        .zip(grad.par_chunks(harmonics.dim() * CHUNK))
        .for_each(|((out, vectors), grad)| harmonics.pullback(vectors, grad, out));
    out
}

/// Gradient of the lengths to the vectors, `grad v / |v|`: zero where the length is zero.
pub(crate) fn lengths_backward<T: Real>(grad: &[T], vectors: &[T], lengths: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; vectors.len()];
    out.par_chunks_mut(3 * CHUNK)
        .zip(vectors.par_chunks(3 * CHUNK))
        .zip(grad.par_chunks(CHUNK).zip(lengths.par_chunks(CHUNK)))
        .for_each(|((out, vectors), (grad, lengths))| {
            let inputs = vectors.chunks_exact(3).zip(grad.iter().zip(lengths));
            for (out, (vector, (&grad, &length))) in out.chunks_exact_mut(3).zip(inputs) {
                let scale = if length == T::ZERO {
                    T::ZERO
                } else {
                    grad * Real::recip(length)
                };
                for (out, &x) in out.iter_mut().zip(vector) {
                    *out = scale * x;
                }
            }
        });
    out
}

/// Gradient of relative positions to positions, `[num_nodes, 3]`: what the edges into a node have, less
/// what the edges out of it have.
pub(crate) fn sum_ends<T: Real>(
    grad: &[T],
    by_src: EdgesOfNodes<'_>,
    by_dst: EdgesOfNodes<'_>,
) -> Vec<T> {
    let nodes = by_dst.offsets.len() - 1;
    let sum = |edges: EdgesOfNodes<'_>, node: usize| {
        let mut sum = [T::ZERO; 3];
        let (first, last) = (
            edges.offsets[node] as usize,
            edges.offsets[node + 1] as usize,
        );
        for &edge in &edges.order[first..last] {
            let grad = &grad[3 * edge as usize..3 * edge as usize + 3];
            for (sum, &grad) in sum.iter_mut().zip(grad) {
                *sum += grad;
            }
        }
        sum
    };
    let mut out = vec![T::ZERO; 3 * nodes];
    out.par_chunks_mut(3)
        .enumerate()
        .with_min_len(NODES_PER_THREAD)
        .for_each(|(node, out)| {
            let (into, out_of) = (sum(by_dst, node), sum(by_src, node));
            for ((out, into), out_of) in out.iter_mut().zip(into).zip(out_of) {
                *out = into - out_of;
            }
        });
    out
}
