//! The second line of a frame: pairs of keys and values, and the columns that one of them names.

use steerable_graph::{Cell, Periodicity};

use super::{COMMENT, conventional_count, conventional_unit};
use crate::lines::{finite, invalid};
use crate::{EnergyUnit, LineFault, Property, Value};

/// What the line says.
#[derive(Debug, PartialEq)]
pub(super) struct Comment {
    pub(super) columns: Vec<Column>,
    pub(super) cell: Option<Cell>,
    pub(super) properties: Vec<Property>,
}

/// Adjacent columns of one property.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColumnKind {
    Text,
    Real,
    Integer,
    Logical,
}

/// A value as the line has it.
struct RawValue {
    text: String,
    bracketed: bool,
}

pub(super) fn parse(line: &str, energy: EnergyUnit) -> Result<Comment, LineFault> {
    let mut comment = Comment {
        columns: plain_columns(),
        cell: None,
        properties: Vec::new(),
    };
    if !line.contains('=') {
        let text = line.trim();
        if !text.is_empty() {
            comment.properties.push(Property {
                name: COMMENT.to_owned(),
                unit: None,
                value: Value::Text(text.to_owned()),
            });
        }
        return Ok(comment);
    }
    let (mut lattice, mut periodic) = (None, None);
    let mut seen: Vec<String> = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (key, value);
        (key, value, rest) = next_pair(rest)?;
        if seen.iter().any(|known| known == key) {
            let key = key.to_owned();
            return Err(LineFault::Twice { key });
        }
        seen.push(key.to_owned());
        match key {
            "Lattice" => lattice = Some(vectors(&value)?),
            "pbc" => periodic = Some(periodicity(&value)?),
            "Properties" => comment.columns = columns(&value.text)?,
            _ => comment.properties.push(property(key, value, energy)?),
        }
    }
    comment.cell = match (lattice, periodic) {
        (Some(vectors), periodic) => {
            let periodic = periodic.unwrap_or([Periodicity::Periodic; 3]);
            Some(Cell::new(vectors, periodic).map_err(|error| LineFault::Cell(Box::new(error)))?)
        }
        (None, Some(periodic)) if periodic.contains(&Periodicity::Periodic) => {
            return Err(LineFault::PeriodicWithoutLattice);
        }
        (None, _) => None,
    };
    Ok(comment)
}

fn plain_columns() -> Vec<Column> {
    let column = |name: &str, kind, width| Column {
        name: name.to_owned(),
        kind,
        width,
    };
    vec![
        column("species", ColumnKind::Text, 1),
        column("pos", ColumnKind::Real, 3),
    ]
}

/// The first key of the text, its value, and what follows, which begins with a key or is empty.
fn next_pair(text: &str) -> Result<(&str, RawValue, &str), LineFault> {
    let end = text.find(|c: char| c == '=' || c.is_whitespace());
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    if key.is_empty() {
        return Err(invalid(text, "key"));
    }
    let rest = rest.trim_start();
    let Some(value) = rest.strip_prefix('=') else {
        let flag = RawValue {
            text: "T".to_owned(),
            bracketed: false,
        };
        return Ok((key, flag, rest));
    };
    let (value, rest) = next_value(value)?;
    Ok((key, value, rest.trim_start()))
}

/// The value that the text begins with, and what follows.
fn next_value(text: &str) -> Result<(RawValue, &str), LineFault> {
    let text = text.trim_start();
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&text[1..], quote),
        Some(open @ ('{' | '[')) => bracketed(text, open),
        _ => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let value = RawValue {
                text: text[..end].to_owned(),
                bracketed: false,
            };
            Ok((value, &text[end..]))
        }
    }
}

/// Up to the closing quotation mark; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Result<(RawValue, &str), LineFault> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            let value = RawValue {
                text: value,
                bracketed: false,
            };
            return Ok((value, &text[at + 1..]));
        }
        if character == '\\' {
            value.extend(characters.next().map(|(_, escaped)| escaped));
        } else {
            value.push(character);
        }
    }
    Err(LineFault::OpenQuote)
}

