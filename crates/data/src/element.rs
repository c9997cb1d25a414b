//! Elements by atomic number and by symbol.

/// Symbols in the order of the atomic numbers, from 1.
const SYMBOLS: [&str; 118] = [
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl",
    "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As",
    "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In",
    "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb",
    "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl",
    "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm", "Bk",
    "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh",
    "Fl", "Mc", "Lv", "Ts", "Og",
];

/// The symbol of an atomic number; `None` beyond 1..=118.
#[must_use]
pub fn symbol(atomic_number: u8) -> Option<&'static str> {
    let index = usize::from(atomic_number).checked_sub(1)?;
    SYMBOLS.get(index).copied()
}

/// The atomic number of a symbol, in the usual spelling (`Cl`, not `CL`).
#[must_use]
pub fn atomic_number(symbol: &str) -> Option<u8> {
    let index = SYMBOLS.iter().position(|known| *known == symbol)?;
    u8::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_atomic_numbers_are_each_others_inverse() {
        for number in 1..=118 {
            assert_eq!(atomic_number(symbol(number).unwrap()), Some(number));
        }
        assert_eq!((symbol(0), symbol(119)), (None, None));
        assert_eq!(atomic_number("CL"), None);
    }

    #[test]
    fn well_known_elements_have_their_numbers() {
        let known = [
            ("H", 1),
            ("C", 6),
            ("F", 9),
            ("Fe", 26),
            ("Au", 79),
            ("Og", 118),
        ];
        for (symbol, number) in known {
            assert_eq!(atomic_number(symbol), Some(number), "{symbol}");
        }
    }
}
