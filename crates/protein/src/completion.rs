//! Atoms that a file leaves out and the backbone determines: O of the carbonyl and CB.

use nalgebra::Vector3;

use crate::{AminoAcid, Atom, Chain, ChainBackbone, ResidueId};

/// An atom that was put where ideal geometry has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddedAtom {
    /// The residue that lacked it.
    pub residue: ResidueId,
    /// Its name, `O` or `CB`.
    pub name: &'static str,
}

impl Chain {
    /// For each residue of the backbone its carbonyl's O: the file's, or where ideal geometry has it.
    pub(crate) fn carbonyl_oxygens(&self, traced: &ChainBackbone) -> Vec<Vector3<f64>> {
        let torsions = traced.backbone.torsions();
        let oxygen = |i: usize| {
            let in_file = self.residues[traced.residues[i]].position("O");
            let psi = torsions[i].psi.unwrap_or_default();
            in_file.unwrap_or_else(|| traced.backbone.residues()[i].ideal_o(psi))
        };
        (0..traced.backbone.len()).map(oxygen).collect()
    }

    /// The chain with O and CB added where they are missing, CB for all residues but glycine and unknown
    /// ones, and what was added. Residues that lack N, CA or C, or whose three lie on one line, stay as
    /// they are. An added atom has occupancy 1 and the B factor of its residue's CA.
    pub fn with_ideal_atoms(mut self) -> (Self, Vec<AddedAtom>) {
        let traced = self.backbone();
        let oxygens = self.carbonyl_oxygens(&traced);
        let mut added = Vec::new();
        for ((&index, atoms), o) in traced
            .residues
            .iter()
            .zip(traced.backbone.residues())
            .zip(oxygens)
        {
            let Ok(cb) = atoms.ideal_cb() else { continue };
            let id = self.residue_id(index);
            let residue = &mut self.residues[index];
            let b_factor = residue.atom("CA").map_or(0.0, |ca| ca.b_factor);
            let has_cb = !matches!(residue.amino_acid, AminoAcid::Glycine | AminoAcid::Unknown);
            for (name, position, belongs) in [("O", o, true), ("CB", cb, has_cb)] {
                if !belongs || residue.atom(name).is_some() {
                    continue;
                }
                residue.atoms.push(Atom {
                    name: name.into(),
                    element: name[..1].into(),
                    position,
                    occupancy: 1.0,
                    b_factor,
                });
                added.push(AddedAtom {
                    residue: id.clone(),
                    name,
                });
            }
        }
        (self, added)
    }
}
