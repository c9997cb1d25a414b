//! Real spherical harmonics, their derivatives, and the choices that fix their numbers.

mod batch;
mod kernel;
mod lanes;
mod real;
mod recurrence;
#[cfg(test)]
mod tests;

use core::f64::consts::PI;
use core::ops::Range;

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use serde::{Deserialize, Serialize};

use batch::{Batch, Destination, Pullback, Values, ValuesAndJacobian};
pub use real::Real;
use recurrence::Recurrence;

/// The length of the harmonics of one degree on the unit sphere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Normalization {
    /// `|Y_l|² = 2l + 1`: each component has mean square 1 over the sphere.
    #[default]
    Component,
    /// `|Y_l| = 1`
    Norm,
    /// `∫ Y_lm² = 1` over the sphere: orthonormal functions.
    Integral,
}

impl Normalization {
    /// `|Y_l|` on the unit sphere.
    pub fn length(self, l: usize) -> f64 {
        let dim = (2 * l + 1) as f64;
        match self {
            Self::Component => dim.sqrt(),
            Self::Norm => 1.0,
            Self::Integral => (dim / (4.0 * PI)).sqrt(),
        }
    }
}

/// What the harmonics are functions of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// The direction `v / |v|`. The zero vector has none: `Y_0` is as usual there, `Y_l = 0` for
    /// `l >= 1`, and the derivatives are zero.
    #[default]
    Sphere,
    /// The vector: `R_l(v) = |v|^l Y_l(v / |v|)`, homogeneous polynomials of degree l.
    Solid,
}

/// How many threads a batch may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Threads {
    /// Rayon's current pool for large batches, the calling thread for small ones. The results are
    /// the same numbers.
    #[default]
    Auto,
    /// The calling thread.
    Single,
}

/// Real spherical harmonics of all degrees `l = 0..=l_max`, in e3nn's convention.
///
/// Degree l has the components `m = -l..=l` at `l²..(l + 1)²`, with **y** as the polar axis and no
/// Condon-Shortley sign, so that `Y_1 = √3 (x, y, z)` in [`Normalization::Component`], and
/// `Y_l(R v) = D_l(R) Y_l(v)`:
///
/// ```text
/// Y_l^m(v) = c_lm P_l^|m|(cos θ) · { cos mφ (m >= 0), sin |m|φ (m < 0) }
/// cos θ = y / |v|,  φ = atan2(x, z),  c_lm = |Y_l| √((2 - δ_m0) (l - |m|)! / (l + |m|)!)
/// ```
///
/// They are computed as polynomials in x, y and z, without trigonometry, so neither poles nor
/// axes are special. On [`Domain::Sphere`] every finite vector gives finite values and derivatives;
/// vectors shorter than 1e-30 in `f32` (1e-290 in `f64`) count as zero, because the derivatives
/// of a shorter vector's direction are too large for the type. A vector that is not finite gives
/// NaN.
///
/// # Source
/// The recursions are sphericart's (Bigi et al., J. Chem. Phys. 159, 064802, 2023), multiplied out.
///
/// # Example
/// ```
/// use steerable_harmonics::SphericalHarmonics;
///
/// let harmonics = SphericalHarmonics::new(2);
/// let y = harmonics.single([0.0, 0.0, 2.0]);
/// let expected = [1.0, 0.0, 0.0, 3f64.sqrt(), 0.0, 0.0, -(5f64 / 4.0).sqrt(), 0.0, 15f64.sqrt() / 2.0];
/// assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14));
/// ```
#[derive(Clone, Debug)]
pub struct SphericalHarmonics {
    normalization: Normalization,
    domain: Domain,
    threads: Threads,
    in_f32: Recurrence<f32>,
    in_f64: Recurrence<f64>,
}

impl SphericalHarmonics {
    /// Harmonics of degrees 0 to `l_max`, in the default [`Normalization`] and [`Domain`].
    pub fn new(l_max: usize) -> Self {
        let normalization = Normalization::default();
        Self {
            normalization,
            domain: Domain::default(),
            threads: Threads::default(),
            in_f32: Recurrence::new(l_max, normalization),
            in_f64: Recurrence::new(l_max, normalization),
        }
    }

    /// The same harmonics of other lengths.
    #[must_use]
    pub fn with_normalization(self, normalization: Normalization) -> Self {
        let l_max = self.l_max();
        Self {
            normalization,
            in_f32: Recurrence::new(l_max, normalization),
            in_f64: Recurrence::new(l_max, normalization),
            ..self
        }
    }

    /// The same harmonics as functions of something else.
    #[must_use]
    pub fn with_domain(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }

    /// The same harmonics, computed on other threads.
    #[must_use]
    pub fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The highest degree.
    pub fn l_max(&self) -> usize {
        self.in_f64.l_max()
    }

    /// The number of components of all degrees: `(l_max + 1)²`.
    pub fn dim(&self) -> usize {
        (self.l_max() + 1).pow(2)
    }

    /// Where degree l is among the components.
    ///
    /// # Panics
    /// If `l > l_max`.
    pub fn degree(&self, l: usize) -> Range<usize> {
        assert!(
            l <= self.l_max(),
            "SphericalHarmonics: degree {l} of l_max = {}",
            self.l_max()
        );
        l * l..(l + 1) * (l + 1)
    }

