//! Spherical harmonics in a kernel, their loops written out.

use cubecl::prelude::*;
use steerable_harmonics::Normalization;

/// Numbers of shared memory in a workgroup.
const SHARED: usize = 4096;

/// Which harmonics, known when a kernel is compiled.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) struct Harmonics {
    pub(super) l_max: usize,
    pub(super) normalization: Normalization,
}

/// The recursions of `steerable-harmonics`, coefficient by coefficient.
impl Harmonics {
    /// Number of harmonics.
    pub(super) fn dim(&self) -> usize {
        (self.l_max + 1).pow(2)
    }

    /// Distance of two edges' rows in shared memory: odd, so that they begin in different banks.
    pub(super) fn stride(&self) -> usize {
        self.dim() | 1
    }

    /// Edges of a workgroup.
    pub(super) fn edges(&self) -> usize {
        let most = SHARED / self.stride();
        [256, 128, 64, 32]
            .into_iter()
            .find(|&n| n <= most)
            .unwrap_or(16)
    }

    fn ratio(&self, l: usize, below: usize) -> f64 {
        self.normalization.length(l) / self.normalization.length(below)
    }

    /// `R_0^0` for `m = 0`, else `k_m`.
    fn sectoral(&self, m: usize) -> f32 {
        let factor = match m {
            0 => return self.normalization.length(0) as f32,
            1 => 1.0,
            _ => ((2 * m - 1) as f64 / (2 * m) as f64).sqrt(),
        };
        (factor * self.ratio(m, m - 1)) as f32
    }

    /// `a_lm`: `R_l^±m = a y R_{l-1}^±m - b r² R_{l-2}^±m`.
    fn polar(&self, l: usize, m: usize) -> f32 {
        let span = ((l - m) * (l + m)) as f64;
        ((2 * l - 1) as f64 / span.sqrt() * self.ratio(l, l - 1)) as f32
    }

    /// `b_lm`.
    fn radial(&self, l: usize, m: usize) -> f32 {
        let span = ((l - m) * (l + m)) as f64;
        let before = ((l - m - 1) * (l + m - 1)) as f64;
        match before == 0.0 {
            true => 0.0,
            false => ((before / span).sqrt() * self.ratio(l, l - 2)) as f32,
        }
    }

    /// The weights `d`, `p` and `q` of the orders m, m - 1 and m + 1 in the gradient of `R_l^±m`.
    pub(super) fn ladder(&self, l: usize, m: usize) -> [f32; 3] {
        let ratio = self.ratio(l, l - 1);
        let (l, order) = (l as f64, m as f64);
        let same = ((l - order) * (l + order)).sqrt();
        let lower = match m {
            0 => 0.0,
            1 => (l * (l + 1.0) / 2.0).sqrt(),
            _ => ((l + order) * (l + order - 1.0)).sqrt() / 2.0,
        };
        let upper = match m {
            0 => (l * (l - 1.0) / 2.0).sqrt(),
            _ => ((l - order) * (l - order - 1.0)).sqrt() / 2.0,
        };
        [same, lower, upper].map(|weight| (weight * ratio) as f32)
    }
}

/// `[n_x, n_y, n_z, 1 / |v|]` of a vector, all zero where it is shorter than 1e-30. Squares overflow
/// and underflow long before lengths do, so a length far from 1 is first brought near it.
#[cube]
pub(super) fn direction(x: f32, y: f32, z: f32) -> Array<f32> {
    let size = x.abs() + y.abs() + z.abs();
    let mut scale = 1.0f32;
    if size < 1e-15 {
        scale = 1e20;
    }
    if size > 1e15 {
        scale = 1e-20;
    }
    let x = x * scale;
    let y = y * scale;
    let z = z * scale;
    let mut inverse = 1.0 / (x * x + y * y + z * z).sqrt();
    if size < 1e-30 {
        inverse = 0.0;
    }
    let mut out = Array::<f32>::new(4usize);
    out[0] = x * inverse;
    out[1] = y * inverse;
    out[2] = z * inverse;
    out[3] = inverse * scale;
    out
}

/// All harmonics of a direction; of the zero vector, those of degree 0.
#[cube]
pub(super) fn values(direction: &Array<f32>, #[comptime] harmonics: Harmonics) -> Array<f32> {
    let mut out = Array::<f32>::new(comptime!(harmonics.dim()));
    let x = direction[0];
    let y = direction[1];
    let z = direction[2];
    // r² of the direction: 0 for the zero vector.
    let mut squared = 1.0f32;
    if direction[3] == 0.0 {
        squared = 0.0;
    }
    #[unroll]
    for m in 0..comptime!(harmonics.l_max + 1) {
        if comptime!(m == 0) {
            out[0] = comptime!(harmonics.sectoral(0)).runtime();
        } else {
            let factor = comptime!(harmonics.sectoral(m)).runtime();
            let below = comptime!((m - 1) * (m - 1) + 2 * (m - 1));
            let cosine = out[below];
            let mut sine = 0.0f32;
            if comptime!(m > 1) {
                sine = out[comptime!((m - 1) * (m - 1))];
            }
            out[comptime!(m * m + 2 * m)] = factor * (z * cosine - x * sine);
            out[comptime!(m * m)] = factor * (z * sine + x * cosine);
        }
        #[unroll]
        for l in comptime!(m + 1)..comptime!(harmonics.l_max + 1) {
            let polar = comptime!(harmonics.polar(l, m)).runtime() * y;
            let centre = comptime!(l * l + l);
            let one_below = comptime!((l - 1) * l);
            let mut cosine = polar * out[comptime!(one_below + m)];
            let mut sine = polar * out[comptime!(one_below - m)];
            if comptime!(l > m + 1) {
                let radial = comptime!(harmonics.radial(l, m)).runtime() * squared;
                let two_below = comptime!((l - 2) * (l - 1));
                cosine -= radial * out[comptime!(two_below + m)];
                sine -= radial * out[comptime!(two_below - m)];
            }
            out[comptime!(centre + m)] = cosine;
            out[comptime!(centre - m)] = sine;
        }
    }
    out
}
