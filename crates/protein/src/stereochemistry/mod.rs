//! Is the geometry that of a protein: bonds, angles, peptides, chirality, clashes.

mod clash;
mod geometry;

use std::fmt;

use steerable_graph::GraphError;
use thiserror::Error;

pub use clash::{Clash, ClashAtom, ClashConfig};
pub use geometry::{Chirality, Measured, PeptideGeometry, PeptideKind, ResidueGeometry};

use crate::Chain;

/// A structure whose clashes cannot be found.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("the atoms that lie close cannot be found: {0}")]
pub struct StereochemistryError(#[from] GraphError);

/// The geometry of all residues and the atoms that are too close, value by value.
///
/// ```
/// use steerable_protein::{Chain, ClashConfig, Stereochemistry};
///
/// let chains: Vec<Chain> = Vec::new();
/// let checked = Stereochemistry::of(&chains, ClashConfig::default())?;
/// assert!(checked.residues.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stereochemistry {
    /// The residues that have N, CA and C, chain by chain.
    pub residues: Vec<ResidueGeometry>,
    /// Pairs of atoms that are too close, of all chains: the first [`Clash::MOST_LISTED`], in the order of
    /// the file.
    pub clashes: Vec<Clash>,
    /// How many such pairs there are, the unlisted ones included.
    pub num_clashes: usize,
}

/// How many of the values are unusual, and out of how many. Its [`Display`](fmt::Display) is one line for
/// each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StereochemistrySummary {
    /// Residues.
    pub residues: usize,
    /// Peptide bonds.
    pub peptides: usize,
    /// Bond lengths that are outliers, of two for each residue and one for each peptide.
    pub bonds: usize,
    /// Bond angles that are outliers, of one for each residue and two for each peptide.
    pub angles: usize,
    /// Peptides of a residue other than proline that are cis.
    pub cis: usize,
    /// Peptides that are neither trans nor cis.
    pub twisted: usize,
    /// Peptides whose CA atoms are not as far apart as in their kind.
    pub ca_distances: usize,
    /// Residues with the chirality of a D amino acid, or with none.
    pub chirality: usize,
    /// Clashes.
    pub clashes: usize,
}

impl Stereochemistry {
    /// Measures chains of one structure. Linear in atoms where the density is that of a protein; atoms that
    /// lie on one another cost time with the square of their number, and no memory.
    ///
    /// # Errors
    /// [`StereochemistryError`]: positions that are not finite, a tolerance that leaves no radius.
    pub fn of(chains: &[Chain], config: ClashConfig) -> Result<Self, StereochemistryError> {
        let (clashes, num_clashes) = clash::find(chains, config)?;
        Ok(Self {
            residues: chains.iter().flat_map(ResidueGeometry::of_chain).collect(),
            clashes,
            num_clashes,
        })
    }

    /// Counts what is unusual.
    pub fn summary(&self) -> StereochemistrySummary {
        let residues = &self.residues;
        let peptides = || residues.iter().filter_map(|residue| residue.peptide);
        let count = |outliers: &mut dyn Iterator<Item = Measured>| {
            outliers.filter(Measured::is_outlier).count()
        };
        StereochemistrySummary {
            residues: residues.len(),
            peptides: peptides().count(),
            bonds: count(&mut residues.iter().flat_map(|r| [r.n_ca, r.ca_c]))
                + count(&mut peptides().map(|p| p.c_n)),
            angles: count(&mut residues.iter().map(|r| r.n_ca_c))
                + count(&mut peptides().flat_map(|p| [p.ca_c_n, p.c_n_ca])),
            cis: peptides()
                .filter(|p| p.kind() == PeptideKind::Cis && !p.before_proline)
                .count(),
            twisted: peptides()
                .filter(|p| p.kind() == PeptideKind::Twisted)
                .count(),
            ca_distances: peptides()
                .filter(PeptideGeometry::has_unusual_ca_distance)
                .count(),
            chirality: residues
                .iter()
                .filter(|r| r.chirality.is_some_and(|c| !c.is_of_l_amino_acid()))
                .count(),
            clashes: self.num_clashes,
        }
    }
}

impl fmt::Display for StereochemistrySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            residues, peptides, ..
        } = *self;
        writeln!(f, "{residues} residues, {peptides} peptide bonds")?;
        let lengths = 2 * residues + peptides;
        let angles = residues + 2 * peptides;
        writeln!(f, "bond lengths off   {} of {lengths}", self.bonds)?;
        writeln!(f, "bond angles off    {} of {angles}", self.angles)?;
        writeln!(f, "cis, not proline   {}", self.cis)?;
        writeln!(f, "twisted peptides   {}", self.twisted)?;
        writeln!(f, "CA - CA off        {}", self.ca_distances)?;
        writeln!(f, "chirality not L    {}", self.chirality)?;
        writeln!(f, "clashes            {}", self.clashes)
    }
}
