//! Molecules in one archive of arrays: a cache of the tables, or a sample of them.

use std::path::Path;

use super::bonds::bonds;
use super::{Molecule, Qm9, Target, is_known};
use crate::npy::{Array, Dimension, Elements, Npz, write_archive};
use crate::{ArrayFault, Bond, BondKind, ReadError, WriteError};

/// The layout that is written. It changes when the arrays do, or the rule by which bonds are found.
const LAYOUT: i64 = 1;

/// The array that tells the layout; archives by other programs have none.
const LAYOUT_NAME: &str = "layout";

/// The array that tells what the molecules were read from.
const SOURCE_NAME: &str = "source_sha256";

/// In the order of their numbers in the array `bonds`.
const KINDS: [BondKind; 4] = [
    BondKind::Single,
    BondKind::Double,
    BondKind::Triple,
    BondKind::Aromatic,
];

/// Writes the molecules, and the SHA-256 sum of what they were read from.
pub(super) fn write(path: &Path, qm9: &Qm9) -> Result<(), WriteError> {
    let molecules = qm9.molecules();
    let integers = |shape: Vec<usize>, values: Vec<i64>| Array {
        shape,
        elements: Elements::Integer(values),
    };
    let reals = |shape: Vec<usize>, values: Vec<f64>| Array {
        shape,
        elements: Elements::Real(values),
    };
    let text = |shape: Vec<usize>, values: Vec<String>| Array {
        shape,
        elements: Elements::Text(values),
    };
    let offsets = |length: fn(&Molecule) -> usize| {
        let mut offsets = vec![0];
        for molecule in molecules {
            offsets.push(offsets[offsets.len() - 1] + length(molecule) as i64);
        }
        integers(vec![offsets.len()], offsets)
    };
    let all = || molecules.iter();
    let species: Vec<_> = all().flat_map(|m| &m.species).map(|&z| z.into()).collect();
    let positions = all().flat_map(|m| m.positions.iter().flatten());
    let bonds: Vec<_> = all()
        .flat_map(|m| m.bonds.iter().flatten())
        .flat_map(|bond| {
            let [a, b] = bond.atoms.map(i64::from);
            [a, b, bond.kind as i64]
        })
        .collect();
    let (count, atoms) = (molecules.len(), species.len());
    let columns = Target::ALL.map(|target| target.column().to_owned());
    let arrays = [
        (LAYOUT_NAME, integers(vec![], vec![LAYOUT])),
        (SOURCE_NAME, text(vec![], vec![qm9.source.clone()])),
        ("offsets", offsets(|m| m.species.len())),
        ("Z", integers(vec![atoms], species)),
        ("pos", reals(vec![atoms, 3], positions.copied().collect())),
        (
            "q",
            reals(
                vec![atoms],
                all().flat_map(|m| &m.charges).copied().collect(),
            ),
        ),
        (
            "y",
            reals(vec![count, 12], all().flat_map(|m| m.targets).collect()),
        ),
        ("cols", text(vec![12], columns.to_vec())),
        (
            "index",
            integers(vec![count], all().map(|m| m.index.into()).collect()),
        ),
        (
            "smiles",
            text(vec![count], all().map(|m| m.smiles.clone()).collect()),
        ),
        (
            "bound",
            Array {
                shape: vec![count],
                elements: Elements::Logical(all().map(|m| m.bonds.is_some()).collect()),
            },
        ),
        (
            "bond_offsets",
            offsets(|m| m.bonds.as_ref().map_or(0, Vec::len)),
        ),
        ("bonds", integers(vec![bonds.len() / 3, 3], bonds)),
    ];
    write_archive(path, &arrays)
}

/// The sum of what the molecules of a cache were read from.
pub(super) fn source(path: &Path) -> Result<String, ReadError> {
    let mut archive = Npz::open(path)?;
    check_layout(&mut archive)?;
    Ok(archive.text(SOURCE_NAME, &[])?.concat())
}

