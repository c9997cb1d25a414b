//! The bytes of an array: header and elements.

use std::io::Read;

use super::{Array, Elements};
use crate::ArrayFault;

/// The most elements that are read of an array: two gigabytes of numbers.
pub(crate) const MAX_ELEMENTS: u64 = 1 << 28;
/// The longest header that is read; NumPy's own are some hundred bytes.
const LONGEST_HEADER: usize = 4096;

/// The array of a `.npy` file's bytes; there must be none behind it.
pub(super) fn parse(mut source: impl Read) -> Result<Array, ArrayFault> {
    let mut start = [0; 8];
    fill(&mut source, &mut start)?;
    let header_length = match &start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            let mut length = [0; 2];
            fill(&mut source, &mut length)?;
            usize::from(u16::from_le_bytes(length))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            let mut length = [0; 4];
            fill(&mut source, &mut length)?;
            u32::from_le_bytes(length) as usize
        }
        _ => return Err(malformed("not an array of NumPy, versions 1 to 3")),
    };
    if header_length > LONGEST_HEADER {
        return Err(malformed("a header of more than 4096 bytes"));
    }
    let mut header = vec![0; header_length];
    fill(&mut source, &mut header)?;
    let header = std::str::from_utf8(&header).map_err(|_| malformed("a header that is no text"))?;
    let header = Header::parse(header)?;
    let total = header.shape.iter().try_fold(1u128, |product, &length| {
        product.checked_mul(length as u128)
    });
    let weight = header.kind.weight();
    let elements = total.unwrap_or(u128::MAX);
    if elements.saturating_mul(weight) > u128::from(MAX_ELEMENTS) {
        let limit = MAX_ELEMENTS;
        return Err(ArrayFault::TooLarge { elements, limit });
    }
    let elements = header.kind.read(&mut source, elements as usize)?;
    // Reading to the end lets an archive compare its checksum.
    let mut behind = [0];
    match source.read(&mut behind) {
        Ok(0) => Ok(Array {
            shape: header.shape,
            elements,
        }),
        Ok(_) => Err(malformed("bytes behind the last element")),
        Err(error) => Err(unreadable(&error)),
    }
}

/// What a header says.
struct Header {
    kind: Kind,
    shape: Vec<usize>,
}

