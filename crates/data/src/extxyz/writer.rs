//! Structures as frames.

use std::fmt::Write as _;
use std::io::Write;

use steerable_graph::Periodicity;

use super::comment::reads_as_numbers;
use super::{conventional_atom_unit, conventional_count, conventional_unit};
use crate::{
    AtomProperty, AtomValues, EnergyUnit, Property, Structure, Unit, Value, WriteError, element,
};

/// Writes structures as frames that [`super::open`] reads back to the last bit.
///
/// Energies and forces under the names that convention knows are told in eV and eV/A whatever their
/// unit is; dipole moments and charges under such names have to be in e A and e. Units of other properties are
/// not in the file. Nor are bonds.
pub struct Writer<W: Write> {
    target: W,
}

impl<W: Write> Writer<W> {
    /// Writes to a target, best a buffered one.
    pub fn new(target: W) -> Self {
        Self { target }
    }

    /// Writes a frame, or nothing of it if it is refused.
    ///
    /// # Errors
    /// [`WriteError`] if lists do not fit together, if a name or a value would not be read back as it is,
    /// or if the target refuses.
    pub fn write(&mut self, structure: &Structure) -> Result<(), WriteError> {
        let frame = frame(structure)?;
        self.target.write_all(frame.as_bytes())?;
        Ok(())
    }

    /// The target, flushed.
    ///
    /// # Errors
    /// [`WriteError::Io`] if it refuses.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.target.flush()?;
        Ok(self.target)
    }
}

