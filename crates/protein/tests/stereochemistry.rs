//! What is found unusual in good structures, and that damage is found.

use std::path::{Path, PathBuf};

use nalgebra::Vector3;
use steerable_protein::{Chain, Clash, ClashConfig, Frame, PeptideKind, Stereochemistry, file};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/proteins");
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    paths.sort();
    paths
}

fn chains(path: impl AsRef<Path>) -> Vec<Chain> {
    file::read(path).unwrap().chains
}

fn bpti() -> Chain {
    let path = fixtures()
        .into_iter()
        .find(|path| path.ends_with("5PTI_A.pdb.gz"));
    chains(path.unwrap()).remove(0)
}

fn check(chains: &[Chain]) -> Stereochemistry {
    Stereochemistry::of(chains, ClashConfig::default()).unwrap()
}

fn position<'a>(chain: &'a mut Chain, residue: usize, name: &str) -> &'a mut Vector3<f64> {
    let atoms = &mut chain.residues[residue].atoms;
    &mut atoms
        .iter_mut()
        .find(|atom| atom.name == name)
        .unwrap()
        .position
}

#[test]
fn crystal_structures_have_few_outliers() {
    let (mut residues, mut bonds, mut angles, mut clashes) = (0, 0, 0, 0);
    for path in fixtures() {
        let summary = check(&chains(&path)).summary();
        println!("{}\n{summary}", path.display());
        residues += summary.residues;
        bonds += summary.bonds;
        angles += summary.angles;
        clashes += summary.clashes;
        assert_eq!(summary.chirality, 0, "{}", path.display());
    }
    println!("{residues} residues: {bonds} bonds, {angles} angles, {clashes} clashes");
    // Of three lengths and three angles for each residue.
    assert!(bonds * 100 < 3 * residues && angles * 100 < 3 * residues);
    assert!(clashes * 100 < residues, "{clashes}");
}

#[test]
fn values_are_those_measured_by_hand() {
    let chain = bpti();
    let checked = check(std::slice::from_ref(&chain));
    assert_eq!(checked.residues.len(), 58);
    let at = |residue: usize, name: &str| chain.residues[residue].position(name).unwrap();
    let third = &checked.residues[2];
    assert_eq!(third.residue, chain.residue_id(2));
    assert!((third.n_ca.value - (at(2, "N") - at(2, "CA")).norm()).abs() < 1e-12);
    let peptide = third.peptide.unwrap();
    assert!((peptide.c_n.value - (at(2, "C") - at(3, "N")).norm()).abs() < 1e-12);
    assert!((peptide.ca_ca - (at(2, "CA") - at(3, "CA")).norm()).abs() < 1e-12);
    assert_eq!(peptide.kind(), PeptideKind::Trans);
    assert_eq!(checked.residues[57].peptide, None);
}

#[test]
fn a_mirror_image_has_the_same_bonds_and_the_other_chirality() {
    let chain = bpti();
    let mut mirrored = chain.clone();
    for atom in mirrored.residues.iter_mut().flat_map(|r| &mut r.atoms) {
        atom.position.x = -atom.position.x;
    }
    let (here, there) = (check(&[chain]), check(&[mirrored]));
    let (one, two) = (here.summary(), there.summary());
    let with_cb = here
        .residues
        .iter()
        .filter(|r| r.chirality.is_some())
        .count();
    assert_eq!((one.chirality, two.chirality), (0, with_cb));
    assert_eq!(
        (one.bonds, one.angles, one.clashes),
        (two.bonds, two.angles, two.clashes)
    );
    for (a, b) in here.residues.iter().zip(&there.residues) {
        assert!((a.n_ca.value - b.n_ca.value).abs() < 1e-12);
        let volumes = [a, b].map(|r| r.chirality.map_or(0.0, |c| c.volume));
        assert!((volumes[0] + volumes[1]).abs() < 1e-9);
    }
}

