//! Frames, one after the other.

use std::io::Read;
use std::path::Path;

use super::comment::{self, Column, ColumnKind, Comment};
use super::conventional_atom_unit;
use crate::lines::{Lines, finite, invalid};
use crate::{AtomProperty, AtomValues, EnergyUnit, LineFault, ReadError, Structure, Unit, element};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The unit of energies and, for each angstrom, of forces. The format's convention is eV, and files
    /// in other units exist; nothing in them says so.
    pub energy: EnergyUnit,
    /// The most text that is accepted in one frame, in bytes after decompression. What is held in
    /// memory is a small multiple of it.
    pub max_frame_bytes: u64,
}

impl Default for Options {
    /// eV, and a quarter of a gigabyte: about three million atoms.
    fn default() -> Self {
        Self {
            energy: EnergyUnit::ElectronVolt,
            max_frame_bytes: 256 << 20,
        }
    }
}

/// The frames of a file, read as they are asked for: a file may be larger than memory.
///
/// After an error there is no further frame.
pub struct Frames {
    lines: Lines,
    options: Options,
    ended: bool,
}

/// The frames of a file, plain or gzipped, energies in eV.
///
/// # Errors
/// [`ReadError::Io`] if the file cannot be opened.
pub fn open(path: impl AsRef<Path>) -> Result<Frames, ReadError> {
    Options::default().open(path)
}

/// All frames of a file at once, energies in eV.
///
/// # Errors
/// As [`Options::open`], and those of the frames.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Structure>, ReadError> {
    open(path)?.collect()
}

impl Options {
    /// The frames of a file; whether it is gzipped is told by its content.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the file cannot be opened.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Frames, ReadError> {
        Ok(self.frames(Lines::open(path.as_ref())?))
    }

    /// The frames of any source; the path serves to name it in errors.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the source cannot be read.
    pub fn open_source(
        &self,
        source: impl Read + Send + 'static,
        path: impl AsRef<Path>,
    ) -> Result<Frames, ReadError> {
        Ok(self.frames(Lines::new(source, path.as_ref())?))
    }

    pub(super) fn frames(&self, lines: Lines) -> Frames {
        Frames {
            lines,
            options: *self,
            ended: false,
        }
    }
}

impl Iterator for Frames {
    type Item = Result<Structure, ReadError>;

    /// # Errors
    /// [`ReadError`] with the line if a frame does not hold what its format wants or the file ends
    /// within it.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let frame = self.next_frame().transpose();
        self.ended = !matches!(frame, Some(Ok(_)));
        frame
    }
}

impl Frames {
    fn next_frame(&mut self) -> Result<Option<Structure>, ReadError> {
        let atoms = loop {
            match self.lines.next_line()? {
                None => return Ok(None),
                Some(line) if line.trim().is_empty() => {}
                Some(line) => break line.trim().parse::<usize>(),
            }
        };
        let Ok(atoms) = atoms else {
            let fault = invalid(self.lines.line(), "number of atoms");
            return Err(self.lines.fault(fault));
        };
        let energy = self.options.energy;
        let line = self.lines.expect_line("the line of keys and values")?;
        let comment = comment::parse(line, energy).and_then(|comment| {
            let builder = Builder::new(&comment.columns)?;
            Ok((comment, builder))
        });
        let (comment, mut builder) = comment.map_err(|fault| self.lines.fault(fault))?;
        let mut bytes = 0;
        for _ in 0..atoms {
            let line = self.lines.expect_line("the line of an atom")?;
            bytes += line.len() as u64;
            let pushed = if bytes > self.options.max_frame_bytes {
                let limit = self.options.max_frame_bytes;
                Err(LineFault::FrameTooLong { limit })
            } else {
                builder.push(line)
            };
            pushed.map_err(|fault| self.lines.fault(fault))?;
        }
        Ok(Some(builder.finish(comment, energy)))
    }
}

/// The columns of a frame while its lines come in.
struct Builder {
    species: Vec<u8>,
    positions: Vec<[f64; 3]>,
    parts: Vec<Part>,
    width: usize,
}

/// What becomes of adjacent columns.
enum Part {
    Symbol,
    AtomicNumber,
    /// Atomic numbers beside symbols: they have to agree.
    SameAtomicNumber,
    Position,
    Other {
        name: String,
        width: usize,
        values: AtomValues,
    },
}