fn frame(structure: &Structure) -> Result<String, WriteError> {
    let atoms = structure.len();
    same_count("pos", structure.positions.len(), atoms)?;
    let mut text = format!("{atoms}\nProperties=species:S:1:pos:R:3");
    let mut columns = Vec::new();
    for property in &structure.atom_properties {
        let column = column(property, atoms)?;
        append(
            &mut text,
            format_args!(":{}:{}:{}", property.name, column.letter, property.width),
        );
        columns.push(column);
    }
    if let Some(cell) = &structure.cell {
        let numbers = cell.vectors().into_iter().flatten();
        let letters = cell.periodicity().map(|axis| match axis {
            Periodicity::Periodic => "T",
            Periodicity::Open => "F",
        });
        let (numbers, letters) = (joined(numbers), letters.join(" "));
        append(
            &mut text,
            format_args!(" Lattice=\"{numbers}\" pbc=\"{letters}\""),
        );
    }
    for (index, property) in structure.properties.iter().enumerate() {
        let earlier = &structure.properties[..index];
        let twice = earlier.iter().any(|known| known.name == property.name);
        let own = ["Lattice", "pbc", "Properties"].contains(&property.name.as_str());
        if twice || own {
            return Err(bad_name(&property.name));
        }
        let value = value_text(property)?;
        append(&mut text, format_args!(" {}={value}", property.name));
    }
    text.push('\n');
    for (atom, (species, position)) in structure
        .species
        .iter()
        .zip(&structure.positions)
        .enumerate()
    {
        text.push_str(element::symbol(*species).ok_or(WriteError::Species(*species))?);
        for coordinate in position {
            push_number(&mut text, "pos", *coordinate)?;
        }
        for (column, property) in columns.iter().zip(&structure.atom_properties) {
            let range = atom * property.width..(atom + 1) * property.width;
            push_values(&mut text, property, column.factor, range)?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// How a property of atoms is written.
struct ColumnStyle {
    letter: char,
    factor: Option<f64>,
}

fn column(property: &AtomProperty, atoms: usize) -> Result<ColumnStyle, WriteError> {
    let name = &property.name;
    let own = ["species", "pos", "Z"].contains(&name.as_str());
    if own || !is_name(name) || name.contains(':') || property.width == 0 {
        return Err(bad_name(name));
    }
    let (letter, found) = match &property.values {
        AtomValues::Real(values) => ('R', values.len()),
        AtomValues::Integer(values) => ('I', values.len()),
        AtomValues::Logical(values) => ('L', values.len()),
        AtomValues::Text(values) => ('S', values.len()),
    };
    same_count(name, found, atoms * property.width)?;
    let convention = conventional_atom_unit(name, EnergyUnit::ElectronVolt);
    let factor = match (convention, property.unit) {
        (Some(Unit::Force(wanted)), Some(Unit::Force(own))) if letter == 'R' => {
            (own != wanted).then(|| own.factor_to(wanted))
        }
        (Some(Unit::Force(_)), _) => return Err(bad_unit(name)),
        (Some(wanted), Some(own)) if own != wanted => return Err(bad_unit(name)),
        _ => None,
    };
    Ok(ColumnStyle { letter, factor })
}

fn value_text(property: &Property) -> Result<String, WriteError> {
    let name = &property.name;
    if !is_name(name) {
        return Err(bad_name(name));
    }
    let convention = conventional_unit(name, EnergyUnit::ElectronVolt);
    let factor = match (convention, property.unit) {
        (Some(Unit::Energy(wanted)), Some(Unit::Energy(own))) => {
            (own != wanted).then(|| own.factor_to(wanted))
        }
        (Some(Unit::Energy(_)), _) => return Err(bad_unit(name)),
        (Some(wanted), Some(own)) if own != wanted => return Err(bad_unit(name)),
        _ => None,
    };
    let refused = |value: String| WriteError::Value {
        name: name.clone(),
        value,
    };
    match &property.value {
        Value::Numbers(numbers) => {
            let scaled = numbers.iter().map(|x| factor.map_or(*x, |f| x * f));
            let is_read = match conventional_count(convention) {
                Some((count, _)) => numbers.len() == count,
                None => !numbers.is_empty(),
            };
            let is_sound = is_read && scaled.clone().all(f64::is_finite);
            let text = joined(scaled);
            match (is_sound, numbers.len()) {
                (false, _) => Err(refused(text)),
                (true, 1) => Ok(text),
                (true, _) => Ok(format!("\"{text}\"")),
            }
        }
        Value::Text(text) if reads_as_numbers(text) || text.contains(char::is_control) => {
            Err(refused(text.clone()))
        }
        Value::Text(_) if convention.is_some() => Err(bad_unit(name)),
        Value::Text(text) => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            Ok(format!("\"{escaped}\""))
        }
    }
}

fn push_values(
    text: &mut String,
    property: &AtomProperty,
    factor: Option<f64>,
    range: std::ops::Range<usize>,
) -> Result<(), WriteError> {
    match &property.values {
        AtomValues::Real(values) => {
            for value in &values[range] {
                let value = factor.map_or(*value, |factor| value * factor);
                push_number(text, &property.name, value)?;
            }
        }
        AtomValues::Integer(values) => {
            for value in &values[range] {
                append(text, format_args!(" {value}"));
            }
        }
        AtomValues::Logical(values) => {
            for value in &values[range] {
                text.push_str(if *value { " T" } else { " F" });
            }
        }
        AtomValues::Text(values) => {
            for value in &values[range] {
                if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control())
                {
                    return Err(WriteError::Value {
                        name: property.name.clone(),
                        value: value.clone(),
                    });
                }
                append(text, format_args!(" {value}"));
            }
        }
    }
    Ok(())
}

fn push_number(text: &mut String, name: &str, value: f64) -> Result<(), WriteError> {
    if !value.is_finite() {
        return Err(WriteError::Value {
            name: name.to_owned(),
            value: value.to_string(),
        });
    }
    append(text, format_args!(" {value:?}"));
    Ok(())
}

/// Numbers with blanks between them, each in the fewest digits that are read back as it.
fn joined(numbers: impl Iterator<Item = f64>) -> String {
    let words: Vec<_> = numbers.map(|number| format!("{number:?}")).collect();
    words.join(" ")
}

/// Appends to text, which cannot fail.
fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

fn is_name(name: &str) -> bool {
    let has_syntax = |c: char| c.is_whitespace() || c.is_control() || "=\"'{}[]\\".contains(c);
    !name.is_empty() && !name.contains(has_syntax)
}

fn same_count(name: &str, found: usize, expected: usize) -> Result<(), WriteError> {
    if found == expected {
        return Ok(());
    }
    Err(WriteError::Count {
        name: name.to_owned(),
        found,
        expected,
    })
}

fn bad_name(name: &str) -> WriteError {
    WriteError::Name {
        name: name.to_owned(),
    }
}

fn bad_unit(name: &str) -> WriteError {
    WriteError::Unit {
        name: name.to_owned(),
    }
}