/// Up to the bracket that closes the first; what is between them.
fn bracketed(text: &str, open: char) -> Result<(RawValue, &str), LineFault> {
    let close = if open == '{' { '}' } else { ']' };
    let mut depth = 0usize;
    for (at, character) in text.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            depth -= 1;
            if depth == 0 {
                let value = RawValue {
                    text: text[1..at].to_owned(),
                    bracketed: true,
                };
                return Ok((value, &text[at + 1..]));
            }
        }
    }
    Err(LineFault::OpenQuote)
}

impl RawValue {
    fn words(&self) -> impl Iterator<Item = &str> {
        let separates = |c: char| c.is_whitespace() || (self.bracketed && "[],".contains(c));
        self.text.split(separates).filter(|word| !word.is_empty())
    }

    /// The numbers that it consists of, if it does.
    fn numbers(&self) -> Option<Vec<f64>> {
        let numbers = self.words().map(|word| finite(word, "number").ok());
        let numbers: Option<Vec<_>> = numbers.collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }
}

/// Whether text would be read as numbers, and not as itself.
pub(super) fn reads_as_numbers(text: &str) -> bool {
    let value = RawValue {
        text: text.to_owned(),
        bracketed: false,
    };
    value.numbers().is_some()
}

fn property(key: &str, value: RawValue, energy: EnergyUnit) -> Result<Property, LineFault> {
    let unit = conventional_unit(key, energy);
    let numbers = value.numbers();
    let value = match (numbers, conventional_count(unit)) {
        (None, Some((_, field))) => return Err(invalid(&value.text, field)),
        (Some(numbers), Some((expected, _))) if numbers.len() != expected => {
            let found = numbers.len();
            return Err(LineFault::ValueCount { found, expected });
        }
        (Some(numbers), _) => Value::Numbers(numbers),
        (None, None) => Value::Text(value.text),
    };
    Ok(Property {
        name: key.to_owned(),
        unit,
        value,
    })
}

fn vectors(value: &RawValue) -> Result<[[f64; 3]; 3], LineFault> {
    let numbers = value
        .numbers()
        .ok_or_else(|| invalid(&value.text, "lattice"))?;
    match numbers.as_chunks::<3>() {
        ([a, b, c], []) => Ok([*a, *b, *c]),
        _ => Err(LineFault::ValueCount {
            found: numbers.len(),
            expected: 9,
        }),
    }
}

fn periodicity(value: &RawValue) -> Result<[Periodicity; 3], LineFault> {
    let mut periodic = [Periodicity::Open; 3];
    let found = value.words().count();
    if found != 3 {
        return Err(LineFault::ValueCount { found, expected: 3 });
    }
    for (axis, word) in periodic.iter_mut().zip(value.words()) {
        if logical(word)? {
            *axis = Periodicity::Periodic;
        }
    }
    Ok(periodic)
}

/// Yes or no, as Fortran, Python and C write it.
pub(super) fn logical(word: &str) -> Result<bool, LineFault> {
    match word {
        "T" | "True" | "true" | "TRUE" | "1" => Ok(true),
        "F" | "False" | "false" | "FALSE" | "0" => Ok(false),
        _ => Err(invalid(word, "T or F")),
    }
}

/// `name:kind:width` three by three.
fn columns(text: &str) -> Result<Vec<Column>, LineFault> {
    let fields: Vec<_> = text.split(':').collect();
    let (triples, rest) = fields.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(invalid(text, "list of name:type:width"));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(triples.len());
    for [name, kind, width] in triples {
        if columns.iter().any(|column| column.name == *name) {
            let key = (*name).to_owned();
            return Err(LineFault::Twice { key });
        }
        columns.push(Column {
            name: (*name).to_owned(),
            kind: match *kind {
                "S" => ColumnKind::Text,
                "R" => ColumnKind::Real,
                "I" => ColumnKind::Integer,
                "L" => ColumnKind::Logical,
                _ => return Err(invalid(kind, "type S, R, I or L")),
            },
            width: match width.parse() {
                // No line is long enough for more.
                Ok(width @ 1..=1_000_000) => width,
                _ => return Err(invalid(width, "width")),
            },
        });
    }
    Ok(columns)
}