/// Reads the molecules of an archive. Bonds are found anew where it has none.
pub(super) fn read(mut archive: Npz) -> Result<Qm9, ReadError> {
    use Dimension::{Any, Exactly};
    let mut source = String::new();
    let is_ours = archive.contains(LAYOUT_NAME);
    if is_ours {
        check_layout(&mut archive)?;
        source = archive.text(SOURCE_NAME, &[])?.concat();
    }
    let indices = archive.integers("index", &[Any])?;
    let count = indices.len();
    let offsets = archive.integers("offsets", &[Exactly(count + 1)])?;
    let species = archive.integers("Z", &[Any])?;
    let atoms = species.len();
    let offsets = rows(&offsets, atoms).map_err(|fault| archive.fault("offsets", fault))?;
    let species = elements_of(&species).map_err(|fault| archive.fault("Z", fault))?;
    let positions = archive.reals("pos", &[Exactly(atoms), Exactly(3)])?.values;
    let positions = positions.as_chunks::<3>().0;
    let charges = archive.reals("q", &[Exactly(atoms)])?.values;
    let columns = archive.text("cols", &[Any])?;
    let targets = archive.reals("y", &[Exactly(count), Exactly(columns.len())])?;
    let places = places(&columns).map_err(|fault| archive.fault("cols", fault))?;
    let smiles = archive.text("smiles", &[Exactly(count)])?;
    let mut known_bonds = match is_ours {
        true => Some(read_bonds(&mut archive, &offsets)?.into_iter()),
        false => None,
    };
    let mut molecules = Vec::with_capacity(count);
    for (number, smiles) in smiles.into_iter().enumerate() {
        let range = offsets[number]..offsets[number + 1];
        let row = &targets.values[number * columns.len()..][..columns.len()];
        let (species, positions) = (&species[range.clone()], &positions[range.clone()]);
        let invalid = |field, value| ArrayFault::Invalid {
            index: number,
            value,
            field,
        };
        let index = u32::try_from(indices[number]);
        let index =
            index.map_err(|_| archive.fault("index", invalid("index", indices[number] as f64)))?;
        let bonds = match &mut known_bonds {
            Some(known) => known.next().flatten(),
            None => bonds(&smiles, species, positions).map_err(|fault| {
                let message = format!("element {number}: {fault}");
                archive.fault("smiles", ArrayFault::Unreadable { message })
            })?,
        };
        molecules.push(Molecule {
            index,
            species: species.to_vec(),
            positions: positions.to_vec(),
            charges: charges[range].to_vec(),
            targets: places.map(|place| row[place]),
            smiles,
            bonds,
        });
    }
    Ok(Qm9 { molecules, source })
}

fn check_layout(archive: &mut Npz) -> Result<(), ReadError> {
    let found = archive.integers(LAYOUT_NAME, &[])?[0];
    if found == LAYOUT {
        return Ok(());
    }
    let expected = LAYOUT;
    Err(archive.fault(LAYOUT_NAME, ArrayFault::Outdated { found, expected }))
}

/// Where each molecule's bonds are, and whether it has any.
fn read_bonds(archive: &mut Npz, atoms: &[usize]) -> Result<Vec<Option<Vec<Bond>>>, ReadError> {
    use Dimension::{Any, Exactly};
    let count = atoms.len() - 1;
    let bound = archive.logicals("bound", &[Exactly(count)])?;
    let numbers = archive.integers("bonds", &[Any, Exactly(3)])?;
    let offsets = archive.integers("bond_offsets", &[Exactly(count + 1)])?;
    let triples = numbers.as_chunks::<3>().0;
    let offsets = rows(&offsets, triples.len());
    let offsets = offsets.map_err(|fault| archive.fault("bond_offsets", fault))?;
    let molecule = |number: usize| {
        let size = atoms[number + 1] - atoms[number];
        let bonds = (offsets[number]..offsets[number + 1]).map(|place| {
            let [a, b, kind] = triples[place].map(|value| usize::try_from(value).ok());
            match (a, b, kind.and_then(|kind| KINDS.get(kind))) {
                (Some(a), Some(b), Some(&kind)) if a < b && b < size => Ok(Bond {
                    atoms: [a as u32, b as u32],
                    kind,
                }),
                _ => Err(ArrayFault::Invalid {
                    index: 3 * place,
                    value: triples[place][0] as f64,
                    field: "start of two atoms in order and a kind of bond",
                }),
            }
        });
        let bonds: Vec<_> = bonds.collect::<Result<_, _>>()?;
        Ok(bound[number].then_some(bonds))
    };
    let bonds: Result<_, _> = (0..count).map(molecule).collect();
    bonds.map_err(|fault| archive.fault("bonds", fault))
}

/// Offsets of rows that follow each other and end with the last of `items`.
fn rows(offsets: &[i64], items: usize) -> Result<Vec<usize>, ArrayFault> {
    let mut last = 0;
    let mut rows = Vec::with_capacity(offsets.len());
    for (index, &offset) in offsets.iter().enumerate() {
        let row = usize::try_from(offset).ok().filter(|&row| {
            let is_end = index + 1 < offsets.len() || row == items;
            let is_start = index > 0 || row == 0;
            last <= row && row <= items && is_start && is_end
        });
        last = row.ok_or(ArrayFault::Invalid {
            index,
            value: offset as f64,
            field: "offset of the next row",
        })?;
        rows.push(last);
    }
    Ok(rows)
}

fn elements_of(numbers: &[i64]) -> Result<Vec<u8>, ArrayFault> {
    let species = |(index, &number): (usize, &i64)| {
        let known = u8::try_from(number).ok().filter(|&z| is_known(z));
        known.ok_or(ArrayFault::Invalid {
            index,
            value: number as f64,
            field: "element of QM9",
        })
    };
    numbers.iter().enumerate().map(species).collect()
}

/// Where the twelve targets stand in a row.
fn places(columns: &[String]) -> Result<[usize; 12], ArrayFault> {
    let mut places = [0; 12];
    for target in Target::ALL {
        let place = columns.iter().position(|name| name == target.column());
        places[target as usize] = place.ok_or_else(|| ArrayFault::Missing {
            present: columns.to_vec(),
        })?;
    }
    Ok(places)
}
