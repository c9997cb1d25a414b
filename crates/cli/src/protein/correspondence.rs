//! Which chain and which residue of one structure is which of another.

use std::collections::HashMap;

use steerable_protein::{BackboneResidue, Chain, ResidueNumber};

/// The residues of two chains that have one number, and N, CA and C in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correspondence {
    /// The model's atoms.
    pub model: Vec<BackboneResidue>,
    /// The reference's, in the same order.
    pub reference: Vec<BackboneResidue>,
    /// All residues of the reference's backbone, with those that the model lacks.
    pub target: Vec<BackboneResidue>,
    /// Residues of the model's backbone that the reference's lacks.
    pub only_in_model: usize,
    /// Residues of the reference's backbone that the model's lacks.
    pub only_in_reference: usize,
    /// Residues that are different amino acids in the two.
    pub different: usize,
}

impl Correspondence {
    /// By number and insertion code.
    pub fn of(model: &Chain, reference: &Chain) -> Self {
        let (of_model, of_reference) = (model.backbone(), reference.backbone());
        let mut places: HashMap<ResidueNumber, usize> = HashMap::new();
        for (at, &residue) in of_model.residues.iter().enumerate() {
            places.entry(model.residues[residue].number).or_insert(at);
        }
        let mut found = Self {
            target: of_reference.backbone.residues().to_vec(),
            ..Self::default()
        };
        for (at, &residue) in of_reference.residues.iter().enumerate() {
            let residue = &reference.residues[residue];
            let Some(&there) = places.get(&residue.number) else {
                found.only_in_reference += 1;
                continue;
            };
            let other = &model.residues[of_model.residues[there]];
            found.different += usize::from(other.amino_acid != residue.amino_acid);
            found.model.push(of_model.backbone.residues()[there]);
            found.reference.push(of_reference.backbone.residues()[at]);
        }
        found.only_in_model = of_model.residues.len().saturating_sub(found.model.len());
        found
    }
}

/// Pairs of chains of one name, by index, in the order of the model; where both structures have one chain
/// these two, whatever their names.
pub fn pair_chains(model: &[Chain], reference: &[Chain]) -> Vec<[usize; 2]> {
    if model.len() == 1 && reference.len() == 1 {
        return vec![[0, 0]];
    }
    let pairs = model.iter().enumerate().filter_map(|(at, chain)| {
        let there = reference.iter().position(|other| other.id == chain.id)?;
        Some([at, there])
    });
    pairs.collect()
}
