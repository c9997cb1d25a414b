//! Real Wigner-D matrices: how a rotation acts on the components of one degree.
//!
//! The matrices come from a recursion over the degree. D_l is the part of D_1 ⊗ D_(l-1) that
//! couples to degree l:
//!
//! ```text
//! D_l[m, n] · C[0, n, n] = Σ_(i, a) C[i, a, m] · D_1[i, 0] · D_(l-1)[a, n]        |n| < l
//! ```
//!
//! where C couples (1, l-1) to l and at most five (i, a) have C[i, a, m] ≠ 0. The columns
//! n = ±l, which the polar axis cannot reach, use the two other columns of D_1 in the same way.
//! Only products of entries of R appear: no trigonometry, and no rotation is special.

mod recursion;
mod table;

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::Rotation;
use recursion::Fill;
use table::Degree;

/// Computes the real Wigner-D matrices of the degrees 0..=`l_max`.
///
/// `Y_l(R v) = D_l(R) Y_l(v)`, in the order m = -l..=l with y as the polar axis: D_0 = 1, D_1 = R.
/// D_l is orthogonal and D_l(R S) = D_l(R) D_l(S). The coefficients of the recursion are computed
/// once, by [`WignerD::new`]. The results do not depend on the batch or on the number of threads,
/// but their last digits depend on whether the processor has fused multiply-add.
///
/// # Source
/// Ivanic and Ruedenberg, J. Phys. Chem. 100 (1996) 6342, eq. 8.1, with the corrections in
/// J. Phys. Chem. A 102 (1998) 9099.
///
/// ```
/// use steerable_irreps::{Rotation, WignerD};
///
/// let wigner = WignerD::new(3);
/// let rotations = [Rotation::from_axis_angle([0.0, 0.0, 1.0], 0.5)?, Rotation::identity()];
/// let mut flat = vec![0.0; rotations.len() * wigner.row_len()];
/// wigner.fill(&rotations, &mut flat);
///
/// // Row 1, degree 2, entry (m, n) = (-2, -2) of the identity.
/// assert_eq!(flat[wigner.row_len() + wigner.range(2).start], 1.0);
/// # Ok::<(), steerable_irreps::RotationError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WignerD {
    /// The recursion steps to the degrees 2..=l_max.
    steps: Vec<Degree>,
    l_max: usize,
}

impl WignerD {
    /// Prepares the degrees up to `l_max`.
    ///
    /// Tested to 1e-12 for l <= 8 and 1e-10 for l <= 16 against exact integer arithmetic.
    pub fn new(l_max: usize) -> Self {
        Self {
            steps: (2..=l_max).map(Degree::new).collect(),
            l_max,
        }
    }

    /// The largest degree.
    pub const fn l_max(&self) -> usize {
        self.l_max
    }

    /// The number of entries of all matrices of one rotation, Σ (2l+1)² over l = 0..=l_max.
    pub const fn row_len(&self) -> usize {
        offset(self.l_max + 1)
    }

    /// Where D_l, row-major, lies in a row of [`WignerD::fill`].
    ///
    /// # Panics
    /// If `l` is above `l_max`.
    pub fn range(&self, l: usize) -> std::ops::Range<usize> {
        assert!(
            l <= self.l_max,
            "WignerD: expected l <= {}, got {l}",
            self.l_max
        );
        offset(l)..offset(l + 1)
    }

    /// D_l.
    ///
    /// # Shapes
    /// `[2l+1, 2l+1]`.
    ///
    /// # Panics
    /// If `l` is above `l_max`.
    pub fn matrix(&self, l: usize, rotation: &Rotation) -> DMatrix<f64> {
        let range = self.range(l);
        let mut row = vec![0.0; range.end];
        self.run(l, std::slice::from_ref(rotation), &mut row);
        DMatrix::from_row_slice(2 * l + 1, 2 * l + 1, &row[range])
    }

    /// D_0, ..., D_(l_max).
    pub fn all(&self, rotation: &Rotation) -> Vec<DMatrix<f64>> {
        let mut row = vec![0.0; self.row_len()];
        self.run(self.l_max, std::slice::from_ref(rotation), &mut row);
        (0..=self.l_max)
            .map(|l| DMatrix::from_row_slice(2 * l + 1, 2 * l + 1, &row[self.range(l)]))
            .collect()
    }

    /// Writes the matrices of many rotations, on the calling thread.
    ///
    /// # Shapes
    /// `out`: `[n, row_len]`; a row holds D_0, ..., D_(l_max) one after the other, each row-major
    /// ([`WignerD::range`]).
    ///
    /// # Panics
    /// If `out` does not have n · `row_len` numbers.
    pub fn fill(&self, rotations: &[Rotation], out: &mut [f64]) {
        self.check("WignerD::fill", rotations, out);
        self.run(self.l_max, rotations, out);
    }

    /// [`WignerD::fill`] on the threads of the current rayon pool, with the same results.
    ///
    /// # Panics
    /// If `out` does not have n · `row_len` numbers.
    pub fn par_fill(&self, rotations: &[Rotation], out: &mut [f64]) {
        /// Long enough to hide what a task costs, a multiple of every SIMD width.
        const CHUNK: usize = 256;

        self.check("WignerD::par_fill", rotations, out);
        rotations
            .par_chunks(CHUNK)
            .zip(out.par_chunks_mut(CHUNK * self.row_len()))
            .for_each(|(rotations, out)| self.run(self.l_max, rotations, out));
    }

    fn check(&self, caller: &str, rotations: &[Rotation], out: &[f64]) {
        let (n, row_len) = (rotations.len(), self.row_len());
        assert!(
            n.checked_mul(row_len) == Some(out.len()),
            "{caller}: expected room for {n} rows of {row_len} numbers, got {}",
            out.len()
        );
    }

    /// Computes the degrees 0..=`l_max`, where `l_max` may be less than the tables allow.
    fn run(&self, l_max: usize, rotations: &[Rotation], out: &mut [f64]) {
        let steps = &self.steps[..l_max.saturating_sub(1)];
        pulp::Arch::new().dispatch(Fill {
            l_max,
            steps,
            rotations,
            out,
        });
    }
}

/// D_l of one rotation, `[2l+1, 2l+1]`. Prepare a [`WignerD`] to compute more than one.
pub fn wigner_d(l: usize, rotation: &Rotation) -> DMatrix<f64> {
    WignerD::new(l).matrix(l, rotation)
}

/// The number of entries of all matrices of degree below `l`: Σ (2k+1)² over k < l.
const fn offset(l: usize) -> usize {
    (4 * l * l * l - l) / 3
}
