//! SDF and MOL files, version V2000: molecules with bonds, charges and data.
//!
//! Bonds of the types 1 to 4 are single, double, triple and aromatic; the query types above are refused, as are
//! version V3000 and records that say of themselves that they are drawings (`2D`): their third coordinate
//! is none. The title is kept under `_Name` as RDKit does, formal charges of the atoms under
//! [`FORMAL_CHARGE`]. A data item that consists of finite numbers is numbers, any other is text.
//!
//! The format is read here: of its many parts this one is small, and what is refused has to be known.
//!
//! # Source
//! "CTfile Formats", BIOVIA, 2020.

use std::io::Read;
use std::path::Path;

use crate::lines::{Lines, finite, invalid};
use crate::{
    AtomProperty, AtomValues, Bond, BondKind, LineFault, Property, ReadError, Structure, Unit,
    Value, element,
};

/// The name of the formal charges of the atoms, in e.
pub const FORMAL_CHARGE: &str = "formal_charge";

/// The name of the title.
const TITLE: &str = "_Name";

/// The most text in one record, in bytes: of 999 atoms there is far less.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// The molecules of a file, read as they are asked for. After an error there is no further one.
pub struct Molecules {
    lines: Lines,
    bytes: u64,
    ended: bool,
}

/// The molecules of an SDF file, or the one of a MOL file, plain or gzipped.
///
/// # Errors
/// [`ReadError::Io`] if the file cannot be opened.
pub fn open(path: impl AsRef<Path>) -> Result<Molecules, ReadError> {
    Ok(molecules(Lines::open(path.as_ref())?))
}

/// The molecules of any source; the path serves to name it in errors.
///
/// # Errors
/// [`ReadError::Io`] if the source cannot be read.
pub fn open_source(
    source: impl Read + Send + 'static,
    path: impl AsRef<Path>,
) -> Result<Molecules, ReadError> {
    Ok(molecules(Lines::new(source, path.as_ref())?))
}

fn molecules(lines: Lines) -> Molecules {
    Molecules {
        lines,
        bytes: 0,
        ended: false,
    }
}

impl Iterator for Molecules {
    type Item = Result<Structure, ReadError>;

    /// # Errors
    /// [`ReadError`] with the line if a record does not hold what the format wants or the file ends
    /// within it.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.bytes = 0;
        let molecule = self.record().transpose();
        self.ended = !matches!(molecule, Some(Ok(_)));
        molecule
    }
}

impl Molecules {
    fn record(&mut self) -> Result<Option<Structure>, ReadError> {
        let Some(title) = self.title()? else {
            return Ok(None);
        };
        let mut molecule = Structure::default();
        if !title.is_empty() {
            molecule.properties.push(Property {
                name: TITLE.to_owned(),
                unit: None,
                value: Value::Text(title),
            });
        }
        let [atoms, bonds] = self.read("the line of counts", counts)?;
        let mut charges = Vec::with_capacity(atoms);
        for _ in 0..atoms {
            let atom = self.read("the line of an atom", atom)?;
            molecule.species.push(atom.species);
            molecule.positions.push(atom.position);
            charges.push(atom.charge);
        }
        let mut known: Vec<Bond> = Vec::with_capacity(bonds);
        for _ in 0..bonds {
            let bond = self.read("the line of a bond", |line| bond(line, atoms))?;
            if known.iter().any(|other| other.atoms == bond.atoms) {
                let key = format!("{} {}", bond.atoms[0] + 1, bond.atoms[1] + 1);
                return Err(self.lines.fault(LineFault::Twice { key }));
            }
            known.push(bond);
        }
        known.sort_unstable_by_key(|bond| bond.atoms);
        molecule.bonds = Some(known);
        self.charges(&mut charges)?;
        molecule.atom_properties.push(AtomProperty {
            name: FORMAL_CHARGE.to_owned(),
            unit: Some(Unit::ElementaryCharge),
            width: 1,
            values: AtomValues::Integer(charges),
        });
        self.data(&mut molecule)?;
        Ok(Some(molecule))
    }

