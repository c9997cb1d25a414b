//! Bridges between strands, and ladders of them.

use std::collections::VecDeque;

use super::SecondaryStructure::{self, Bridge, Strand};
use super::hydrogen_bonds::{HydrogenBonds, PeptideUnit};

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Parallel,
    Antiparallel,
}

/// Bridges of one direction between neighbouring residues: `i` runs up on one strand, `j` on the other,
/// both stored from the lowest index to the highest.
struct Ladder {
    direction: Direction,
    i: VecDeque<usize>,
    j: VecDeque<usize>,
}

/// Assigns [`Strand`] to the residues of ladders and [`Bridge`] to those of a single bridge.
pub(super) fn assign(
    units: &[PeptideUnit],
    bonds: &HydrogenBonds,
    classes: &mut [SecondaryStructure],
) {
    for ladder in joined(units, bridges(units, bonds)) {
        let class = if ladder.i.len() > 1 { Strand } else { Bridge };
        for side in [&ladder.i, &ladder.j] {
            // From end to end: what bulges out between two bridges belongs to the strand.
            for held in &mut classes[side[0]..=side[side.len() - 1]] {
                if *held != Strand {
                    *held = class;
                }
            }
        }
    }
}

fn bridges(units: &[PeptideUnit], bonds: &HydrogenBonds) -> Vec<Ladder> {
    let mut ladders: Vec<Ladder> = Vec::new();
    for i in 1..units.len().saturating_sub(4) {
        for j in i + 3..units.len() - 1 {
            let Some(direction) = bridge(units, bonds, i, j) else {
                continue;
            };
            let continued = ladders.iter_mut().find(|ladder| {
                let is_next = match direction {
                    Direction::Parallel => ladder.j.back() == Some(&(j - 1)),
                    Direction::Antiparallel => ladder.j.front() == Some(&(j + 1)),
                };
                ladder.direction == direction && ladder.i.back() == Some(&(i - 1)) && is_next
            });
            match continued {
                Some(ladder) => {
                    ladder.i.push_back(i);
                    match direction {
                        Direction::Parallel => ladder.j.push_back(j),
                        Direction::Antiparallel => ladder.j.push_front(j),
                    }
                }
                None => ladders.push(Ladder {
                    direction,
                    i: [i].into(),
                    j: [j].into(),
                }),
            }
        }
    }
    ladders
}

fn bridge(units: &[PeptideUnit], bonds: &HydrogenBonds, i: usize, j: usize) -> Option<Direction> {
    let is_whole = |k: usize| units[k - 1].piece == units[k + 1].piece;
    if !(is_whole(i) && is_whole(j)) {
        return None;
    }
    let all = |pairs: [(usize, usize); 2]| pairs.iter().all(|&(d, a)| bonds.holds(d, a));
    if all([(i + 1, j), (j, i - 1)]) || all([(j + 1, i), (i, j - 1)]) {
        Some(Direction::Parallel)
    } else if all([(i + 1, j - 1), (j + 1, i - 1)]) || all([(j, i), (i, j)]) {
        Some(Direction::Antiparallel)
    } else {
        None
    }
}

/// Ladders with a bulge between them made one: at most one residue more on one side and four on the
/// other.
fn joined(units: &[PeptideUnit], mut ladders: Vec<Ladder>) -> Vec<Ladder> {
    ladders.sort_by_key(|ladder| ladder.i[0]);
    let mut first = 0;
    while first < ladders.len() {
        let mut second = first + 1;
        while second < ladders.len() {
            if is_bulge(units, &ladders[first], &ladders[second]) {
                let Ladder { i, j, .. } = ladders.remove(second);
                let ladder = &mut ladders[first];
                ladder.i.extend(i);
                match ladder.direction {
                    Direction::Parallel => ladder.j.extend(j),
                    Direction::Antiparallel => {
                        j.into_iter().rev().for_each(|k| ladder.j.push_front(k));
                    }
                }
            } else {
                second += 1;
            }
        }
        first += 1;
    }
    ladders
}

fn is_bulge(units: &[PeptideUnit], one: &Ladder, two: &Ladder) -> bool {
    let ends = |side: &VecDeque<usize>| (side[0], side[side.len() - 1]);
    let ((one_i, one_i_end), (one_j, one_j_end)) = (ends(&one.i), ends(&one.j));
    let ((two_i, two_i_end), (two_j, two_j_end)) = (ends(&two.i), ends(&two.j));
    let is_one_piece = |from: usize, to: usize| units[from].piece == units[to].piece;
    if one.direction != two.direction
        || !is_one_piece(one_i.min(two_i), one_i_end.max(two_i_end))
        || !is_one_piece(one_j.min(two_j), one_j_end.max(two_j_end))
        || (one_i_end >= two_i && one_i <= two_i_end)
    {
        return false;
    }
    // Going backwards is no gap.
    let (gap_i, gap_j) = match one.direction {
        Direction::Parallel => (two_i.checked_sub(one_i_end), two_j.checked_sub(one_j_end)),
        Direction::Antiparallel => (two_i.checked_sub(one_i_end), one_j.checked_sub(two_j_end)),
    };
    let (Some(gap_i), Some(gap_j)) = (gap_i, gap_j) else {
        return false;
    };
    gap_i < 6 && gap_j < 6 && (gap_i < 3 || gap_j < 3)
}
