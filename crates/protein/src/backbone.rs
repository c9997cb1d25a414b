//! Representation 1: coordinates of the backbone's atoms.

use nalgebra::Vector3;

/// The three atoms of a residue that make the backbone, in angstrom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackboneResidue {
    /// Nitrogen of the amide.
    pub n: Vector3<f64>,
    /// The carbon that carries the side chain.
    pub ca: Vector3<f64>,
    /// Carbon of the carbonyl.
    pub c: Vector3<f64>,
}

impl BackboneResidue {
    /// N, CA and C: the order along the chain.
    pub fn atoms(&self) -> [Vector3<f64>; 3] {
        [self.n, self.ca, self.c]
    }
}

/// Coordinates X in R^{L x 3 x 3} of a chain, with its breaks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backbone {
    residues: Vec<BackboneResidue>,
    /// Whether residue i is bonded to residue i - 1; false for the first.
    bonded: Vec<bool>,
}

impl Backbone {
    /// A chain without breaks.
    pub fn unbroken(residues: Vec<BackboneResidue>) -> Self {
        let bonded = (0..residues.len()).map(|i| i > 0).collect();
        Self { residues, bonded }
    }

    /// A chain in which residue i is bonded to residue i - 1 where `bonded[i]`. The first is bonded
    /// to none, whatever `bonded[0]` says.
    ///
    /// # Panics
    /// If the two are not equally long.
    pub fn new(residues: Vec<BackboneResidue>, mut bonded: Vec<bool>) -> Self {
        assert_eq!(
            residues.len(),
            bonded.len(),
            "Backbone: a bond flag for each residue"
        );
        if let Some(first) = bonded.first_mut() {
            *first = false;
        }
        Self { residues, bonded }
    }

    /// The residues along the chain.
    pub fn residues(&self) -> &[BackboneResidue] {
        &self.residues
    }

    /// Whether residue i is bonded to residue i - 1.
    pub fn is_bonded_to_previous(&self, i: usize) -> bool {
        self.bonded[i]
    }

    /// The number of residues, L.
    pub fn len(&self) -> usize {
        self.residues.len()
    }

    /// Whether there are no residues.
    pub fn is_empty(&self) -> bool {
        self.residues.is_empty()
    }

    /// The positions of the CA atoms.
    pub fn ca(&self) -> Vec<Vector3<f64>> {
        self.residues.iter().map(|residue| residue.ca).collect()
    }
}