    /// The three lines that begin a record, of which the title is kept; `None` if nothing but blank lines
    /// is left of the file. Each of the three may be blank.
    fn title(&mut self) -> Result<Option<String>, ReadError> {
        let mut header = Vec::with_capacity(3);
        while header.len() < 3 {
            match self.lines.next_line()? {
                Some(line) => header.push(line.trim_end().to_owned()),
                None => break,
            }
            if header.len() == 2 {
                check_dimension(&header[1]).map_err(|fault| self.lines.fault(fault))?;
            }
        }
        let is_blank = header.iter().all(|line| line.trim().is_empty());
        match header.len() {
            3 if !is_blank || !self.lines.at_end()? => Ok(Some(header[0].trim().to_owned())),
            _ if is_blank => Ok(None),
            _ => Err(self.lines.fault(LineFault::Ends {
                expected: "the rest of a record's header",
            })),
        }
    }

    /// What the next line says.
    fn read<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Result<T, LineFault>,
    ) -> Result<T, ReadError> {
        let line = self.lines.expect_line(expected)?;
        self.bytes += line.len() as u64 + 1;
        let parsed = if self.bytes > MAX_RECORD_BYTES {
            let limit = MAX_RECORD_BYTES;
            Err(LineFault::FrameTooLong { limit })
        } else {
            parse(line)
        };
        parsed.map_err(|fault| self.lines.fault(fault))
    }

    /// The lines of properties, to `M  END`. The first `M  CHG` replaces the charges of the atoms' lines.
    fn charges(&mut self, charges: &mut [i64]) -> Result<(), ReadError> {
        let mut replaced = false;
        loop {
            let ends = self.read("M  END", |line| {
                let is_charge = line.starts_with("M  CHG") || line.starts_with("M  RAD");
                if is_charge && !replaced {
                    charges.fill(0);
                    replaced = true;
                }
                if let Some(list) = line.strip_prefix("M  CHG") {
                    set_charges(list, charges)?;
                }
                Ok(line.starts_with("M  END"))
            })?;
            if ends {
                return Ok(());
            }
        }
    }

    /// The data items, to `$$$$`, or to the end of a file that has none.
    fn data(&mut self, molecule: &mut Structure) -> Result<(), ReadError> {
        loop {
            if self.lines.at_end()? {
                return Ok(());
            }
            let header = self.read("$$$$", |line| {
                if line.starts_with("$$$$") {
                    return Ok(Header::End);
                }
                if line.trim().is_empty() {
                    return Ok(Header::Blank);
                }
                let name = line.strip_prefix('>').and_then(|rest| {
                    let (_, name) = rest.split_once('<')?;
                    Some(name.rsplit_once('>')?.0)
                });
                let name = name.ok_or_else(|| invalid(line, "header of a data item"))?;
                let known = molecule.properties.iter().any(|p| p.name == name);
                let key = name.to_owned();
                if known {
                    return Err(LineFault::Twice { key });
                }
                Ok(Header::Item(key))
            })?;
            match header {
                Header::End => return Ok(()),
                Header::Blank => {}
                Header::Item(name) => {
                    let value = self.item()?;
                    molecule.properties.push(Property {
                        name,
                        unit: None,
                        value,
                    });
                }
            }
        }
    }

    /// The value of a data item, to the blank line behind it.
    fn item(&mut self) -> Result<Value, ReadError> {
        let mut text = String::new();
        loop {
            let ends = self.read("the blank line behind a data item", |line| {
                if !line.trim().is_empty() {
                    text.push_str(line);
                    text.push('\n');
                }
                Ok(line.trim().is_empty())
            })?;
            if ends {
                break;
            }
        }
        let text = text.trim_end_matches('\n');
        let numbers = text
            .split_whitespace()
            .map(|word| finite(word, "number").ok());
        let numbers: Option<Vec<_>> = numbers.collect();
        Ok(match numbers.filter(|numbers| !numbers.is_empty()) {
            Some(numbers) => Value::Numbers(numbers),
            None => Value::Text(text.to_owned()),
        })
    }
}

/// A line among the data items.
enum Header {
    Item(String),
    Blank,
    End,
}

