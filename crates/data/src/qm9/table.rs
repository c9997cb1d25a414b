//! The tables of the package, and the molecules in them.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use zip::ZipArchive;

use super::bonds::bonds;
use super::{Molecule, Target, is_known};
use crate::lines::{Lines, finite, invalid};
use crate::{LineFault, ReadError, element};

/// The tables that make up the whole, in their order.
pub(super) const TABLES: [&str; 3] = ["qm9_part1.csv", "qm9_part2.csv", "qm9_part3.csv"];

/// The most text that is read of one table; the largest has 79 MB.
const MAX_TABLE_BYTES: u64 = 512 << 20;

/// Reads the tables of a folder.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<Molecule>, ReadError> {
    let mut molecules = Vec::new();
    for table in TABLES {
        read_table(&mut Lines::open(&folder.join(table))?, &mut molecules)?;
    }
    Ok(molecules)
}

/// Reads the tables of a wheel.
pub(super) fn read_wheel(path: &Path) -> Result<Vec<Molecule>, ReadError> {
    let file = File::open(path).map_err(ReadError::io(path))?;
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|error| ReadError::io(path)(error.into()))?;
    let mut molecules = Vec::new();
    for table in TABLES {
        let entry = archive.by_name(&format!("qm9pack/data/{table}"));
        let entry = entry.map_err(|error| ReadError::io(path)(error.into()))?;
        let mut text = Vec::new();
        let mut limited = entry.take(MAX_TABLE_BYTES + 1);
        let read = limited.read_to_end(&mut text);
        read.map_err(ReadError::io(path))?;
        let name = path.join(table);
        if text.len() as u64 > MAX_TABLE_BYTES {
            let limit = MAX_TABLE_BYTES;
            return Err(ReadError::TooLarge { path: name, limit });
        }
        read_table(&mut Lines::new(Cursor::new(text), &name)?, &mut molecules)?;
    }
    Ok(molecules)
}

fn read_table(lines: &mut Lines, molecules: &mut Vec<Molecule>) -> Result<(), ReadError> {
    let columns = Columns::parse(lines.expect_line("the names of the columns")?);
    let columns = columns.map_err(|fault| lines.fault(fault))?;
    while let Some(line) = lines.next_line()? {
        let molecule = columns.molecule(line);
        molecules.push(molecule.map_err(|fault| lines.fault(fault))?);
    }
    Ok(())
}

/// Where a table has what.
struct Columns {
    count: usize,
    index: usize,
    smiles: usize,
    elements: usize,
    positions: usize,
    charges: usize,
    targets: [usize; 12],
}

impl Columns {
    fn parse(line: &str) -> Result<Self, LineFault> {
        let names: Vec<_> = line.split(',').collect();
        let find = |column: &'static str| {
            let found = names.iter().position(|name| *name == column);
            found.ok_or(LineFault::MissingColumn { column })
        };
        let mut targets = [0; 12];
        for target in Target::ALL {
            targets[target as usize] = find(target.column())?;
        }
        Ok(Self {
            count: names.len(),
            index: find("Index")?,
            smiles: find("SMILES")?,
            elements: find("Elements")?,
            positions: find("XYZ_Ang")?,
            charges: find("Mulliken_pop")?,
            targets,
        })
    }

    fn molecule(&self, line: &str) -> Result<Molecule, LineFault> {
        let fields = fields(line)?;
        if fields.len() != self.count {
            return Err(LineFault::ValueCount {
                found: fields.len(),
                expected: self.count,
            });
        }
        let species: Result<Vec<_>, _> = list(fields[self.elements]).map(species).collect();
        let species = species?;
        let atoms = species.len();
        let coordinates = numbers(fields[self.positions], 3 * atoms, "coordinate")?;
        let positions = coordinates.as_chunks::<3>().0.to_vec();
        let mut targets = [0.0; 12];
        for (target, &column) in targets.iter_mut().zip(&self.targets) {
            *target = number(fields[column], "number")?;
        }
        let smiles = fields[self.smiles].to_owned();
        let index = fields[self.index];
        Ok(Molecule {
            index: index.parse().map_err(|_| invalid(index, "index"))?,
            charges: numbers(fields[self.charges], atoms, "charge")?,
            bonds: bonds(&smiles, &species, &positions)?,
            species,
            positions,
            targets,
            smiles,
        })
    }
}

/// The fields of a line; those with commas stand in quotation marks. The tables have no marks in fields.
fn fields(line: &str) -> Result<Vec<&str>, LineFault> {
    let mut fields = Vec::with_capacity(32);
    let mut rest = line;
    loop {
        let field;
        (field, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(LineFault::OpenQuote)?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return Ok(fields),
            None => return Err(invalid(rest, "comma behind a field")),
        }
    }
}

/// The items of a list, however it is nested.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let items = text.split(|c: char| "[],' ".contains(c));
    items.filter(|item| !item.is_empty())
}

fn species(symbol: &str) -> Result<u8, LineFault> {
    let number = element::atomic_number(symbol).filter(|&z| is_known(z));
    number.ok_or_else(|| invalid(symbol, "element of QM9"))
}

fn numbers(text: &str, expected: usize, field: &'static str) -> Result<Vec<f64>, LineFault> {
    let numbers: Result<Vec<_>, _> = list(text).map(|item| number(item, field)).collect();
    let numbers = numbers?;
    if numbers.len() != expected {
        let found = numbers.len();
        return Err(LineFault::ValueCount { found, expected });
    }
    Ok(numbers)
}

/// A number, also as Mathematica writes it: `1.2*^-6`.
fn number(text: &str, field: &'static str) -> Result<f64, LineFault> {
    match text.split_once("*^") {
        None => finite(text, field),
        Some((mantissa, exponent)) => finite(&format!("{mantissa}e{exponent}"), field),
    }
}
