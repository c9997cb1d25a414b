//! The rings of a small molecule.

use super::aromatic::HeavyBond;

/// A ring as sets of atoms and bonds, one bit each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ring {
    pub(super) atoms: u64,
    pub(super) bonds: u64,
}

impl Ring {
    /// The indices of its atoms.
    pub(super) fn atoms(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |atom| self.atoms >> atom & 1 == 1)
    }

    fn len(self) -> u32 {
        self.bonds.count_ones()
    }
}

/// The rings that are no sum of shorter ones: the union of all smallest sets of smallest rings. None for
/// molecules of more than 64 atoms or bonds, which QM9 has not.
///
/// # Source
/// P. Vismara, "Union of all the minimum cycle bases of a graph", Electron. J. Combin. 4, R9 (1997).
pub(super) fn relevant_rings(atoms: usize, bonds: &[HeavyBond]) -> Vec<Ring> {
    if atoms > 64 || bonds.len() > 64 {
        return Vec::new();
    }
    let mut rings = all_rings(atoms, bonds);
    rings.sort_by_key(|ring| (ring.len(), ring.bonds));
    let mut relevant = Vec::new();
    // Sums of shorter rings in echelon form.
    let mut basis: Vec<u64> = Vec::new();
    for same_length in rings.chunk_by(|a, b| a.len() == b.len()) {
        let new: Vec<_> = same_length
            .iter()
            .filter(|ring| reduced(ring.bonds, &basis) != 0)
            .collect();
        for ring in new {
            relevant.push(*ring);
            let rest = reduced(ring.bonds, &basis);
            if rest != 0 {
                basis.push(rest);
                basis.sort_unstable_by(|a, b| b.cmp(a));
            }
        }
    }
    relevant
}

/// What is left of a set of bonds after sums of the basis, which stands in falling order, are taken away.
fn reduced(bonds: u64, basis: &[u64]) -> u64 {
    basis.iter().fold(bonds, |rest, &sum| rest.min(rest ^ sum))
}

/// All rings, each once: from its first atom, whose successor is before its predecessor.
fn all_rings(atoms: usize, bonds: &[HeavyBond]) -> Vec<Ring> {
    let mut neighbours = vec![Vec::new(); atoms];
    for (index, &(a, b, _)) in bonds.iter().enumerate() {
        neighbours[a].push((b, index));
        neighbours[b].push((a, index));
    }
    let mut rings = Vec::new();
    for first in 0..atoms {
        let start = Ring {
            atoms: 1 << first,
            bonds: 0,
        };
        let mut paths = vec![(start, first, first)];
        while let Some((path, second, last)) = paths.pop() {
            for &(next, bond) in &neighbours[last] {
                let bonds = path.bonds | 1 << bond;
                if next == first && path.len() > 1 && second < last {
                    let atoms = path.atoms;
                    rings.push(Ring { atoms, bonds });
                } else if next > first && path.atoms >> next & 1 == 0 {
                    let atoms = path.atoms | 1 << next;
                    let second = if last == first { next } else { second };
                    paths.push((Ring { atoms, bonds }, second, next));
                }
            }
        }
    }
    rings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BondKind::Single;

    fn sizes(atoms: usize, bonds: &[[usize; 2]]) -> Vec<u32> {
        let bonds: Vec<_> = bonds.iter().map(|&[a, b]| (a, b, Single)).collect();
        let rings = relevant_rings(atoms, &bonds);
        rings.into_iter().map(Ring::len).collect()
    }

    #[test]
    fn relevant_rings_are_those_that_shorter_ones_do_not_sum_to() {
        assert!(sizes(3, &[[0, 1], [1, 2]]).is_empty());
        let square = [[0, 1], [1, 2], [2, 3], [3, 0]];
        assert_eq!(sizes(4, &square), [4]);
        let with_diagonal = [square.as_slice(), &[[0, 2]]].concat();
        assert_eq!(sizes(4, &with_diagonal), [3, 3]);
        let tetrahedron = [with_diagonal.as_slice(), &[[1, 3]]].concat();
        assert_eq!(sizes(4, &tetrahedron), [3; 4]);
        // Bicyclo[1.1.1]pentane: three rings of four, any two sum to the third.
        let bicycle = [[0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4]];
        assert_eq!(sizes(5, &bicycle), [4; 3]);
    }

    #[test]
    fn a_cube_has_six_faces() {
        let edges = (0..8usize).flat_map(|a| [1, 2, 4].map(|bit| [a, a ^ bit]));
        let edges: Vec<_> = edges.filter(|[a, b]| a < b).collect();
        assert_eq!(sizes(8, &edges), [4; 6]);
    }
}