/// The columns of a line, without blanks around them; nothing behind its end.
fn columns(line: &str, from: usize, to: usize) -> &str {
    let field = line.get(from..to.min(line.len())).unwrap_or_default();
    field.trim()
}

/// A number of fixed columns; blank is 0.
fn integer(line: &str, from: usize, to: usize, field: &'static str) -> Result<usize, LineFault> {
    match columns(line, from, to) {
        "" => Ok(0),
        text => text.parse().map_err(|_| invalid(text, field)),
    }
}

/// Fields are found by columns, which text of one byte for each character has.
fn check_ascii(line: &str) -> Result<(), LineFault> {
    let is_ascii = line.is_ascii();
    is_ascii
        .then_some(())
        .ok_or_else(|| invalid(line, "text of ASCII characters"))
}

fn check_dimension(line: &str) -> Result<(), LineFault> {
    match columns(line, 20, 22) {
        "2D" => Err(invalid("2D", "structure in three dimensions")),
        _ => Ok(()),
    }
}

fn counts(line: &str) -> Result<[usize; 2], LineFault> {
    check_ascii(line)?;
    let version = columns(line, 33, 39);
    if version != "V2000" {
        return Err(invalid(version, "version V2000"));
    }
    let atoms = integer(line, 0, 3, "number of atoms")?;
    Ok([atoms, integer(line, 3, 6, "number of bonds")?])
}

struct Atom {
    species: u8,
    position: [f64; 3],
    charge: i64,
}

fn atom(line: &str) -> Result<Atom, LineFault> {
    check_ascii(line)?;
    let coordinate = |from| finite(columns(line, from, from + 10), "coordinate");
    let symbol = columns(line, 31, 34);
    Ok(Atom {
        species: element::atomic_number(symbol).ok_or_else(|| invalid(symbol, "element"))?,
        position: [coordinate(0)?, coordinate(10)?, coordinate(20)?],
        charge: match columns(line, 36, 39) {
            // 4 is a radical without charge.
            "" | "0" | "4" => 0,
            "1" => 3,
            "2" => 2,
            "3" => 1,
            "5" => -1,
            "6" => -2,
            "7" => -3,
            code => return Err(invalid(code, "code of a charge")),
        },
    })
}

fn bond(line: &str, atoms: usize) -> Result<Bond, LineFault> {
    check_ascii(line)?;
    let a = integer(line, 0, 3, "index of an atom")?;
    let b = integer(line, 3, 6, "index of an atom")?;
    if !(1..=atoms).contains(&a) || !(1..=atoms).contains(&b) || a == b {
        return Err(invalid(columns(line, 0, 6), "pair of atoms"));
    }
    let kind = match columns(line, 6, 9) {
        "1" => BondKind::Single,
        "2" => BondKind::Double,
        "3" => BondKind::Triple,
        "4" => BondKind::Aromatic,
        kind => return Err(invalid(kind, "type of bond from 1 to 4")),
    };
    Ok(Bond {
        atoms: [a.min(b) as u32 - 1, a.max(b) as u32 - 1],
        kind,
    })
}

/// ` n a c a c ...`: n pairs of an atom and its charge.
fn set_charges(list: &str, charges: &mut [i64]) -> Result<(), LineFault> {
    let bad = || invalid(list, "list of atoms and charges");
    let numbers: Result<Vec<i64>, _> = list.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|_| bad())?;
    let (count, pairs) = numbers.split_first().ok_or_else(bad)?;
    let (pairs, rest) = pairs.as_chunks::<2>();
    if !rest.is_empty() || usize::try_from(*count) != Ok(pairs.len()) {
        return Err(bad());
    }
    for &[atom, charge] in pairs {
        let index = usize::try_from(atom)
            .ok()
            .and_then(|atom| atom.checked_sub(1));
        let slot = index.and_then(|index| charges.get_mut(index));
        // The format's own bounds.
        let charge = (-15..=15).contains(&charge).then_some(charge);
        *slot.ok_or_else(bad)? = charge.ok_or_else(bad)?;
    }
    Ok(())
}
