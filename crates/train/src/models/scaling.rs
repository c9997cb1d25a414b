//! From a network's numbers of order one to a quantity in its unit.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// `quantity = scale * network + constant + sum over atoms of the constant of their element`.
///
/// Fitted to training data and part of a model's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The unit of the network's output.
    pub scale: f64,
    /// What every item has.
    pub constant: f64,
    /// What each atom of an element adds, in the order of [`super::AtomInput::species`]; empty for quantities that
    /// do not grow with the number of atoms.
    pub of_species: Vec<f64>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            scale: 1.0,
            constant: 0.0,
            of_species: Vec::new(),
        }
    }
}

impl Scaling {
    /// Mean and standard deviation.
    pub fn of_mean(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let constant = values.iter().sum::<f64>() / count;
        let variance = values
            .iter()
            .map(|value| (value - constant).powi(2))
            .sum::<f64>()
            / count;
        Self {
            scale: positive(variance.sqrt()),
            constant,
            of_species: Vec::new(),
        }
    }

    /// The least-squares fit of the values by the numbers of atoms of each element, and the standard
    /// deviation of what is left.
    ///
    /// `counts` has a row of `num_species` numbers for each value. Compositions that do not tell elements apart
    /// get the fit of least norm.
    pub fn of_composition(values: &[f64], counts: &[f64], num_species: usize) -> Self {
        let matrix = DMatrix::from_row_slice(values.len(), num_species, counts);
        let target = DVector::from_column_slice(values);
        let svd = matrix.clone().svd(true, true);
        let largest = svd.singular_values.iter().copied().fold(0.0, f64::max);
        let fit = svd
            .solve(&target, 1e-10 * largest)
            .expect("both factors were asked for");
        let rest: Vec<f64> = (target - matrix * &fit).iter().copied().collect();
        let left = Self::of_mean(&rest);
        Self {
            scale: left.scale,
            constant: left.constant,
            of_species: fit.iter().copied().collect(),
        }
    }

    /// Of what is left when each atom's constant is taken away: the constants are put back.
    #[must_use]
    pub fn with_atoms(mut self, constants: &[f64]) -> Self {
        if self.of_species.len() < constants.len() {
            self.of_species.resize(constants.len(), 0.0);
        }
        for (own, constant) in self.of_species.iter_mut().zip(constants) {
            *own += constant;
        }
        self
    }

    /// The part that does not come from the network, for an item with these classes of atoms.
    pub fn offset(&self, classes: impl IntoIterator<Item = usize>) -> f64 {
        let of_atom = |class: usize| self.of_species.get(class).copied().unwrap_or(0.0);
        self.constant + classes.into_iter().map(of_atom).sum::<f64>()
    }
}

/// A scale to divide by: one where there is no spread.
fn positive(scale: f64) -> f64 {
    if scale > 0.0 && scale.is_finite() {
        scale
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_sums_over_atoms_are_fitted_exactly() {
        let counts = [1.0, 4.0, 2.0, 6.0, 1.0, 2.0];
        let values = [
            1.0 * -38.0 - 4.0 * 0.5,
            2.0 * -38.0 - 6.0 * 0.5,
            -38.0 - 1.0,
        ];
        let scaling = Scaling::of_composition(&values, &counts, 2);
        for (value, row) in values.iter().zip(counts.chunks(2)) {
            let classes = [0, 1]
                .into_iter()
                .flat_map(|class| vec![class; row[class] as usize]);
            assert!((scaling.offset(classes) - value).abs() < 1e-10);
        }
        assert!((scaling.of_species[0] + 38.0).abs() < 1e-9);
    }

    #[test]
    fn elements_that_are_never_apart_share_their_part() {
        // Water only: any split would fit.
        let scaling = Scaling::of_composition(&[6.0, 12.0], &[1.0, 2.0, 2.0, 4.0], 2);
        assert!((scaling.offset([0, 1, 1]) - 6.0).abs() < 1e-10);
        assert!(
            scaling
                .of_species
                .iter()
                .all(|constant| constant.is_finite())
        );
    }

    #[test]
    fn constants_of_atoms_are_put_back() {
        let scaling = Scaling::of_mean(&[1.0, 3.0]).with_atoms(&[-0.5, -38.0]);
        assert_eq!((scaling.scale, scaling.constant), (1.0, 2.0));
        assert_eq!(scaling.offset([1, 0, 0]), 2.0 - 39.0);
        assert_eq!(scaling.with_atoms(&[0.5]).offset([0, 1]), 2.0 - 38.0);
    }

    #[test]
    fn a_quantity_without_spread_keeps_the_scale_one() {
        let scaling = Scaling::of_mean(&[3.0, 3.0]);
        assert_eq!((scaling.scale, scaling.constant), (1.0, 3.0));
        assert_eq!(Scaling::of_mean(&[]).scale, 1.0);
    }
}
