//! W1: spherical harmonics, slice to slice.

use std::hint::black_box;

use serde::Deserialize;
use steerable::harmonics::SphericalHarmonics;

use super::{Cost, Mode, Source, Work, note};

/// All degrees to `L` of `n` random directions. Every step writes to the same buffers: sphericart's Python
/// interface makes new ones, unfilled, in memory that its allocator has kept, so neither side pays for
/// fresh pages or for zeros.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Harmonics {
    /// Number of vectors.
    pub n: usize,
    /// Highest degree.
    #[serde(rename = "L")]
    pub l_max: usize,
}

impl Default for Harmonics {
    fn default() -> Self {
        Self {
            n: 100_000,
            l_max: 6,
        }
    }
}

impl Harmonics {
    pub(super) fn build(self, mode: Mode) -> Work {
        let Self { n, l_max } = self;
        let mut vectors = Source::new().normals(3 * n);
        for vector in vectors.chunks_exact_mut(3) {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|x| *x /= length);
        }
        let harmonics = SphericalHarmonics::new(l_max);
        let dim = harmonics.dim();
        let written = match mode {
            Mode::Forward => dim,
            _ => 4 * dim,
        };
        let mut values = vec![0.0; n * dim];
        let mut jacobian = match mode {
            Mode::Forward => Vec::new(),
            _ => vec![0.0; 3 * n * dim],
        };
        let step: Box<dyn FnMut()> = match mode {
            Mode::Forward => Box::new(move || harmonics.values(&vectors, black_box(&mut values))),
            _ => Box::new(move || {
                let (values, jacobian) = black_box((&mut values, &mut jacobian));
                harmonics.values_and_jacobian(&vectors, values, jacobian);
            }),
        };
        Work {
            step,
            note: note([("out", dim.into())]),
            cost: Cost {
                flop: None,
                flop_naive: None,
                bytes: Some(4.0 * (n * (3 + written)) as f64),
            },
        }
    }
}
