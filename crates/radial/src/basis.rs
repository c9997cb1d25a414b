//! Radial bases: a distance, seen through several smooth functions.

mod global;
mod local;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{Cutoff, RadialError};

/// Which functions expand a distance `r`.
///
/// With the range `a .. b`, its length `L = b - a`, the count `n`, `x = (r - a) / L`, and `d` the
/// distance to the centre of a function in units of the spacing of the centres:
///
/// | kind | [`Ends::Free`] | [`Ends::Vanishing`] |
/// | --- | --- | --- |
/// | `Distance` | `r` | `r` |
/// | `Gaussian` | `exp(-d^2) / 1.12` | same; the outermost is still 0.33 at the end |
/// | `Cosine` | `cos(pi d / 2)` where `abs(d) < 1` | same |
/// | `SmoothFinite` | `1.14136 exp(2 - 2 / (1 - d^2))` where `abs(d) < 1` | same |
/// | `BSpline` | cubic B-spline of `d`, sums to 1 in the range | same |
/// | `Fourier` | `cos(pi k x) / N`, `k = 0 .. n-1` | `sin(pi k x) / N`, `k = 1 ..= n` |
/// | `Bessel` | `sqrt(2/L) sin(pi k x) / (r - a)`, `k = 1 ..= n` | same, 0 outside |
/// | `Chebyshev` | `T_k(2x - 1)`, `0 <= k < n`, held outside | `T_(k+2) - T_(k mod 2)`, 0 outside |
///
/// where `N = sqrt(1/4 + n/2)`. The numbers 1.12, 1.14136 and `N` are e3nn's: they make the squares
/// of the features sum to about 1 inside the range.
///
/// `Gaussian` to `BSpline` are local bumps on a grid. The grid of free ends puts the first and last
/// centre on the ends (`BSpline`: one spacing beyond them); that of vanishing ends keeps the
/// supports inside, so that a bump reaches the end as smoothly as anywhere. `Fourier`, `Bessel` and
/// `Chebyshev` reach over the whole range; with vanishing ends they are continuous there and their
/// slope jumps; only `Bessel` keeps its limit at `r = a`: a distance of zero is a distance.
///
/// # Source
///
/// `e3nn.math.soft_one_hot_linspace` for `Gaussian`, `Cosine`, `SmoothFinite`, `Fourier`, `Bessel`
/// (vanishing is its `cutoff=True`); `Bessel`: arXiv:2003.03123, equation 7; vanishing `Chebyshev`:
/// basis recombination in Boyd, "Chebyshev and Fourier Spectral Methods", chapter 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RadialBasisKind {
    /// The distance itself, as in the SE(3)-Transformers; range and ends do not matter.
    Distance,
    /// Gaussian bumps.
    Gaussian,
    /// Single humps of a cosine.
    Cosine,
    /// Infinitely smooth bumps of finite support.
    SmoothFinite,
    /// Cubic B-splines.
    BSpline,
    /// Waves of the range.
    Fourier,
    /// Standing spherical waves, singular factor included: the limit is taken at `r = a`.
    Bessel,
    /// Chebyshev polynomials of the first kind.
    Chebyshev,
}

/// What the functions do at the ends of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ends {
    /// They reach over the ends. See [`RadialBasisKind`] for what each kind does there.
    Free,
    /// They are zero outside and fall to zero at the ends, but for the tails of `Gaussian` and for
    /// `Bessel` at the start.
    Vanishing,
}

/// The distances a basis resolves, in angstrom.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The smallest distance.
    pub start: f64,
    /// The largest distance.
    pub end: f64,
}

impl Range {
    /// From zero to the cutoff.
    pub fn up_to(cutoff: Cutoff) -> Self {
        Self {
            start: 0.0,
            end: cutoff.radius(),
        }
    }

    /// `end - start`.
    pub fn length(self) -> f64 {
        self.end - self.start
    }
}

/// Configuration of a [`RadialBasis`].
#[derive(Config, Debug, PartialEq)]
pub struct RadialBasisConfig {
    /// The functions.
    pub kind: RadialBasisKind,
    /// How many of them.
    pub count: usize,
    /// The distances they resolve.
    pub range: Range,
    /// What they do at the ends of the range. Default: [`Ends::Free`].
    #[config(default = "Ends::Free")]
    pub ends: Ends,
}

