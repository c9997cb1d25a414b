//! N and C from CA.

use nalgebra::Vector3;
use steerable_protein::{CaTraceError, Frame, Matched, backbone_of_ca};

use crate::chains::{Fixture, moved, random_motion, real_pieces, seeded};

#[test]
fn atoms_found_from_ca_of_real_chains_are_a_third_of_an_angstrom_off_and_frames_some_degrees() {
    // Least squares were done on these; the others are new to the averages.
    let seen = [
        "theseus",
        "mdanalysistests",
        "biopython",
        "pdb2pqr",
        "tmtools",
    ];
    let (mut squares, mut angles) = ([0.0; 2], Vec::new());
    for (name, piece) in real_pieces() {
        if piece.len() < 4 || seen.iter().any(|source| name.starts_with(source)) {
            continue;
        }
        let ca: Vec<_> = piece.iter().map(|residue| residue.ca).collect();
        for (found, real) in backbone_of_ca(&ca).unwrap().residues().iter().zip(&piece) {
            squares[0] += (found.n - real.n).norm_squared();
            squares[1] += (found.c - real.c).norm_squared();
            let [a, b] = [found, real].map(|r| Frame::of_residue(r).unwrap().rotation);
            let cos = ((a.transpose() * b).trace() - 1.0) / 2.0;
            angles.push(cos.clamp(-1.0, 1.0).acos().to_degrees());
        }
    }
    if angles.is_empty() {
        return;
    }
    let [n, c] = squares.map(|sum| (sum / angles.len() as f64).sqrt());
    angles.sort_by(f64::total_cmp);
    let [median, ninth_tenth] = [0.5, 0.9].map(|q| angles[(q * angles.len() as f64) as usize]);
    println!(
        "{} residues: N {n:.3}, C {c:.3} angstrom; frames {median:.1} degrees, 90% {ninth_tenth:.1}",
        angles.len()
    );
    // Ends and cis peptides included.
    assert!(n < 0.3 && c < 0.4 && median < 15.0, "{n} {c} {median}");
}

#[test]
fn atoms_found_from_ca_move_with_the_chain() {
    let rng = &mut seeded(30);
    let ca = Fixture::read().globin();
    let motion = random_motion(rng);
    let (here, there) = (
        backbone_of_ca(&ca).unwrap(),
        backbone_of_ca(&moved(&ca, &motion)).unwrap(),
    );
    for (a, b) in here.residues().iter().zip(there.residues()) {
        for (x, y) in a.atoms().iter().zip(b.atoms()) {
            assert!((motion.apply(x) - y).norm() < 1e-9);
        }
    }
    assert_eq!(
        Matched {
            model: &here.ca(),
            reference: &ca
        }
        .rmsd(),
        Ok(0.0)
    );
}

#[test]
fn traces_that_say_nothing_about_n_and_c_are_errors() {
    let line: Vec<_> = (0..6)
        .map(|i| Vector3::new(3.8 * f64::from(i), 0.0, 0.0))
        .collect();
    assert_eq!(
        backbone_of_ca(&line[..3]),
        Err(CaTraceError::TooShort { len: 3 })
    );
    let found = backbone_of_ca(&line);
    assert!(
        matches!(found, Err(CaTraceError::Line { index: 0, .. })),
        "{found:?}"
    );

    // Two atoms in one place in the middle.
    let mut bent = Fixture::read().globin();
    bent[40] = bent[39];
    let found = backbone_of_ca(&bent);
    assert!(
        matches!(found, Err(CaTraceError::Line { index: 37..=40, .. })),
        "{found:?}"
    );
}