impl Header {
    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`
    fn parse(text: &str) -> Result<Self, ArrayFault> {
        let after = |key: &str| {
            let (_, rest) = text.split_once(key)?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let missing = || malformed("a header without descr, fortran_order or shape");
        let descr = after("'descr'").ok_or_else(missing)?;
        let order = after("'fortran_order'").ok_or_else(missing)?;
        let shape = after("'shape'").ok_or_else(missing)?;

        let descr = descr
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''));
        let (descr, _) = descr.ok_or_else(|| ArrayFault::Type {
            found: "records".to_owned(),
            expected: "numbers, logical values or text",
        })?;
        let shape = shape
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'));
        let (shape, _) = shape.ok_or_else(missing)?;
        let lengths = shape
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let shape: Result<Vec<usize>, _> = lengths.map(str::parse).collect();
        let shape = shape.map_err(|_| malformed("a shape that is no list of lengths"))?;
        if order.starts_with("True") {
            // One dimension has one order.
            if shape.len() > 1 {
                return Err(ArrayFault::ColumnMajor);
            }
        } else if !order.starts_with("False") {
            return Err(missing());
        }
        Ok(Self {
            kind: Kind::parse(descr)?,
            shape,
        })
    }
}

/// The type of an element.
#[derive(Clone, Copy)]
struct Kind {
    letter: Letter,
    /// Bytes of an element, or of a character for text.
    size: usize,
    /// Characters of an element; 1 for others than text.
    length: usize,
    endian: Endian,
}

#[derive(Clone, Copy)]
enum Letter {
    Real,
    Signed,
    Unsigned,
    Logical,
    Unicode,
    Bytes,
}

#[derive(Clone, Copy)]
enum Endian {
    Little,
    Big,
}

impl Kind {
    fn parse(descr: &str) -> Result<Self, ArrayFault> {
        let unknown = || ArrayFault::Type {
            found: descr.to_owned(),
            expected: "numbers, logical values or text",
        };
        let mut characters = descr.chars();
        let endian = match characters.next() {
            Some('<' | '|') => Endian::Little,
            Some('>') => Endian::Big,
            _ => return Err(unknown()),
        };
        let letter = characters.next().ok_or_else(unknown)?;
        let number: usize = characters.as_str().parse().map_err(|_| unknown())?;
        let (letter, size, length) = match (letter, number) {
            ('f', 4 | 8) => (Letter::Real, number, 1),
            ('i', 1 | 2 | 4 | 8) => (Letter::Signed, number, 1),
            ('u', 1 | 2 | 4 | 8) => (Letter::Unsigned, number, 1),
            ('b', 1) => (Letter::Logical, 1, 1),
            ('U', 1..=65536) => (Letter::Unicode, 4, number),
            ('S', 1..=65536) => (Letter::Bytes, 1, number),
            _ => return Err(unknown()),
        };
        Ok(Self {
            letter,
            size,
            length,
            endian,
        })
    }

    /// Bytes of an element.
    fn bytes(self) -> usize {
        self.size * self.length
    }

    /// The memory of an element when read, in numbers: text is a vector of its own.
    fn weight(self) -> u128 {
        match self.letter {
            Letter::Unicode | Letter::Bytes => 3 + (self.length as u128).div_ceil(8),
            _ => 1,
        }
    }

    fn read(self, source: &mut impl Read, elements: usize) -> Result<Elements, ArrayFault> {
        Ok(match self.letter {
            // The commonest, whose loop the compiler turns into a copy.
            Letter::Real if self.size == 8 && matches!(self.endian, Endian::Little) => {
                Elements::Real(self.collect(source, elements, |bytes| {
                    let bytes = bytes.first_chunk();
                    Ok(f64::from_le_bytes(*bytes.unwrap_or(&[0; 8])))
                })?)
            }
            Letter::Real => Elements::Real(self.collect(source, elements, |bytes| {
                Ok(match self.size {
                    4 => f64::from(f32::from_bits(self.word(bytes) as u32)),
                    _ => f64::from_bits(self.word(bytes)),
                })
            })?),
            Letter::Signed => Elements::Integer(self.collect(source, elements, |bytes| {
                // Shifted up and down again, the sign fills the upper bytes.
                let unused = 64 - 8 * self.size as u32;
                Ok((self.word(bytes) << unused).cast_signed() >> unused)
            })?),
            Letter::Unsigned => Elements::Integer(self.collect(source, elements, |bytes| {
                i64::try_from(self.word(bytes)).map_err(|_| malformed("an integer above 2^63"))
            })?),
            Letter::Logical => {
                Elements::Logical(self.collect(source, elements, |bytes| match bytes {
                    [0] => Ok(false),
                    [1] => Ok(true),
                    _ => Err(malformed("a logical value other than 0 and 1")),
                })?)
            }
            Letter::Unicode | Letter::Bytes => {
                Elements::Text(self.collect(source, elements, |bytes| self.text(bytes))?)
            }
        })
    }

    /// Memory grows as elements come in, not as the header promises.
    fn collect<T>(
        self,
        source: &mut impl Read,
        elements: usize,
        element: impl Fn(&[u8]) -> Result<T, ArrayFault>,
    ) -> Result<Vec<T>, ArrayFault> {
        const AT_ONCE: usize = 1 << 16;
        let bytes = self.bytes();
        let mut values = Vec::with_capacity(elements.min(AT_ONCE));
        let mut buffer = vec![0; bytes * elements.min((AT_ONCE / bytes).max(1))];
        while values.len() < elements {
            let now = (elements - values.len()).min(buffer.len() / bytes);
            let part = &mut buffer[..now * bytes];
            fill(source, part)?;
            for chunk in part.chunks_exact(bytes) {
                values.push(element(chunk)?);
            }
        }
        Ok(values)
    }

    /// The bytes of a number or a character as one word, the upper bytes zero.
    fn word(self, bytes: &[u8]) -> u64 {
        let append = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        match self.endian {
            Endian::Little => bytes.iter().rev().fold(0, append),
            Endian::Big => bytes.iter().fold(0, append),
        }
    }

    fn text(self, bytes: &[u8]) -> Result<String, ArrayFault> {
        let characters = bytes
            .chunks_exact(self.size)
            .map(|chunk| self.word(chunk) as u32);
        let text: Option<String> = characters.map(char::from_u32).collect();
        let text = text.ok_or_else(|| malformed("text with characters that do not exist"))?;
        Ok(text.trim_end_matches('\0').to_owned())
    }
}

fn fill(source: &mut impl Read, bytes: &mut [u8]) -> Result<(), ArrayFault> {
    source.read_exact(bytes).map_err(|error| unreadable(&error))
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> ArrayFault {
    ArrayFault::Unreadable {
        message: error.to_string(),
    }
}

fn malformed(message: &str) -> ArrayFault {
    ArrayFault::Unreadable {
        message: message.to_owned(),
    }
}
