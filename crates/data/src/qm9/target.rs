//! The twelve properties that models are compared by.

use crate::{EnergyUnit, Unit};

/// A property of a molecule.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// Magnitude of the dipole moment, in debye.
    Mu,
    /// Isotropic polarizability, in a0^3.
    Alpha,
    /// Energy of the highest occupied orbital, in hartree.
    Homo,
    /// Energy of the lowest unoccupied orbital, in hartree.
    Lumo,
    /// Their difference, in hartree.
    Gap,
    /// Spatial extent of the electrons, in a0^2.
    R2,
    /// Vibrational energy at 0 K, in hartree.
    Zpve,
    /// Internal energy at 0 K, in hartree.
    U0,
    /// Internal energy at 298.15 K, in hartree.
    U,
    /// Enthalpy at 298.15 K, in hartree.
    H,
    /// Free energy at 298.15 K, in hartree.
    G,
    /// Heat capacity at 298.15 K, in cal/(mol K).
    Cv,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Mu,
        Self::Alpha,
        Self::Homo,
        Self::Lumo,
        Self::Gap,
        Self::R2,
        Self::Zpve,
        Self::U0,
        Self::U,
        Self::H,
        Self::G,
        Self::Cv,
    ];

    /// Its short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "mu",
            Self::Alpha => "alpha",
            Self::Homo => "homo",
            Self::Lumo => "lumo",
            Self::Gap => "gap",
            Self::R2 => "r2",
            Self::Zpve => "zpve",
            Self::U0 => "U0",
            Self::U => "U",
            Self::H => "H",
            Self::G => "G",
            Self::Cv => "Cv",
        }
    }

    /// The target of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The unit that it is kept in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Mu => Unit::Debye,
            Self::Alpha => Unit::CubicBohr,
            Self::R2 => Unit::SquareBohr,
            Self::Cv => Unit::CaloriePerMoleKelvin,
            _ => Unit::Energy(EnergyUnit::Hartree),
        }
    }

    /// The unit that errors of it are published in: meV for energies, its own for the others.
    #[must_use]
    pub const fn published_unit(self) -> Unit {
        match self.unit() {
            Unit::Energy(_) => Unit::Energy(EnergyUnit::MilliElectronVolt),
            unit => unit,
        }
    }

    /// What a number in its unit is to be multiplied by to be one in [`Target::published_unit`].
    #[must_use]
    pub fn published_factor(self) -> f64 {
        match (self.unit(), self.published_unit()) {
            (Unit::Energy(own), Unit::Energy(published)) => own.factor_to(published),
            _ => 1.0,
        }
    }

    /// What a free atom has of it, in its unit; `None` where that means nothing, and for elements that are
    /// not in QM9.
    ///
    /// # Source
    /// The table `atomref` published with the data.
    #[must_use]
    pub fn atom_reference(self, atomic_number: u8) -> Option<f64> {
        let [h, c, n, o, f] = match self {
            Self::U0 => [
                -0.500_273,
                -37.846_772,
                -54.583_861,
                -75.064_579,
                -99.718_730,
            ],
            Self::U => [
                -0.498_857,
                -37.845_355,
                -54.582_445,
                -75.063_163,
                -99.717_314,
            ],
            Self::H => [
                -0.497_912,
                -37.844_411,
                -54.581_501,
                -75.062_219,
                -99.716_370,
            ],
            Self::G => [
                -0.510_927,
                -37.861_317,
                -54.598_897,
                -75.079_532,
                -99.733_544,
            ],
            Self::Cv => [2.981; 5],
            _ => return None,
        };
        match atomic_number {
            1 => Some(h),
            6 => Some(c),
            7 => Some(n),
            8 => Some(o),
            9 => Some(f),
            _ => None,
        }
    }

    /// Its column in the tables.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Mu => "Dipole_debye",
            Self::Alpha => "Polarizability_bohr3",
            Self::Homo => "HOMO_au",
            Self::Lumo => "LUMO_au",
            Self::Gap => "HOMO_LUMO_gap_au",
            Self::R2 => "R2_bohr2",
            Self::Zpve => "ZPVE_au",
            Self::U0 => "InternalEnergy_0K_au",
            Self::U => "InternalEnergy_298K_au",
            // The tables' own spelling.
            Self::H => "Enthalphy_298K_au",
            Self::G => "GibbsFreeEnergy_298K_au",
            Self::Cv => "Heatcapacity_Cv_cal_mol_K",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_an_atom_differ_by_what_an_ideal_gas_has() {
        // In hartree at 298.15 K.
        let kt = 298.15 * 3.166_811_563e-6;
        for z in [1, 6, 7, 8, 9] {
            let reference = |target: Target| target.atom_reference(z).unwrap();
            let thermal = reference(Target::U) - reference(Target::U0);
            // The table has six decimals.
            assert!((thermal - 1.5 * kt).abs() < 1.6e-6, "{z}: {thermal}");
            let volume = reference(Target::H) - reference(Target::U);
            assert!((volume - kt).abs() < 1.6e-6, "{z}: {volume}");
            assert!(reference(Target::G) < reference(Target::H));
        }
        assert_eq!(Target::Mu.atom_reference(1), None);
    }

    #[test]
    fn energies_are_published_in_millielectronvolts() {
        assert!((Target::Homo.published_factor() - 27_211.386_245_988).abs() < 1e-8);
        assert_eq!(Target::Mu.published_factor(), 1.0);
        assert_eq!(Target::Cv.published_unit(), Unit::CaloriePerMoleKelvin);
    }

    #[test]
    fn each_target_stands_at_its_place_and_is_found_by_its_name() {
        for (place, target) in Target::ALL.into_iter().enumerate() {
            assert_eq!(target as usize, place);
            assert_eq!(Target::from_name(target.name()), Some(target));
        }
    }
}
