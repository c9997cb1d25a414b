//! Units of what files hold, and the factors between those of energy.

use std::fmt;

/// A unit of energy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EnergyUnit {
    /// eV
    #[default]
    ElectronVolt,
    /// meV
    MilliElectronVolt,
    /// Hartree, the atomic unit.
    Hartree,
    /// kcal/mol, of the thermochemical calorie.
    KilocaloriePerMole,
}

impl EnergyUnit {
    /// How many electron volts it is.
    ///
    /// # Source
    /// CODATA 2018: a hartree is 27.211386245988 eV; 1 eV is 1.602176634e-19 J, a mole is 6.02214076e23
    /// and a thermochemical calorie is 4.184 J, all three exactly.
    #[must_use]
    pub const fn in_electron_volts(self) -> f64 {
        match self {
            Self::ElectronVolt => 1.0,
            Self::MilliElectronVolt => 1e-3,
            Self::Hartree => 27.211_386_245_988,
            Self::KilocaloriePerMole => 4184.0 / (6.022_140_76e23 * 1.602_176_634e-19),
        }
    }

    /// What a number of this unit is to be multiplied by to be one of another.
    #[must_use]
    pub fn factor_to(self, other: Self) -> f64 {
        self.in_electron_volts() / other.in_electron_volts()
    }
}

/// The unit of a property.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unit {
    /// Of energy.
    Energy(EnergyUnit),
    /// Of force: energy per angstrom.
    Force(EnergyUnit),
    /// e
    ElementaryCharge,
    /// e A, of dipole moments: elementary charges times angstrom.
    ChargeAngstrom,
    /// Debye, of dipole moments.
    Debye,
    /// a0^2, of spatial extents.
    SquareBohr,
    /// a0^3, of polarizabilities.
    CubicBohr,
    /// cal/(mol K), of heat capacities.
    CaloriePerMoleKelvin,
}

impl fmt::Display for EnergyUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ElectronVolt => "eV",
            Self::MilliElectronVolt => "meV",
            Self::Hartree => "Ha",
            Self::KilocaloriePerMole => "kcal/mol",
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Energy(energy) => write!(f, "{energy}"),
            Self::Force(energy) => write!(f, "{energy}/A"),
            Self::ElementaryCharge => f.write_str("e"),
            Self::ChargeAngstrom => f.write_str("e A"),
            Self::Debye => f.write_str("D"),
            Self::SquareBohr => f.write_str("a0^2"),
            Self::CubicBohr => f.write_str("a0^3"),
            Self::CaloriePerMoleKelvin => f.write_str("cal/(mol K)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilocalories_and_hartrees_have_their_known_ratio() {
        let ratio = EnergyUnit::Hartree.factor_to(EnergyUnit::KilocaloriePerMole);
        assert!((ratio - 627.509_474).abs() < 1e-5, "{ratio}");
        let in_ev = EnergyUnit::KilocaloriePerMole.in_electron_volts();
        assert!((in_ev - 0.043_364_104).abs() < 1e-8, "{in_ev}");
    }
}
