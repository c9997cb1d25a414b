//! Which chains have like sequences: held-out chains must not be near copies of those trained on.

use rayon::prelude::*;
use steerable_protein::AminoAcid;

/// Two sequences are alike where this share of the shorter one is identical in the best alignment.
pub const IDENTITY: f64 = 0.3;

/// The cluster of each sequence, numbered in the order in which they appear: sequences that are alike are
/// in one cluster, and so are those that a row of like ones joins (single linkage).
///
/// Quadratic in the number of sequences, an alignment for each pair, on all threads.
pub fn clusters(sequences: &[&[AminoAcid]]) -> Vec<usize> {
    let count = sequences.len();
    let alike: Vec<(usize, usize)> = (0..count)
        .into_par_iter()
        .flat_map_iter(|j| (0..j).map(move |i| (i, j)))
        .filter(|&(i, j)| identity(sequences[i], sequences[j]) >= IDENTITY)
        .collect();
    let mut cluster: Vec<usize> = (0..count).collect();
    for (i, j) in alike {
        let (from, to) = (cluster[i].max(cluster[j]), cluster[i].min(cluster[j]));
        for of in &mut cluster {
            if *of == from {
                *of = to;
            }
        }
    }
    let mut first: Vec<usize> = cluster.clone();
    first.sort_unstable();
    first.dedup();
    let number = |of: &usize| first.binary_search(of).expect("it is one of them");
    cluster.iter().map(number).collect()
}

/// A gap of n residues costs `OPEN + n EXTEND`.
const OPEN: i32 = 11;
const EXTEND: i32 = 1;

/// A score, and how many residues are identical on the way to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Aligned {
    score: i32,
    identical: i32,
}

impl Aligned {
    fn plus(self, score: i32, identical: i32) -> Self {
        Self {
            score: self.score + score,
            identical: self.identical + identical,
        }
    }
}

/// Identical residues in the best local alignment (BLOSUM62, gaps 11 + 1 for each residue) as a share of
/// the shorter sequence.
///
/// # Source
/// Smith and Waterman 1981; Gotoh 1982 for the gaps.
pub fn identity(one: &[AminoAcid], two: &[AminoAcid]) -> f64 {
    let never = Aligned {
        score: i32::MIN / 2,
        identical: 0,
    };
    let mut best = Aligned::default();
    let mut row = vec![Aligned::default(); two.len() + 1];
    let mut gap_in_two = vec![never; two.len() + 1];
    for a in one {
        let mut diagonal = row[0];
        let mut gap_in_one = never;
        for (j, b) in two.iter().enumerate() {
            let same = i32::from(a == b && *a != AminoAcid::Unknown);
            let matched = diagonal.plus(i32::from(BLOSUM62[*a as usize][*b as usize]), same);
            let opened = row[j].plus(-OPEN - EXTEND, 0);
            gap_in_one = opened.max(gap_in_one.plus(-EXTEND, 0));
            let opened = row[j + 1].plus(-OPEN - EXTEND, 0);
            gap_in_two[j + 1] = opened.max(gap_in_two[j + 1].plus(-EXTEND, 0));
            diagonal = row[j + 1];
            row[j + 1] = matched
                .max(gap_in_one)
                .max(gap_in_two[j + 1])
                .max(Aligned::default());
            best = best.max(row[j + 1]);
        }
    }
    f64::from(best.identical) / one.len().min(two.len()).max(1) as f64
}

