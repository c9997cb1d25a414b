//! The equivariant kernel basis between two degrees.

use std::ops::RangeInclusive;

use nalgebra::DMatrix;

use crate::{Domain, Normalization, SphericalHarmonics, Wigner3j};

/// The kernels that carry a feature of degree `l_in` along an edge to one of degree `l_out`.
///
/// Every linear map `W(x)` that rotates along with its edge, `W(R x) = D_out(R) W(x) D_in(R)^T`,
/// is a sum over the filter degrees `J = |l_in - l_out| ..= l_in + l_out`, with one free radial
/// function each:
///
/// ```text
/// W(x)             = Σ_J R_J(|x|) K_J(x/|x|)
/// K_J(x)[m_out,m_in] = Σ_m C[m,m_in,m_out] Y_J[m](x)      C = Wigner3j(J, l_in, l_out)
/// ```
///
/// The matrices of one direction are orthogonal, `⟨K_I(x), K_J(x)⟩ = δ_IJ |Y_J|² / (2J+1)` in the
/// Frobenius product, and so orthonormal with [`Normalization::Component`]. They are those of
/// NVIDIA's SE(3)-Transformer with [`Normalization::Integral`]: `basis["l_in,l_out"]` there holds
/// `K_J[m_out,m_in]` at `[edge, m_in, J - |l_in - l_out|, m_out]`.
///
/// Inverting the edge multiplies `K_J` by `(-1)^J`. The zero vector has no direction: only the
/// filter of degree zero, which needs none, is nonzero there.
///
/// ```
/// use steerable_harmonics::{KernelBasis, Normalization};
///
/// // From scalars to vectors there is one kernel: along the edge.
/// let basis = KernelBasis::new(0, 1, Normalization::Component);
/// assert_eq!(basis.filters(), 1..=1);
/// let kernels = basis.evaluate([0.0, 2.0, 0.0]);
/// assert_eq!(kernels[0].shape(), (3, 1));
/// assert!((kernels[0][(1, 0)] - 1.0).abs() < 1e-15);
/// ```
///
/// # Source
/// N. Thomas et al., Tensor field networks, arXiv:1802.08219; M. Weiler et al., 3D steerable CNNs,
/// arXiv:1807.02547 (completeness); F. B. Fuchs et al., SE(3)-Transformers, arXiv:2006.10503.
#[derive(Debug, Clone)]
pub struct KernelBasis {
    l_in: usize,
    l_out: usize,
    harmonics: SphericalHarmonics,
    /// One for each filter, `Wigner3j(l_filter, l_in, l_out)`.
    symbols: Vec<Wigner3j>,
}

impl KernelBasis {
    /// The basis from `l_in` to `l_out`, with harmonics of the given normalization.
    pub fn new(l_in: usize, l_out: usize, normalization: Normalization) -> Self {
        let harmonics = SphericalHarmonics::new(l_in + l_out)
            .with_normalization(normalization)
            .with_domain(Domain::Sphere);
        let symbols = filters(l_in, l_out)
            .map(|l_filter| Wigner3j::new(l_filter, l_in, l_out))
            .collect();
        Self {
            l_in,
            l_out,
            harmonics,
            symbols,
        }
    }

    /// Degree of the features read.
    pub fn l_in(&self) -> usize {
        self.l_in
    }

    /// Degree of the features written.
    pub fn l_out(&self) -> usize {
        self.l_out
    }

    /// The filter degrees, `|l_in - l_out| ..= l_in + l_out`: one kernel each.
    pub fn filters(&self) -> RangeInclusive<usize> {
        filters(self.l_in, self.l_out)
    }

    /// The symbols `Wigner3j(l_filter, l_in, l_out)`, in the order of [`filters`](Self::filters).
    pub fn symbols(&self) -> &[Wigner3j] {
        &self.symbols
    }

    /// The kernels of the direction of `x`, whatever its length.
    ///
    /// # Shapes
    /// One matrix for each filter, in the order of [`filters`](Self::filters):
    /// `[2 l_out + 1, 2 l_in + 1]`.
    pub fn evaluate(&self, x: [f64; 3]) -> Vec<DMatrix<f64>> {
        let harmonics = self.harmonics.single(x);
        self.filters()
            .zip(&self.symbols)
            .map(|(l_filter, symbol)| {
                let y = &harmonics[l_filter * l_filter..][..2 * l_filter + 1];
                let mut kernel = DMatrix::zeros(2 * self.l_out + 1, 2 * self.l_in + 1);
                for entry in symbol.entries() {
                    kernel[(entry.m3, entry.m2)] += entry.value * y[entry.m1];
                }
                kernel
            })
            .collect()
    }
}

fn filters(l_in: usize, l_out: usize) -> RangeInclusive<usize> {
    l_in.abs_diff(l_out)..=l_in + l_out
}