    /// How long the harmonics are.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// What the harmonics are functions of.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The harmonics of one vector.
    ///
    /// # Shapes
    /// - output: `[(l_max + 1)²]`
    pub fn single(&self, vector: [f64; 3]) -> Vec<f64> {
        let mut values = vec![0.0; self.dim()];
        self.values(&vector, &mut values);
        values
    }

    /// The harmonics of every vector.
    ///
    /// # Shapes
    /// - `vectors`: `[n, 3]`
    /// - `values`: `[n, (l_max + 1)²]`, overwritten
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn values<T: Real>(&self, vectors: &[T], values: &mut [T]) {
        let n = self.check_vectors(vectors);
        self.check("values", values.len(), &[n, self.dim()]);
        let batch = self.batch(vectors, size_of_val(values));
        if !self.in_parallel(values.len()) {
            return T::dispatch(Values { batch, values });
        }
        vectors
            .par_chunks(3 * VECTORS_PER_TASK)
            .zip(values.par_chunks_mut(self.dim() * VECTORS_PER_TASK))
            .for_each(|(vectors, values)| {
                T::dispatch(Values {
                    batch: Batch { vectors, ..batch },
                    values,
                });
            });
    }

    /// The harmonics of every vector and their derivatives `∂Y / ∂(x, y, z)`.
    ///
    /// # Shapes
    /// - `vectors`: `[n, 3]`
    /// - `values`: `[n, (l_max + 1)²]`, overwritten
    /// - `jacobian`: `[n, 3, (l_max + 1)²]`, overwritten
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn values_and_jacobian<T: Real>(
        &self,
        vectors: &[T],
        values: &mut [T],
        jacobian: &mut [T],
    ) {
        let n = self.check_vectors(vectors);
        self.check("values", values.len(), &[n, self.dim()]);
        self.check("jacobian", jacobian.len(), &[n, 3, self.dim()]);
        let batch = self.batch(vectors, size_of_val(values) + size_of_val(jacobian));
        if !self.in_parallel(jacobian.len()) {
            return T::dispatch(ValuesAndJacobian {
                batch,
                values,
                jacobian,
            });
        }
        vectors
            .par_chunks(3 * VECTORS_PER_TASK)
            .zip(values.par_chunks_mut(self.dim() * VECTORS_PER_TASK))
            .zip(jacobian.par_chunks_mut(3 * self.dim() * VECTORS_PER_TASK))
            .for_each(|((vectors, values), jacobian)| {
                let batch = Batch { vectors, ..batch };
                T::dispatch(ValuesAndJacobian {
                    batch,
                    values,
                    jacobian,
                });
            });
    }

    /// The gradient `Σ_k cotangent_k ∂Y_k / ∂(x, y, z)` for every vector, without storing the
    /// derivatives.
    ///
    /// # Shapes
    /// - `vectors`: `[n, 3]`
    /// - `cotangent`: `[n, (l_max + 1)²]`
    /// - `gradient`: `[n, 3]`, overwritten
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn pullback<T: Real>(&self, vectors: &[T], cotangent: &[T], gradient: &mut [T]) {
        let n = self.check_vectors(vectors);
        self.check("cotangent", cotangent.len(), &[n, self.dim()]);
        self.check("gradient", gradient.len(), &[n, 3]);
        let batch = self.batch(vectors, size_of_val(gradient));
        if !self.in_parallel(cotangent.len()) {
            return T::dispatch(Pullback {
                batch,
                cotangent,
                gradient,
            });
        }
        vectors
            .par_chunks(3 * VECTORS_PER_TASK)
            .zip(cotangent.par_chunks(self.dim() * VECTORS_PER_TASK))
            .zip(gradient.par_chunks_mut(3 * VECTORS_PER_TASK))
            .for_each(|((vectors, cotangent), gradient)| {
                let batch = Batch { vectors, ..batch };
                T::dispatch(Pullback {
                    batch,
                    cotangent,
                    gradient,
                });
            });
    }

    fn batch<'a, T: Real>(&'a self, vectors: &'a [T], result_bytes: usize) -> Batch<'a, T> {
        let (recurrence, destination) = (T::recurrence(self), Destination::of(result_bytes));
        Batch {
            recurrence,
            domain: self.domain,
            vectors,
            destination,
        }
    }

    fn in_parallel(&self, numbers: usize) -> bool {
        match self.threads {
            Threads::Single => false,
            Threads::Auto => numbers >= PARALLEL_FROM && rayon::current_num_threads() > 1,
        }
    }

    fn check_vectors<T>(&self, vectors: &[T]) -> usize {
        assert!(
            vectors.len().is_multiple_of(3),
            "SphericalHarmonics: expected vectors of shape [n, 3], got {} numbers",
            vectors.len()
        );
        vectors.len() / 3
    }

    fn check(&self, name: &str, got: usize, shape: &[usize]) {
        assert!(
            got == shape.iter().product::<usize>(),
            "SphericalHarmonics: expected {name} of shape {shape:?} (l_max = {}), got {got} numbers",
            self.l_max()
        );
    }
}

/// Vectors a thread takes at once: some tens of microseconds of work at the low degrees.
const VECTORS_PER_TASK: usize = 2048;

/// Below this many numbers to compute, waking threads costs more than they save.
const PARALLEL_FROM: usize = 1 << 18;
