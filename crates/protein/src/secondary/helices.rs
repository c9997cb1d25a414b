//! Helices, turns and bends.

use super::SecondaryStructure::{self, AlphaHelix, Bend, Coil, Helix310, PiHelix, Turn};
use super::hydrogen_bonds::{HydrogenBonds, PeptideUnit};

/// A residue is a bend where the chain turns by more than this, in degrees.
const BEND: f64 = 70.0;

/// Assigns helices of all kinds, then turns and bends to what is still coil. Strands are there already.
pub(super) fn assign(
    units: &[PeptideUnit],
    bonds: &HydrogenBonds,
    classes: &mut [SecondaryStructure],
) {
    let starts = [3, 4, 5].map(|stride| turn_starts(units, bonds, stride));
    helix(&starts[1], 4, classes, AlphaHelix, |_| true);
    helix(&starts[0], 3, classes, Helix310, |class| {
        matches!(class, Coil | Helix310)
    });
    helix(&starts[2], 5, classes, PiHelix, |class| {
        matches!(class, Coil | PiHelix | AlphaHelix)
    });
    for i in 1..units.len().saturating_sub(1) {
        if classes[i] != Coil {
            continue;
        }
        let is_inside =
            |(starts, stride): (&Vec<bool>, usize)| (1..stride).any(|k| i >= k && starts[i - k]);
        if starts.iter().zip(3..).any(is_inside) {
            classes[i] = Turn;
        } else if is_bend(units, i) {
            classes[i] = Bend;
        }
    }
}

/// Where the amide of i + stride is bonded to the carbonyl of i.
fn turn_starts(units: &[PeptideUnit], bonds: &HydrogenBonds, stride: usize) -> Vec<bool> {
    let starts = |i: usize| {
        let end = i + stride;
        end < units.len() && units[i].piece == units[end].piece && bonds.holds(end, i)
    };
    (0..units.len()).map(starts).collect()
}

/// Two turns one after the other make a helix of the residues inside both, if it `may_take` each.
fn helix(
    starts: &[bool],
    stride: usize,
    classes: &mut [SecondaryStructure],
    class: SecondaryStructure,
    may_take: impl Fn(SecondaryStructure) -> bool,
) {
    for i in 1..starts.len().saturating_sub(stride) {
        let inside = &mut classes[i..i + stride];
        if starts[i - 1] && starts[i] && inside.iter().all(|&held| may_take(held)) {
            inside.fill(class);
        }
    }
}

/// Whether the way to residue i from two residues before and the way on from it to two residues after
/// differ by more than [`BEND`].
fn is_bend(units: &[PeptideUnit], i: usize) -> bool {
    if i < 2 || i + 2 >= units.len() || units[i - 2].piece != units[i + 2].piece {
        return false;
    }
    let [before, here, after] = [i - 2, i, i + 2].map(|k| units[k].atoms.ca);
    (here - before).angle(&(after - here)) > BEND.to_radians()
}
