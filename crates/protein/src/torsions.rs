//! Representation 3: torsion angles along the backbone.

use nalgebra::Vector3;

use crate::Backbone;

/// The torsion angle of four atoms about the bond from the second to the third, in (-pi, pi]: seen
/// along the bond, how far the first is turned clockwise to cover the last. `None` where three atoms
/// in a row lie on one line, within 1e-9 of its sine, or coincide.
///
/// # Source
/// The sign is IUPAC-IUB 1970, rule 2.
pub fn torsion_angle(atoms: &[Vector3<f64>; 4]) -> Option<f64> {
    let [a, b, c, d] = atoms;
    let (first, axis, last) = (b - a, c - b, d - c);
    let (before, after) = (first.cross(&axis), axis.cross(&last));
    let smallest = 1e-9;
    // Written so that not-a-number is refused too.
    let spread =
        |normal: &Vector3<f64>, u: &Vector3<f64>| normal.norm() > smallest * u.norm() * axis.norm();
    if !(spread(&before, &first) && spread(&after, &last)) {
        return None;
    }
    let sine = axis.norm() * first.dot(&after);
    Some(sine.atan2(before.dot(&after)))
}

/// The three torsions of a residue, in radians; `None` where a neighbour is missing, that is at ends
/// and breaks, or where atoms lie on one line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Torsions {
    /// C of the residue before, N, CA, C.
    pub phi: Option<f64>,
    /// N, CA, C, N of the residue after.
    pub psi: Option<f64>,
    /// CA, C, N and CA of the residue after: near pi, or near 0 where the peptide is cis.
    pub omega: Option<f64>,
}

impl Backbone {
    /// The torsions of all residues.
    pub fn torsions(&self) -> Vec<Torsions> {
        let residues = self.residues();
        let mut torsions: Vec<Torsions> = vec![Torsions::default(); residues.len()];
        for i in 1..residues.len() {
            if !self.is_bonded_to_previous(i) {
                continue;
            }
            let (one, two) = (&residues[i - 1], &residues[i]);
            torsions[i].phi = torsion_angle(&[one.c, two.n, two.ca, two.c]);
            torsions[i - 1].psi = torsion_angle(&[one.n, one.ca, one.c, two.n]);
            torsions[i - 1].omega = torsion_angle(&[one.ca, one.c, two.n, two.ca]);
        }
        torsions
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn a_clockwise_turn_of_the_far_bond_is_positive() {
        // Looking along z, from b to c: x is to the right and y, with z away from the eye, below.
        let at = |angle: f64| {
            let end = Vector3::new(angle.cos(), angle.sin(), 1.0);
            torsion_angle(&[Vector3::x(), Vector3::zeros(), Vector3::z(), end]).unwrap()
        };
        for angle in [-3.0, -1.0, -1e-8, 0.0, 0.5, 1.5, 3.1] {
            assert!((at(angle) - angle).abs() < 1e-15, "{angle}");
        }
        assert!((at(PI).abs() - PI).abs() < 1e-15);
    }

    #[test]
    fn a_mirror_image_has_the_opposite_torsion() {
        let atoms = [
            Vector3::new(0.1, 1.0, -0.2),
            Vector3::new(0.0, 0.1, 0.3),
            Vector3::new(1.2, 0.0, 0.1),
            Vector3::new(1.9, 0.8, 0.9),
        ];
        let mirrored = atoms.map(|p| Vector3::new(-p.x, p.y, p.z));
        let (real, image) = (torsion_angle(&atoms), torsion_angle(&mirrored));
        assert!((real.unwrap() + image.unwrap()).abs() < 1e-15);
    }

    #[test]
    fn atoms_on_a_line_have_no_torsion() {
        let line = [0.0, 1.0, 2.0, 3.0].map(|x| Vector3::new(x, 0.0, 0.0));
        assert_eq!(torsion_angle(&line), None);
        assert_eq!(torsion_angle(&[Vector3::zeros(); 4]), None);
        assert_eq!(torsion_angle(&[Vector3::repeat(f64::NAN); 4]), None);
    }
}
