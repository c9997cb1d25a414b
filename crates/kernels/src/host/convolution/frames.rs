//! The frame of each edge, whose polar axis points along it.
//!
//! A convolution is told the harmonics of its edges, not their directions. They are those of a
//! direction, all times one number, unless somebody made them up or an edge has no length; so the direction
//! is read off degree 1 and the other degrees are compared with it.

use rayon::prelude::*;
use steerable_harmonics::{Normalization, SphericalHarmonics, Threads};

use super::Convolution;
use crate::host::real::Real;

/// Numbers of one frame.
pub(super) const FRAME: usize = 5;
/// Edges that a thread compares at once.
const EDGES_AT_ONCE: usize = 512;
/// One edge in so many may have no frame: they cost both orders.
const FEW: usize = 8;

/// The frame of one edge: `D = Ry(a) Rx(b)` takes the polar axis to the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frame<T> {
    /// `cos a, sin a`; any angle will do at the poles.
    pub(super) azimuth: [T; 2],
    /// `cos b, sin b`
    pub(super) polar: [T; 2],
    /// `Y_0`, which the envelope scales as it scales the other degrees.
    pub(super) scale: T,
}

/// The frames of all edges.
pub(super) struct Frames<T> {
    /// Those of edges without one have the scale zero.
    pub(super) of_edges: Vec<Frame<T>>,
    /// Edges whose harmonics are not those of a direction to rounding, ascending: edges without a length,
    /// harmonics of another kind, numbers that are not finite.
    pub(super) without: Vec<usize>,
    normalization: Normalization,
}

impl<T: Real> Frames<T> {
    /// The frames, or `None` where more than a few edges have none.
    pub(super) fn of(convolution: &Convolution<'_, T>) -> Option<Self> {
        let (width, l_max) = (convolution.harmonics_width, convolution.plan.l_filter_max());
        if l_max == 0 {
            return None;
        }
        let rows = convolution.harmonics.chunks_exact(width);
        let normalization = normalization(rows.clone())?;
        let harmonics = SphericalHarmonics::new(l_max)
            .with_normalization(normalization)
            .with_threads(Threads::Single);
        let mut of_edges = vec![Frame::default(); rows.len()];
        let without: Vec<Vec<usize>> = of_edges
            .par_chunks_mut(EDGES_AT_ONCE)
            .zip(convolution.harmonics.par_chunks(EDGES_AT_ONCE * width))
            .map(|(frames, rows)| read_frames(frames, rows, width, &harmonics))
            .collect();
        let starts = (0..).step_by(EDGES_AT_ONCE);
        let without: Vec<usize> = starts
            .zip(without)
            .flat_map(|(start, edges)| edges.into_iter().map(move |edge| start + edge))
            .collect();
        (without.len() * FEW <= of_edges.len()).then_some(Self {
            of_edges,
            without,
            normalization,
        })
    }

    /// `|Y_l| / |Y_0|`
    pub(super) fn length(&self, l: usize) -> f64 {
        self.normalization.length(l) / self.normalization.length(0)
    }
}

/// Which lengths the degrees have, up to a factor, told by degrees 0 and 1 of most edges. `None` where
/// every row is zero, beyond the cutoff, or no edge has a length.
fn normalization<'r, T: Real>(rows: impl Iterator<Item = &'r [T]>) -> Option<Normalization> {
    let (mut long, mut known) = (0_usize, 0_usize);
    for y in rows {
        let of_vector = y[1] * y[1] + y[2] * y[2] + y[3] * y[3];
        if of_vector > T::ZERO && y[0] != T::ZERO {
            known += 1;
            // 1 or 3, here cut in between.
            long += usize::from(of_vector > T::of(2.0) * y[0] * y[0]);
        }
    }
    (known > 0).then(|| match 2 * long > known {
        true => Normalization::Component,
        false => Normalization::Norm,
    })
}

/// Writes the frames of some edges and tells which have none, counted from the first.
fn read_frames<T: Real>(
    frames: &mut [Frame<T>],
    rows: &[T],
    width: usize,
    harmonics: &SphericalHarmonics,
) -> Vec<usize> {
    let (dim, l_max) = (harmonics.dim(), harmonics.l_max());
    let mut directions = vec![T::ZERO; 3 * frames.len()];
    let rows = || rows.chunks_exact(width);
    for ((frame, to), y) in frames
        .iter_mut()
        .zip(directions.chunks_exact_mut(3))
        .zip(rows())
    {
        let mut direction = [y[1], y[2], y[3]];
        if y[0] < T::ZERO {
            direction = direction.map(|value| T::ZERO - value);
        }
        *frame = Frame::of(direction, y[0]);
        to.copy_from_slice(&frame.axis());
    }
    let mut expected = vec![T::ZERO; frames.len() * dim];
    harmonics.values(&directions, &mut expected);
    // The direction is off by one rounding, which degree l multiplies by about l; the recursion that
    // made the harmonics has errors of its own.
    let tolerance = T::of(8.0 * T::EPSILON * ((l_max + 1) * (l_max + 1)) as f64);
    let zeroth = T::of(harmonics.normalization().length(0));
    let has_frame = |frame: &Frame<T>, y: &[T], expected: &[T]| {
        let size = frame.scale / zeroth;
        let magnitude = if size < T::ZERO { T::ZERO - size } else { size };
        (0..=l_max).all(|l| {
            let length = T::of(harmonics.normalization().length(l));
            let most = tolerance * length * magnitude;
            let degree = l * l..(l + 1) * (l + 1);
            let expected = &expected[degree.clone()];
            y[degree].iter().zip(expected).all(|(&y, &expected)| {
                let apart = y - size * expected;
                apart <= most && T::ZERO - apart <= most
            })
        })
    };
    let mut without = Vec::new();
    let edges = frames
        .iter_mut()
        .zip(rows())
        .zip(expected.chunks_exact(dim));
    for (edge, ((frame, y), expected)) in edges.enumerate() {
        if !has_frame(frame, y, expected) {
            *frame = Frame::NONE;
            without.push(edge);
        }
    }
    without
}

impl<T: Real> Frame<T> {
    /// That of an edge which has none: nothing goes through it.
    const NONE: Self = Self {
        azimuth: [T::ONE, T::ZERO],
        polar: [T::ONE, T::ZERO],
        scale: T::ZERO,
    };

    fn of([x, y, z]: [T; 3], scale: T) -> Self {
        let across = (x * x + z * z).sqrt();
        let length = (across * across + y * y).sqrt();
        let along = |a: T, b: T, length: T| match length > T::ZERO {
            true => [a / length, b / length],
            false => [T::ONE, T::ZERO],
        };
        Self {
            azimuth: along(z, x, across),
            polar: along(y, across, length),
            scale,
        }
    }

    /// The direction that the polar axis is taken to.
    fn axis(&self) -> [T; 3] {
        let ([cos, sin], [y, across]) = (self.azimuth, self.polar);
        [sin * across, y, cos * across]
    }

    /// In one row.
    pub(super) fn numbers(&self) -> [T; FRAME] {
        let ([a, b], [c, d]) = (self.azimuth, self.polar);
        [a, b, c, d, self.scale]
    }
}