impl Builder {
    fn new(columns: &[Column]) -> Result<Self, LineFault> {
        let has_symbols = columns.iter().any(|column| column.name == "species");
        let has_numbers = columns.iter().any(|column| column.name == "Z");
        if !has_symbols && !has_numbers {
            return Err(LineFault::MissingColumn { column: "species" });
        }
        if !columns.iter().any(|column| column.name == "pos") {
            return Err(LineFault::MissingColumn { column: "pos" });
        }
        let part = |column: &Column| {
            let (name, width) = (column.name.clone(), column.width);
            match (column.name.as_str(), column.kind, column.width) {
                ("species", ColumnKind::Text, 1) => Ok(Part::Symbol),
                ("Z", ColumnKind::Integer, 1) if has_symbols => Ok(Part::SameAtomicNumber),
                ("Z", ColumnKind::Integer, 1) => Ok(Part::AtomicNumber),
                ("pos", ColumnKind::Real, 3) => Ok(Part::Position),
                ("species", ..) => Err(invalid(&name, "column of type S:1")),
                ("Z", ..) => Err(invalid(&name, "column of type I:1")),
                ("pos" | "forces" | "REF_forces", kind, width)
                    if (kind, width) != (ColumnKind::Real, 3) =>
                {
                    Err(invalid(&name, "column of type R:3"))
                }
                _ => Ok(Part::Other {
                    name,
                    width,
                    values: match column.kind {
                        ColumnKind::Text => AtomValues::Text(Vec::new()),
                        ColumnKind::Real => AtomValues::Real(Vec::new()),
                        ColumnKind::Integer => AtomValues::Integer(Vec::new()),
                        ColumnKind::Logical => AtomValues::Logical(Vec::new()),
                    },
                }),
            }
        };
        let parts: Result<Vec<_>, _> = columns.iter().map(part).collect();
        Ok(Self {
            species: Vec::new(),
            positions: Vec::new(),
            parts: parts?,
            width: columns.iter().map(|column| column.width).sum(),
        })
    }

    fn push(&mut self, line: &str) -> Result<(), LineFault> {
        let miscounted = || LineFault::ValueCount {
            found: line.split_ascii_whitespace().count(),
            expected: self.width,
        };
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().ok_or_else(miscounted);
        let mut number_beside = None;
        for part in &mut self.parts {
            match part {
                Part::Symbol => self.species.push(element_of(next()?)?),
                Part::AtomicNumber => self.species.push(number_of(next()?)?),
                Part::SameAtomicNumber => number_beside = Some(next()?),
                Part::Position => {
                    let [x, y, z] = [next()?, next()?, next()?];
                    let coordinate = |text| finite(text, "coordinate");
                    self.positions
                        .push([coordinate(x)?, coordinate(y)?, coordinate(z)?]);
                }
                Part::Other { width, values, .. } => {
                    for _ in 0..*width {
                        push_value(values, next()?)?;
                    }
                }
            }
        }
        if words.next().is_some() {
            return Err(miscounted());
        }
        if let (Some(text), Some(species)) = (number_beside, self.species.last())
            && number_of(text)? != *species
        {
            return Err(invalid(text, "atomic number of the element beside it"));
        }
        Ok(())
    }

    fn finish(self, comment: Comment, energy: EnergyUnit) -> Structure {
        let atom_property = |part| match part {
            Part::Other {
                name,
                width,
                values,
            } => {
                let unit = conventional_atom_unit(&name, energy);
                // A force or a charge that is no number is kept as what it is.
                let is_number = matches!(values, AtomValues::Real(_));
                let unit = unit.filter(|unit| match unit {
                    Unit::ElementaryCharge => is_number && width == 1,
                    _ => true,
                });
                Some(AtomProperty {
                    name,
                    unit,
                    width,
                    values,
                })
            }
            _ => None,
        };
        Structure {
            species: self.species,
            positions: self.positions,
            cell: comment.cell,
            bonds: None,
            properties: comment.properties,
            atom_properties: self.parts.into_iter().filter_map(atom_property).collect(),
        }
    }
}

fn push_value(values: &mut AtomValues, word: &str) -> Result<(), LineFault> {
    match values {
        AtomValues::Real(values) => values.push(finite(word, "real number")?),
        AtomValues::Integer(values) => {
            let value = word.parse();
            values.push(value.map_err(|_| invalid(word, "integer"))?);
        }
        AtomValues::Logical(values) => values.push(comment::logical(word)?),
        AtomValues::Text(values) => values.push(word.to_owned()),
    }
    Ok(())
}

/// An element by its symbol or, as some programs write it, by its atomic number.
fn element_of(text: &str) -> Result<u8, LineFault> {
    match element::atomic_number(text) {
        Some(number) => Ok(number),
        None => number_of(text).map_err(|_| invalid(text, "element")),
    }
}

fn number_of(text: &str) -> Result<u8, LineFault> {
    let number = text.parse().ok();
    let known = number.filter(|&number| element::symbol(number).is_some());
    known.ok_or_else(|| invalid(text, "atomic number"))
}