#[test]
fn each_kind_of_damage_is_counted_where_it_is() {
    let intact = check(&[bpti()]).summary();
    // A longer bond.
    let mut chain = bpti();
    let away =
        chain.residues[20].position("CA").unwrap() - chain.residues[20].position("N").unwrap();
    for residue in &mut chain.residues[21..] {
        residue
            .atoms
            .iter_mut()
            .for_each(|atom| atom.position += away * 0.2);
    }
    for name in ["CA", "C", "O", "CB"] {
        *position(&mut chain, 20, name) += away * 0.2;
    }
    let stretched = check(&[chain]).summary();
    assert_eq!(stretched.bonds, intact.bonds + 1);

    // A CB on the wrong side.
    let mut chain = bpti();
    let frame = Frame::of_residue(&chain.residues[20].backbone().unwrap()).unwrap();
    let mut local = frame.inverse().apply(position(&mut chain, 20, "CB"));
    local.z = -local.z;
    *position(&mut chain, 20, "CB") = frame.apply(&local);
    assert_eq!(check(&[chain]).summary().chirality, 1);

    // One end through the other.
    let mut chain = bpti();
    let onto =
        chain.residues[10].position("CA").unwrap() - chain.residues[45].position("CA").unwrap();
    let moved = &mut chain.residues[45].atoms;
    moved.iter_mut().for_each(|atom| atom.position += onto);
    let crossed = check(&[chain]);
    assert!(crossed.summary().clashes > intact.clashes);
    let worst = crossed
        .clashes
        .iter()
        .max_by(|a, b| a.overlap.total_cmp(&b.overlap))
        .unwrap();
    assert!(
        worst.distance < 1e-9 && worst.atoms.iter().all(|at| at.atom == "CA"),
        "{worst}"
    );
}

#[test]
fn copies_of_a_chain_on_top_of_each_other_clash_atom_by_atom() {
    let chain = bpti();
    let atoms: usize = chain.residues.iter().map(|r| r.atoms.len()).sum();
    let mut copy = chain.clone();
    copy.id = "B".into();
    let clashes = check(&[chain, copy]).clashes;
    let same = clashes.iter().filter(|clash| clash.distance < 1e-9).count();
    assert_eq!(same, atoms);
}

#[test]
fn sulphurs_are_bonded_at_the_length_of_a_bond_only() {
    let at = |residue: usize, chain: &mut Chain| *position(chain, residue, "SG");
    let between_sulphurs = |chain: Chain| {
        let clashes = check(&[chain]).clashes;
        let both = |clash: &&Clash| clash.atoms.iter().all(|a| a.atom == "SG");
        clashes.iter().filter(both).count()
    };
    // Cysteines 5 and 55.
    let mut chain = bpti();
    let bond = at(54, &mut chain) - at(4, &mut chain);
    assert!((bond.norm() - 2.05).abs() < 0.1, "{bond}");
    for (length, clashes) in [(0.0, 1), (1.5, 1), (2.0, 0), (2.2, 0)] {
        let mut chain = bpti();
        let moved = at(4, &mut chain) + bond.normalize() * length;
        *position(&mut chain, 54, "SG") = moved;
        assert_eq!(between_sulphurs(chain), clashes, "{length}");
    }
}

#[test]
fn atoms_in_one_point_are_counted_and_not_all_listed() {
    let mut chain = bpti();
    let place = *position(&mut chain, 0, "CA");
    let atoms = chain.residues.iter_mut().flat_map(|r| &mut r.atoms);
    atoms.for_each(|atom| atom.position = place);
    let of_residue: Vec<usize> = chain.residues.iter().map(|r| r.atoms.len()).collect();
    let pairs = |n: usize| n * (n - 1) / 2;
    let bonds = of_residue.len() - 1;
    let expected = pairs(of_residue.iter().sum())
        - of_residue.iter().copied().map(pairs).sum::<usize>()
        - bonds;
    let checked = check(&[chain]);
    assert_eq!(checked.num_clashes, expected);
    assert_eq!(checked.clashes.len(), Clash::MOST_LISTED);
    assert!(expected > Clash::MOST_LISTED);
}

#[test]
fn positions_that_are_not_finite_are_refused() {
    let mut chain = bpti();
    position(&mut chain, 5, "CA").x = f64::NAN;
    let refused = Stereochemistry::of(&[chain], ClashConfig::default());
    assert!(refused.is_err(), "{refused:?}");
}
