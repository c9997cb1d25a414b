//! Two structures whose residues correspond one to one.

use nalgebra::Vector3;

use crate::{BackboneResidue, CompareError};

/// A model and the reference it is compared with; residue i of one corresponds to residue i of the
/// other.
///
/// `T` is what a residue is: the position of its CA, in angstrom, or a [`BackboneResidue`].
///
/// ```
/// use nalgebra::Vector3;
/// use steerable_protein::Matched;
///
/// let reference: Vec<_> = (0..30)
///     .map(|i| f64::from(i) * 1.75)
///     .map(|t| Vector3::new(2.3 * t.cos(), 2.3 * t.sin(), 0.86 * t))
///     .collect();
/// let moved: Vec<_> = reference.iter().map(|x| Vector3::new(x.y, -x.x, x.z + 5.0)).collect();
/// let matched = Matched { model: &moved, reference: &reference };
/// assert!(matched.rmsd()? > 5.0);
/// assert!(matched.superpose()?.rmsd < 1e-12);
/// assert!(matched.tm_score(reference.len())?.score > 1.0 - 1e-12);
/// # Ok::<(), steerable_protein::CompareError>(())
/// ```
#[derive(Debug, PartialEq)]
pub struct Matched<'a, T = Vector3<f64>> {
    /// The structure that is judged, and that superposition moves.
    pub model: &'a [T],
    /// The structure it is judged by.
    pub reference: &'a [T],
}

// Derived, they would ask the same of `T`.
impl<T> Clone for Matched<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Matched<'_, T> {}

impl<T> Matched<'_, T> {
    /// The number of residues; none and unequal numbers are errors.
    pub(super) fn len(&self) -> Result<usize, CompareError> {
        let (model, reference) = (self.model.len(), self.reference.len());
        if model != reference {
            return Err(CompareError::Lengths { model, reference });
        }
        if model == 0 {
            return Err(CompareError::Empty);
        }
        Ok(model)
    }

    pub(super) fn check_with<const N: usize>(
        &self,
        atoms: impl Fn(&T) -> [Vector3<f64>; N],
    ) -> Result<usize, CompareError> {
        let len = self.len()?;
        for (of, residues) in [("model", self.model), ("reference", self.reference)] {
            for (index, residue) in residues.iter().enumerate() {
                for position in atoms(residue) {
                    if !position.iter().all(|x| x.is_finite()) {
                        let position = position.into();
                        return Err(CompareError::NotFinite {
                            of,
                            index,
                            position,
                        });
                    }
                }
            }
        }
        Ok(len)
    }
}

impl Matched<'_> {
    /// Equal lengths, at least one residue, finite coordinates.
    pub(super) fn check(&self) -> Result<usize, CompareError> {
        self.check_with(|position| [*position])
    }

    /// Root mean square deviation in angstrom, where the two lie; see
    /// [`superpose`](Self::superpose) for the least one.
    ///
    /// # Errors
    /// [`CompareError`]: unequal lengths, no residues, coordinates that are not finite.
    pub fn rmsd(&self) -> Result<f64, CompareError> {
        let len = self.check()?;
        let squares = self.model.iter().zip(self.reference);
        let sum: f64 = squares.map(|(a, b)| (a - b).norm_squared()).sum();
        Ok((sum / len as f64).sqrt())
    }
}

impl Matched<'_, BackboneResidue> {
    /// Equal lengths, at least one residue, finite coordinates.
    pub(super) fn check(&self) -> Result<usize, CompareError> {
        self.check_with(BackboneResidue::atoms)
    }
}
