//! Refinement of a chain as a file has it.

use super::error::FoldingError;
use super::model::{FoldingModel, ResidueSequence};
use crate::structure::residue_index;
use crate::{AminoAcid, Backbone, BackboneResidue, Chain, Frame, PeptideKind};

/// A refined chain.
#[derive(Clone, Debug, PartialEq)]
pub struct RefinedChain {
    /// All residues of the input, with the predicted lDDT in per cent as B factors.
    pub chain: Chain,
    /// The residues that were refined, by their index in the chain, and the predicted lDDT of each, in
    /// 0..=1.
    pub confidence: Vec<(usize, f64)>,
    /// The residues without N, CA, C and a frame, by their index: they stand where they stood, with a B
    /// factor of 0.
    pub left: Vec<usize>,
}

impl FoldingModel {
    /// Refines the backbone of a chain. Each residue's atoms move with its frame, and a little more until the
    /// [bonds along the chain](Backbone::closing_motions) are usual; but for O, which follows the new psi.
    ///
    /// # Errors
    /// [`FoldingError::NeedsDistances`] from a model with a trunk; [`FoldingError::NoResidues`];
    /// positions that are not finite.
    pub fn refine_chain(
        &self,
        chain: &Chain,
        num_passes: usize,
    ) -> Result<RefinedChain, FoldingError> {
        if self.trunk.is_some() {
            return Err(FoldingError::NeedsDistances);
        }
        let traced = chain.backbone();
        let index = residue_index(&traced.backbone);
        let mut sequence = ResidueSequence::default();
        let (mut start, mut rows, mut bonded) = (Vec::new(), Vec::new(), Vec::new());
        let torsions = traced.backbone.torsions();
        let is_cis = |before: usize| PeptideKind::of(torsions[before].omega) == PeptideKind::Cis;
        let mut can_be_cis = Vec::new();
        // The residue before the one at hand that has a frame: what is left out bonds nothing.
        let mut before = None;
        for (i, atoms) in traced.backbone.residues().iter().enumerate() {
            if let Ok(frame) = Frame::of_residue(atoms) {
                let row = traced.residues[i];
                let amino_acid = chain.residues[row].amino_acid;
                can_be_cis.push(amino_acid == AminoAcid::Proline || i > 0 && is_cis(i - 1));
                sequence.amino_acids.push(amino_acid);
                sequence.residue_index.push(index[i]);
                start.push(frame);
                rows.push(row);
                let follows = before.is_some_and(|before: usize| before + 1 == i);
                bonded.push(follows && traced.backbone.is_bonded_to_previous(i));
                before = Some(i);
            }
        }
        if start.is_empty() {
            return Err(FoldingError::NoResidues);
        }
        let refined = self.refine(&sequence, start, None, num_passes)?;

        let mut chain = chain.clone();
        let mut b_factors = vec![0.0; chain.residues.len()];
        for (k, &row) in rows.iter().enumerate() {
            let motion = refined.frames[k].compose(&refined.start[k].inverse());
            for atom in &mut chain.residues[row].atoms {
                atom.position = motion.apply(&atom.position);
            }
            b_factors[row] = 100.0 * refined.confidence[k];
        }
        let moved = rows.iter().map(|&row| {
            let residue = chain.residues[row].backbone();
            residue.expect("it had a backbone before it moved")
        });
        let mut residues: Vec<BackboneResidue> = moved.collect();
        let open = Backbone::new(residues.clone(), bonded.clone());
        let closing = open.closing_motions(&can_be_cis);
        for (k, closing) in closing.into_iter().enumerate() {
            let atoms = &mut chain.residues[rows[k]].atoms;
            let positions = atoms.iter_mut().map(|atom| &mut atom.position);
            let BackboneResidue { n, ca, c } = &mut residues[k];
            for position in positions.chain([n, ca, c]) {
                *position = closing.apply(position);
            }
        }
        let backbone = Backbone::new(residues, bonded);
        let torsions = backbone.torsions();
        for (k, &row) in rows.iter().enumerate() {
            let Some(psi) = torsions[k].psi else { continue };
            let o = backbone.residues()[k].ideal_o(psi);
            let mut atoms = chain.residues[row].atoms.iter_mut();
            if let Some(atom) = atoms.find(|atom| atom.name == "O") {
                atom.position = o;
            }
        }
        let left = (0..chain.residues.len()).filter(|row| !rows.contains(row));
        let left = left.collect();
        Ok(RefinedChain {
            chain: chain.with_b_factors(&b_factors),
            confidence: rows.into_iter().zip(refined.confidence).collect(),
            left,
        })
    }
}
