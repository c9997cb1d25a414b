//! The twenty amino acids, their names, and the atoms of their side-chain torsions.

/// One of the twenty amino acids of the genetic code, or a residue that is none of them.
///
/// The order is that of the one-letter codes' three-letter names, which is AlphaFold's: the index of a
/// residue type in a tensor is `amino_acid as usize`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "the variants are the names")]
pub enum AminoAcid {
    Alanine,
    Arginine,
    Asparagine,
    AsparticAcid,
    Cysteine,
    Glutamine,
    GlutamicAcid,
    Glycine,
    Histidine,
    Isoleucine,
    Leucine,
    Lysine,
    Methionine,
    Phenylalanine,
    Proline,
    Serine,
    Threonine,
    Tryptophan,
    Tyrosine,
    Valine,
    /// Any other residue that has a backbone.
    Unknown,
}

/// What the name of a residue says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResidueName {
    /// One of the twenty by its own name, or `UNK`.
    Standard(AminoAcid),
    /// A modification, a protonation state or a near relative, by the amino acid it is derived from.
    Modified(AminoAcid),
}

impl ResidueName {
    /// The amino acid, modified or not.
    pub fn amino_acid(self) -> AminoAcid {
        match self {
            Self::Standard(amino_acid) | Self::Modified(amino_acid) => amino_acid,
        }
    }
}

/// One letter and three letters for each, in the order of the variants.
const NAMES: [(char, &str); AminoAcid::COUNT] = [
    ('A', "ALA"),
    ('R', "ARG"),
    ('N', "ASN"),
    ('D', "ASP"),
    ('C', "CYS"),
    ('Q', "GLN"),
    ('E', "GLU"),
    ('G', "GLY"),
    ('H', "HIS"),
    ('I', "ILE"),
    ('L', "LEU"),
    ('K', "LYS"),
    ('M', "MET"),
    ('F', "PHE"),
    ('P', "PRO"),
    ('S', "SER"),
    ('T', "THR"),
    ('W', "TRP"),
    ('Y', "TYR"),
    ('V', "VAL"),
    ('X', "UNK"),
];

/// The modified residues met most often, by the parent that the PDB's chemical component dictionary
/// gives, and the names that simulation programs give to protonation states. D-amino acids are left
/// out on purpose: their backbone is the mirror image of the parent's.
const MODIFIED: [(AminoAcid, &[&str]); 14] = [
    (AminoAcid::Alanine, &["ABA", "AIB"]),
    (AminoAcid::Arginine, &["AGM", "ARN"]),
    (AminoAcid::Asparagine, &["MEN"]),
    (AminoAcid::AsparticAcid, &["ASH", "BFD", "PHD"]),
    (
        AminoAcid::Cysteine,
        &[
            "CAS", "CME", "CSD", "CSO", "CSS", "CSX", "CYM", "CYX", "OCS", "SEC", "SMC",
        ],
    ),
    (AminoAcid::Glutamine, &["PCA"]),
    (AminoAcid::GlutamicAcid, &["CGU", "GLH"]),
    (
        AminoAcid::Histidine,
        &[
            "HIC", "HID", "HIE", "HIP", "HSD", "HSE", "HSP", "MHS", "NEP",
        ],
    ),
    (
        AminoAcid::Lysine,
        &["ALY", "KCX", "LLP", "LYN", "M3L", "MLY", "MLZ", "PYL"],
    ),
    (AminoAcid::Methionine, &["FME", "MHO", "MSE", "SME"]),
    (AminoAcid::Proline, &["HYP"]),
    (AminoAcid::Serine, &["SAC", "SEP"]),
    (AminoAcid::Threonine, &["TPO"]),
    (AminoAcid::Tyrosine, &["PTR", "TYS"]),
];

impl AminoAcid {
    /// The number of kinds, the unknown one included.
    pub const COUNT: usize = 21;

