//! Secondary structure by the hydrogen bonds of the backbone.

mod helices;
mod hydrogen_bonds;
mod ladders;

use std::fmt;

use crate::Chain;
use hydrogen_bonds::{HydrogenBonds, PeptideUnit};

/// The eight classes of Kabsch and Sander.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum SecondaryStructure {
    /// `H`: bonds from the amide of i + 4 to the carbonyl of i.
    AlphaHelix,
    /// `G`: bonds from i + 3 to i.
    Helix310,
    /// `I`: bonds from i + 5 to i.
    PiHelix,
    /// `E`: one of several neighbouring bridges.
    Strand,
    /// `B`: a bridge by itself.
    Bridge,
    /// `T`: inside a single bond of a helix's kind.
    Turn,
    /// `S`: the chain turns by more than 70 degrees over five residues.
    Bend,
    /// `-`: none of these.
    #[default]
    Coil,
}

impl SecondaryStructure {
    /// The letter of DSSP; `-` where it writes a space.
    pub fn letter(self) -> char {
        match self {
            Self::AlphaHelix => 'H',
            Self::Helix310 => 'G',
            Self::PiHelix => 'I',
            Self::Strand => 'E',
            Self::Bridge => 'B',
            Self::Turn => 'T',
            Self::Bend => 'S',
            Self::Coil => '-',
        }
    }
}

impl fmt::Display for SecondaryStructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

impl Chain {
    /// The secondary structure of each residue; `None` for those that lack N, CA or C. O stands where
    /// the file has it, otherwise where [`BackboneResidue::ideal_o`](crate::BackboneResidue::ideal_o)
    /// puts it. Bonds to other chains are not seen. Quadratic in the number of residues.
    ///
    /// A residue is of the first class that claims it: alpha helix, then strand and bridge, then 3-10
    /// helix, then turn and bend; a pi helix takes residues of an alpha helix, as the program of the
    /// second source does, which found them to be missed otherwise.
    ///
    /// # Source
    /// Kabsch and Sander 1983, Biopolymers 22, 2577; Touw et al. 2015, Nucleic Acids Res. 43, D364
    /// (ladders with bulges and pi helices as in DSSP 2 to 4).
    pub fn secondary_structure(&self) -> Vec<Option<SecondaryStructure>> {
        let traced = self.backbone();
        let units = PeptideUnit::of_chain(self, &traced);
        let bonds = HydrogenBonds::of(&units);
        let mut classes = vec![SecondaryStructure::Coil; units.len()];
        ladders::assign(&units, &bonds, &mut classes);
        helices::assign(&units, &bonds, &mut classes);
        let mut of_residues = vec![None; self.residues.len()];
        for (residue, class) in traced.residues.into_iter().zip(classes) {
            of_residues[residue] = Some(class);
        }
        of_residues
    }
}