impl RadialBasisConfig {
    /// The distance itself as the only feature.
    pub fn distance() -> Self {
        let any = Range {
            start: 0.0,
            end: 1.0,
        };
        Self::new(RadialBasisKind::Distance, 1, any)
    }

    /// Makes the basis. It has no parameters and creates its constants on the device of its input;
    /// the device is asked for because every config of this project is used alike.
    ///
    /// # Errors
    ///
    /// [`RadialError::Range`], [`RadialError::TooFewFeatures`] (B-splines with free ends need 4,
    /// other bumps with free ends 2, the rest 1) or [`RadialError::DistanceCount`].
    pub fn try_init(&self, _device: &Device) -> Result<RadialBasis, RadialError> {
        let Self {
            kind,
            count,
            range,
            ends,
        } = *self;
        if kind == RadialBasisKind::Distance {
            if count != 1 {
                return Err(RadialError::DistanceCount { count });
            }
        } else if !(range.start.is_finite() && range.end.is_finite() && range.start < range.end) {
            let Range { start, end } = range;
            return Err(RadialError::Range { start, end });
        }
        let least = least_count(kind, ends);
        if count < least {
            return Err(RadialError::TooFewFeatures {
                kind,
                ends,
                least,
                count,
            });
        }
        Ok(RadialBasis {
            kind,
            count,
            range,
            ends,
        })
    }

    /// As [`try_init`](Self::try_init).
    ///
    /// # Panics
    ///
    /// Where `try_init` returns an error.
    pub fn init(&self, device: &Device) -> RadialBasis {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("RadialBasisConfig: {error}"))
    }
}

fn least_count(kind: RadialBasisKind, ends: Ends) -> usize {
    use RadialBasisKind::{BSpline, Cosine, Gaussian, SmoothFinite};
    match (kind, ends) {
        (BSpline, Ends::Free) => 4,
        (Gaussian | Cosine | SmoothFinite, Ends::Free) => 2,
        _ => 1,
    }
}

/// Expands distances into features: see [`RadialBasisKind`] for the formulas.
///
/// Differentiable, with finite value and gradient at every finite distance.
#[derive(Module, Debug)]
pub struct RadialBasis {
    #[module(skip)]
    kind: RadialBasisKind,
    #[module(skip)]
    count: usize,
    #[module(skip)]
    range: Range,
    #[module(skip)]
    ends: Ends,
}

impl RadialBasis {
    /// The number of features per distance.
    pub fn num_features(&self) -> usize {
        self.count
    }

    /// The features of each distance.
    ///
    /// # Shapes
    ///
    /// - distance: `[edges, 1]`, in angstrom
    /// - output: `[edges, num_features]`
    ///
    /// # Panics
    ///
    /// If `distance` is not one column.
    pub fn forward(&self, distance: Tensor<2>) -> Tensor<2> {
        let [edges, columns] = distance.dims();
        assert!(
            columns == 1,
            "RadialBasis: expected distances of shape [edges, 1], got [{edges}, {columns}]"
        );
        let Self {
            kind,
            count,
            range,
            ends,
        } = *self;
        match kind {
            RadialBasisKind::Distance => distance,
            RadialBasisKind::Gaussian => local::gaussian(distance, count, range, ends),
            RadialBasisKind::Cosine => local::cosine(distance, count, range, ends),
            RadialBasisKind::SmoothFinite => local::smooth_finite(distance, count, range, ends),
            RadialBasisKind::BSpline => local::b_spline(distance, count, range, ends),
            RadialBasisKind::Fourier => global::fourier(distance, count, range, ends),
            RadialBasisKind::Bessel => global::bessel(distance, count, range, ends),
            RadialBasisKind::Chebyshev => global::chebyshev(distance, count, range, ends),
        }
    }
}

/// A constant matrix on the device and in the dtype of `like`.
fn constant(values: Vec<f64>, shape: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(values, shape),
        (&like.device(), like.dtype()),
    )
}