    /// All kinds, in order; the last is [`AminoAcid::Unknown`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Alanine,
        Self::Arginine,
        Self::Asparagine,
        Self::AsparticAcid,
        Self::Cysteine,
        Self::Glutamine,
        Self::GlutamicAcid,
        Self::Glycine,
        Self::Histidine,
        Self::Isoleucine,
        Self::Leucine,
        Self::Lysine,
        Self::Methionine,
        Self::Phenylalanine,
        Self::Proline,
        Self::Serine,
        Self::Threonine,
        Self::Tryptophan,
        Self::Tyrosine,
        Self::Valine,
        Self::Unknown,
    ];

    /// The letter of a sequence; `X` for an unknown one.
    pub fn one_letter(self) -> char {
        NAMES[self as usize].0
    }

    /// The name in files; `UNK` for an unknown one.
    pub fn three_letters(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The amino acid of a letter of either case, `None` if it stands for no single one.
    pub fn from_one_letter(letter: char) -> Option<Self> {
        let letter = letter.to_ascii_uppercase();
        Self::ALL.into_iter().find(|a| a.one_letter() == letter)
    }

    /// What a residue's name in a file says, `None` if it is not known to be an amino acid.
    pub fn from_residue_name(name: &str) -> Option<ResidueName> {
        let standard = Self::ALL.into_iter().find(|a| a.three_letters() == name);
        standard.map(ResidueName::Standard).or_else(|| {
            let parent = MODIFIED.iter().find(|(_, names)| names.contains(&name));
            parent.map(|(amino_acid, _)| ResidueName::Modified(*amino_acid))
        })
    }

    /// The four atoms of each side-chain torsion chi1, chi2, ..., by name.
    ///
    /// # Source
    /// IUPAC-IUB 1970, rule 4; where a side chain branches, the branch with the lower number.
    pub fn chi_atoms(self) -> &'static [[&'static str; 4]] {
        const N_CG: [&str; 4] = ["N", "CA", "CB", "CG"];
        const CA_CD: [&str; 4] = ["CA", "CB", "CG", "CD"];
        const CA_CD1: [&str; 4] = ["CA", "CB", "CG", "CD1"];
        const CA_OD1: [&str; 4] = ["CA", "CB", "CG", "OD1"];
        match self {
            Self::Alanine | Self::Glycine | Self::Unknown => &[],
            Self::Arginine => &[
                N_CG,
                CA_CD,
                ["CB", "CG", "CD", "NE"],
                ["CG", "CD", "NE", "CZ"],
            ],
            Self::Asparagine | Self::AsparticAcid => &[N_CG, CA_OD1],
            Self::Cysteine => &[["N", "CA", "CB", "SG"]],
            Self::Glutamine | Self::GlutamicAcid => &[N_CG, CA_CD, ["CB", "CG", "CD", "OE1"]],
            Self::Histidine => &[N_CG, ["CA", "CB", "CG", "ND1"]],
            Self::Isoleucine => &[["N", "CA", "CB", "CG1"], ["CA", "CB", "CG1", "CD1"]],
            Self::Leucine | Self::Phenylalanine | Self::Tryptophan | Self::Tyrosine => {
                &[N_CG, CA_CD1]
            }
            Self::Lysine => &[
                N_CG,
                CA_CD,
                ["CB", "CG", "CD", "CE"],
                ["CG", "CD", "CE", "NZ"],
            ],
            Self::Methionine => &[N_CG, ["CA", "CB", "CG", "SD"], ["CB", "CG", "SD", "CE"]],
            Self::Proline => &[N_CG, CA_CD],
            Self::Serine => &[["N", "CA", "CB", "OG"]],
            Self::Threonine => &[["N", "CA", "CB", "OG1"]],
            Self::Valine => &[["N", "CA", "CB", "CG1"]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_names_lead_back_to_the_amino_acid() {
        for (index, amino_acid) in AminoAcid::ALL.into_iter().enumerate() {
            assert_eq!(amino_acid as usize, index);
            let letter = amino_acid.one_letter();
            assert_eq!(AminoAcid::from_one_letter(letter), Some(amino_acid));
            assert_eq!(
                AminoAcid::from_one_letter(letter.to_ascii_lowercase()),
                Some(amino_acid)
            );
            let name = AminoAcid::from_residue_name(amino_acid.three_letters());
            assert_eq!(name, Some(ResidueName::Standard(amino_acid)));
        }
    }

    #[test]
    fn modified_residues_are_known_by_their_parent_and_others_not_at_all() {
        let selenomethionine = AminoAcid::from_residue_name("MSE");
        let parent = ResidueName::Modified(AminoAcid::Methionine);
        assert_eq!(selenomethionine, Some(parent));
        for name in ["HOH", "ATP", "DA", "", "DAL"] {
            assert_eq!(AminoAcid::from_residue_name(name), None, "{name}");
        }
    }

    #[test]
    fn no_modified_name_is_listed_twice_or_hides_a_standard_one() {
        let mut names: Vec<_> = MODIFIED.iter().flat_map(|(_, names)| *names).collect();
        let listed = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), listed);
        assert!(NAMES.iter().all(|(_, name)| !names.contains(&name)));
    }

    #[test]
    fn each_side_chain_torsion_continues_the_one_before() {
        for amino_acid in AminoAcid::ALL {
            for pair in amino_acid.chi_atoms().windows(2) {
                assert_eq!(pair[0][1..], pair[1][..3], "{amino_acid:?}");
            }
        }
    }
}