/// Scores of aligned residues, in the order of [`AminoAcid::ALL`].
///
/// # Source
/// Henikoff and Henikoff 1992.
#[rustfmt::skip]
const BLOSUM62: [[i8; AminoAcid::COUNT]; AminoAcid::COUNT] = [
    [ 4, -1, -2, -2,  0, -1, -1,  0, -2, -1, -1, -1, -1, -2, -1,  1,  0, -3, -2,  0,  0],
    [-1,  5,  0, -2, -3,  1,  0, -2,  0, -3, -2,  2, -1, -3, -2, -1, -1, -3, -2, -3, -1],
    [-2,  0,  6,  1, -3,  0,  0,  0,  1, -3, -3,  0, -2, -3, -2,  1,  0, -4, -2, -3, -1],
    [-2, -2,  1,  6, -3,  0,  2, -1, -1, -3, -4, -1, -3, -3, -1,  0, -1, -4, -3, -3, -1],
    [ 0, -3, -3, -3,  9, -3, -4, -3, -3, -1, -1, -3, -1, -2, -3, -1, -1, -2, -2, -1, -2],
    [-1,  1,  0,  0, -3,  5,  2, -2,  0, -3, -2,  1,  0, -3, -1,  0, -1, -2, -1, -2, -1],
    [-1,  0,  0,  2, -4,  2,  5, -2,  0, -3, -3,  1, -2, -3, -1,  0, -1, -3, -2, -2, -1],
    [ 0, -2,  0, -1, -3, -2, -2,  6, -2, -4, -4, -2, -3, -3, -2,  0, -2, -2, -3, -3, -1],
    [-2,  0,  1, -1, -3,  0,  0, -2,  8, -3, -3, -1, -2, -1, -2, -1, -2, -2,  2, -3, -1],
    [-1, -3, -3, -3, -1, -3, -3, -4, -3,  4,  2, -3,  1,  0, -3, -2, -1, -3, -1,  3, -1],
    [-1, -2, -3, -4, -1, -2, -3, -4, -3,  2,  4, -2,  2,  0, -3, -2, -1, -2, -1,  1, -1],
    [-1,  2,  0, -1, -3,  1,  1, -2, -1, -3, -2,  5, -1, -3, -1,  0, -1, -3, -2, -2, -1],
    [-1, -1, -2, -3, -1,  0, -2, -3, -2,  1,  2, -1,  5,  0, -2, -1, -1, -1, -1,  1, -1],
    [-2, -3, -3, -3, -2, -3, -3, -3, -1,  0,  0, -3,  0,  6, -4, -2, -2,  1,  3, -1, -1],
    [-1, -2, -2, -1, -3, -1, -1, -2, -2, -3, -3, -1, -2, -4,  7, -1, -1, -4, -3, -2, -2],
    [ 1, -1,  1,  0, -1,  0,  0,  0, -1, -2, -2,  0, -1, -2, -1,  4,  1, -3, -2, -2,  0],
    [ 0, -1,  0, -1, -1, -1, -1, -2, -2, -1, -1, -1, -1, -2, -1,  1,  5, -2, -2,  0,  0],
    [-3, -3, -4, -4, -2, -2, -3, -2, -2, -3, -2, -3, -1,  1, -4, -3, -2, 11,  2, -3, -2],
    [-2, -2, -2, -3, -2, -1, -2, -3,  2, -1, -1, -2, -1,  3, -3, -2, -2,  2,  7, -1, -1],
    [ 0, -3, -3, -3, -1, -2, -2, -3, -3,  3,  1, -2,  1, -1, -2, -2,  0, -3, -1,  4, -1],
    [ 0, -1, -1, -1, -2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -2,  0,  0, -2, -1, -1, -1],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(letters: &str) -> Vec<AminoAcid> {
        let residues = letters.chars().map(AminoAcid::from_one_letter);
        residues.map(|a| a.expect("a residue")).collect()
    }

    #[test]
    fn the_scores_are_symmetric() {
        for (i, row) in BLOSUM62.iter().enumerate() {
            for (j, score) in row.iter().enumerate() {
                assert_eq!(*score, BLOSUM62[j][i], "{i} {j}");
            }
        }
    }

    #[test]
    fn a_gap_does_not_hide_likeness_and_other_sequences_are_not_alike() {
        let whole = sequence("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEK");
        let mut cut = whole.clone();
        cut.drain(20..25);
        assert!((identity(&whole, &cut) - 1.0).abs() < 1e-12);
        let other = sequence("GSHMPNDWLVCYTPGHRQEWNKFMDCSVYWLTHCPGMFEDQNKWYHRC");
        assert!(identity(&whole, &other) < IDENTITY);
    }

    #[test]
    fn like_chains_share_a_cluster_also_through_a_third() {
        let a = sequence("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ");
        let b = sequence("GSHMPNDWLVCYTPGHRQEWNKFMDCSVYWLTHCPGMFEDQNKWYHRC");
        let both: Vec<AminoAcid> = a.iter().chain(&b).copied().collect();
        assert_eq!(clusters(&[&a, &b]), [0, 1]);
        assert_eq!(clusters(&[&a, &b, &a]), [0, 1, 0]);
        assert_eq!(clusters(&[&a, &b, &both]), [0, 0, 0]);
    }
}
