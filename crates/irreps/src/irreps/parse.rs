//! The parser of irreps.
//!
//! ```text
//! irreps = [ block { "+" block } ]
//! block  = [ number "x" ] irrep
//! irrep  = number [ "e" | "o" ]
//! ```
//! with white space between any two of them.

use super::MulIrrep;
use crate::{Irrep, Parity, ParseIrrepsError, ParseProblem};

/// Reads one irrep and nothing else.
pub(crate) fn irrep(text: &str) -> Result<Irrep, ParseIrrepsError> {
    let mut reader = Reader { text, at: 0 };
    let irrep = reader.irrep()?;
    match reader.peek() {
        None => Ok(irrep),
        Some(_) => Err(reader.expected(after_irrep(irrep, "the end", "'e', 'o' or the end"))),
    }
}

/// Reads the blocks of a list, all of one group and together small enough for `isize`.
pub(crate) fn blocks(text: &str) -> Result<Vec<MulIrrep>, ParseIrrepsError> {
    let mut reader = Reader { text, at: 0 };
    let mut blocks: Vec<MulIrrep> = Vec::new();
    if reader.peek().is_none() {
        return Ok(blocks);
    }
    let mut dim = 0_usize;
    loop {
        reader.peek();
        let start = reader.at;
        let block = reader.block()?;
        let next = reader.peek();
        if !matches!(next, None | Some(b'+')) {
            let (with_parity, without) = ("'+' or the end", "'e', 'o', '+' or the end");
            return Err(reader.expected(after_irrep(block.irrep, with_parity, without)));
        }
        let (list, found) = (
            blocks.first().unwrap_or(&block).irrep.group(),
            block.irrep.group(),
        );
        if list != found {
            return Err(reader.error(start, ParseProblem::MixedGroups { list, found }));
        }
        dim = block
            .mul
            .checked_mul(block.irrep.dim())
            .and_then(|more| dim.checked_add(more))
            .filter(|&dim| isize::try_from(dim).is_ok())
            .ok_or_else(|| reader.error(start, ParseProblem::TotalTooLarge))?;
        blocks.push(block);
        if next.is_none() {
            return Ok(blocks);
        }
        reader.at += 1;
    }
}

/// What may follow an irrep, depending on whether its parity was already there.
fn after_irrep(irrep: Irrep, with_parity: &'static str, without: &'static str) -> &'static str {
    if irrep.parity().is_some() {
        with_parity
    } else {
        without
    }
}

struct Reader<'t> {
    text: &'t str,
    /// Byte offset of the next unread byte, always at a character boundary.
    at: usize,
}

impl<'t> Reader<'t> {
    fn error(&self, at: usize, problem: ParseProblem) -> ParseIrrepsError {
        ParseIrrepsError {
            text: self.text.to_owned(),
            at,
            problem,
        }
    }

    fn expected(&self, what: &'static str) -> ParseIrrepsError {
        self.error(self.at, ParseProblem::Expected(what))
    }

    /// Skips white space and looks at the next byte.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    /// The digits of a number with the place where they start.
    fn digits(&mut self, what: &'static str) -> Result<(&'t str, usize), ParseIrrepsError> {
        self.peek();
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Err(self.expected(what));
        }
        self.at += length;
        Ok((&rest[..length], start))
    }

    fn block(&mut self) -> Result<MulIrrep, ParseIrrepsError> {
        let start = self.at;
        let (digits, _) = self.digits("a multiplicity or a degree")?;
        let mul = digits.parse();
        if self.peek() == Some(b'x') {
            self.at += 1;
            let mul = mul.map_err(|_| self.error(start, ParseProblem::MultiplicityTooLarge))?;
            Ok(MulIrrep {
                mul,
                irrep: self.irrep()?,
            })
        } else {
            self.at = start;
            Ok(MulIrrep {
                mul: 1,
                irrep: self.irrep()?,
            })
        }
    }

    fn irrep(&mut self) -> Result<Irrep, ParseIrrepsError> {
        let (digits, start) = self.digits("a degree")?;
        let l = digits.parse().ok().filter(|&l| l <= Irrep::MAX_L);
        let l = l.ok_or_else(|| self.error(start, ParseProblem::DegreeTooLarge))?;
        let parity = match self.peek() {
            Some(b'e') => Parity::Even,
            Some(b'o') => Parity::Odd,
            _ => return Ok(Irrep::so3(l)),
        };
        self.at += 1;
        Ok(Irrep::o3(l, parity))
    }
}
