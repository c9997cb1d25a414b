//! Irreps: text, algebra, selection rules.

mod properties;

use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;
use steerable_irreps::{Group, Irrep, Irreps, IrrepsError, MulIrrep, Parity, ParseProblem};

fn irreps(text: &str) -> Irreps {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn block(mul: usize, irrep: Irrep) -> MulIrrep {
    MulIrrep { mul, irrep }
}

fn parity() -> impl Strategy<Value = Parity> {
    prop_oneof![Just(Parity::Even), Just(Parity::Odd)]
}

fn any_irreps() -> impl Strategy<Value = Irreps> {
    let so3 = (0_usize..20, 0_usize..5).prop_map(|(mul, l)| block(mul, Irrep::so3(l)));
    let o3 = (0_usize..20, 0_usize..5, parity())
        .prop_map(|(mul, l, parity)| block(mul, Irrep::o3(l, parity)));
    prop_oneof![
        prop::collection::vec(so3, 0..8),
        prop::collection::vec(o3, 0..8)
    ]
    .prop_map(|blocks| Irreps::try_new(blocks).unwrap())
}

#[test]
fn both_groups_are_read_and_printed() {
    for (text, printed, dim) in [
        ("8x0+4x1", "8x0 + 4x1", 20),
        ("8x0e + 4x1o", "8x0e + 4x1o", 20),
        ("0e", "1x0e", 1),
        ("2", "1x2", 5),
        ("  3 x 2 o\t+\n1o ", "3x2o + 1x1o", 18),
        ("0x5e", "0x5e", 0),
        ("00012x003", "12x3", 84),
        ("", "", 0),
        ("  ", "", 0),
        ("32767", "1x32767", 65_535),
    ] {
        let irreps = irreps(text);
        assert_eq!(irreps.to_string(), printed);
        assert_eq!(irreps.dim(), dim, "{text}");
    }
}

#[test]
fn bad_text_is_refused_at_its_place() {
    use ParseProblem as P;
    let no_parity = P::Expected("'e', 'o', '+' or the end");
    let start = P::Expected("a multiplicity or a degree");
    for (text, at, problem) in [
        ("+", 0, start.clone()),
        ("8x0e +", 6, start.clone()),
        ("8x0e + + 1o", 7, start.clone()),
        ("x0e", 0, start.clone()),
        ("-1x0e", 0, start.clone()),
        ("8x", 2, P::Expected("a degree")),
        ("8xe", 2, P::Expected("a degree")),
        ("8x0f", 3, no_parity.clone()),
        ("8x0 4x1", 4, no_parity.clone()),
        ("8x0e 4x1o", 5, P::Expected("'+' or the end")),
        ("8X0e", 1, no_parity.clone()),
        ("1é", 1, no_parity),
        ("é", 0, start),
        (
            "8x0e + 4x1",
            7,
            P::MixedGroups {
                list: Group::O3,
                found: Group::So3,
            },
        ),
        (
            "8x0+4x1o",
            4,
            P::MixedGroups {
                list: Group::So3,
                found: Group::O3,
            },
        ),
        ("1o + 99999999999999999999x0e", 5, P::MultiplicityTooLarge),
        ("2x99999999999999999999", 2, P::DegreeTooLarge),
        ("99999999999999999999", 0, P::DegreeTooLarge),
        ("32768", 0, P::DegreeTooLarge),
        ("18446744073709551615x1", 0, P::TotalTooLarge),
        ("9223372036854775807x0 + 1x0", 24, P::TotalTooLarge),
    ] {
        match text.parse::<Irreps>() {
            Err(IrrepsError::Parse(error)) => {
                assert_eq!((error.at, error.problem), (at, problem), "{text}");
                assert_eq!(error.text, text);
            }
            other => panic!("{text} gave {other:?}"),
        }
    }
}

#[test]
fn errors_point_with_a_caret() {
    let message = |text: &str| text.parse::<Irreps>().unwrap_err().to_string();
    assert_eq!(
        message("8x0e+4x1"),
        "irrep of SO(3) in a list of irreps of O(3) at byte 5\n  8x0e+4x1\n       ^"
    );
    assert_eq!(
        message("1o +\n?"),
        "expected a multiplicity or a degree at byte 5\n  1o +\\n?\n        ^"
    );
    let long = format!("{}?", "1o + ".repeat(1000));
    let shown = format!("…{}?", "1o + ".repeat(8));
    assert_eq!(
        message(&long),
        format!(
            "expected a multiplicity or a degree at byte 5000\n  {shown}\n  {:41}^",
            ""
        )
    );
}

#[test]
fn single_irreps_are_read_and_printed() {
    for (text, irrep) in [
        ("0", Irrep::so3(0)),
        ("1o", Irrep::o3(1, Parity::Odd)),
        (" 12 e ", Irrep::o3(12, Parity::Even)),
    ] {
        assert_eq!(text.parse::<Irrep>().unwrap(), irrep);
        assert_eq!(irrep.to_string().parse::<Irrep>().unwrap(), irrep);
    }
    for (text, at) in [
        ("", 0),
        ("e", 0),
        ("2x1", 1),
        ("1oo", 2),
        ("1 + 1", 2),
        ("32768", 0),
    ] {
        match text.parse::<Irrep>() {
            Err(IrrepsError::Parse(error)) => assert_eq!(error.at, at, "{text}"),
            other => panic!("{text} gave {other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(properties::config(4000))]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        if let Err(error) = text.parse::<Irreps>() {
            prop_assert!(!error.to_string().is_empty());
        }
        let _ = text.parse::<Irrep>();
    }

    #[test]
    fn text_of_the_right_letters_never_panics(text in "[0-9xeo+ é\\n]{0,60}") {
        match text.parse::<Irreps>() {
            Ok(irreps) => prop_assert_eq!(irreps.to_string().parse::<Irreps>().unwrap(), irreps),
            Err(error) => prop_assert!(error.to_string().contains('^')),
        }
    }

    #[test]
    fn text_and_json_round_trip(irreps in any_irreps()) {
        prop_assert_eq!(&irreps.to_string().parse::<Irreps>().unwrap(), &irreps);
        let json = serde_json::to_string(&irreps).unwrap();
        prop_assert_eq!(&json, &format!("\"{irreps}\""));
        prop_assert_eq!(&serde_json::from_str::<Irreps>(&json).unwrap(), &irreps);
    }

    #[test]
    fn slices_are_the_blocks_of_a_row(irreps in any_irreps()) {
        let slices = irreps.slices();
        prop_assert_eq!(slices.len(), irreps.len());
        let mut end = 0;
        for (range, block) in slices.into_iter().zip(&irreps) {
            prop_assert_eq!(range.start, end);
            prop_assert_eq!(range.len(), block.mul * (2 * block.irrep.l() + 1));
            end = range.end;
        }
        prop_assert_eq!(end, irreps.dim());
    }

    #[test]
    fn sorting_is_a_stable_permutation(irreps in any_irreps()) {
        let sorted = irreps.sort();
        let mut expected: Vec<(Irrep, usize)> =
            irreps.iter().enumerate().map(|(place, block)| (block.irrep, place)).collect();
        expected.sort_unstable();
        for (new, &(irrep, old)) in expected.iter().enumerate() {
            prop_assert_eq!(sorted.irreps.blocks()[new], irreps.blocks()[old]);
            prop_assert_eq!(sorted.irreps.blocks()[new].irrep, irrep);
            prop_assert_eq!((sorted.inverse[new], sorted.permutation[old]), (old, new));
        }
    }

    #[test]
    fn simplifying_keeps_every_component(irreps in any_irreps()) {
        let one_by_one = |irreps: &Irreps| -> Vec<Irrep> {
            irreps.iter().flat_map(|block| std::iter::repeat_n(block.irrep, block.mul)).collect()
        };
        let simple = irreps.simplify();
        prop_assert_eq!(one_by_one(&simple), one_by_one(&irreps));
        prop_assert!(simple.iter().all(|block| block.mul > 0));
        prop_assert!(simple.blocks().windows(2).all(|pair| pair[0].irrep != pair[1].irrep));
        prop_assert_eq!(simple.simplify(), simple);
    }

    #[test]
    fn regrouping_holds_every_irrep_once(irreps in any_irreps()) {
        let grouped = irreps.regroup();
        prop_assert!(grouped.blocks().windows(2).all(|pair| pair[0].irrep < pair[1].irrep));
        for block in &grouped {
            prop_assert_eq!(block.mul, irreps.mul_of(block.irrep));
        }
        prop_assert_eq!(grouped.dim(), irreps.dim());
        prop_assert_eq!(grouped.num_irreps(), irreps.num_irreps());
        prop_assert_eq!(grouped.lmax(), irreps.lmax());
    }

    #[test]
    fn filters_split_a_list(irreps in any_irreps()) {
        let even = irreps.filter(|irrep| irrep.l() % 2 == 0);
        let odd = irreps.filter(|irrep| irrep.l() % 2 == 1);
        prop_assert_eq!(even.concat(&odd).unwrap().regroup(), irreps.regroup());
        prop_assert_eq!(even.len() + odd.len(), irreps.len());
    }

    #[test]
    fn products_have_the_dimension_of_the_tensor_product(
        (l_1, p_1) in (0_usize..9, parity()),
        (l_2, p_2) in (0_usize..9, parity()),
    ) {
        let (a, b) = (Irrep::o3(l_1, p_1), Irrep::o3(l_2, p_2));
        let product: Vec<Irrep> = a.product(b).collect();
        prop_assert_eq!(product.iter().map(|irrep| irrep.dim()).sum::<usize>(), a.dim() * b.dim());
        prop_assert!(product.iter().all(|irrep| irrep.parity() == Some(p_1 * p_2)));
        prop_assert!(product.is_sorted());
        prop_assert_eq!(&product, &b.product(a).collect::<Vec<_>>());
        let so3: Vec<usize> = Irrep::so3(l_1).product(Irrep::so3(l_2)).map(Irrep::l).collect();
        prop_assert_eq!(so3, product.into_iter().map(Irrep::l).collect::<Vec<_>>());
    }
}

#[test]
fn the_order_is_by_degree_then_odd_before_even() {
    let sorted = irreps("1e + 2o + 0e + 1o + 0o").sort();
    assert_eq!(
        sorted.irreps.to_string(),
        "1x0o + 1x0e + 1x1o + 1x1e + 1x2o"
    );
    assert_eq!(sorted.permutation, [3, 4, 1, 2, 0]);
    assert_eq!(sorted.inverse, [4, 2, 3, 0, 1]);
}

#[test]
fn parities_multiply_like_signs() {
    for a in [Parity::Even, Parity::Odd] {
        for b in [Parity::Even, Parity::Odd] {
            assert_eq!((a * b).sign(), a.sign() * b.sign());
        }
    }
    assert_eq!(Parity::of_harmonic(2), Parity::Even);
    assert_eq!(Parity::of_harmonic(3), Parity::Odd);
}

#[test]
fn sizes_count_multiplicities() {
    let list = irreps("4x1o + 8x0e + 0x7e + 2x1o");
    assert_eq!(list.len(), 4);
    assert_eq!(list.dim(), 26);
    assert_eq!(list.num_irreps(), 14);
    assert_eq!(list.lmax(), Some(1));
    assert_eq!(list.group(), Some(Group::O3));
    assert_eq!(list.mul_of(Irrep::o3(1, Parity::Odd)), 6);
    assert_eq!(list.mul_of(Irrep::o3(1, Parity::Even)), 0);
    assert_eq!(list.slices(), [0..12, 12..20, 20..20, 20..26]);
    let doubled = list.map_mul(|block| 2 * block.mul).unwrap();
    assert_eq!(doubled.to_string(), "8x1o + 16x0e + 0x7e + 4x1o");
}

#[test]
fn the_empty_list_has_no_group() {
    let empty = Irreps::default();
    assert!(empty.is_empty());
    assert_eq!((empty.dim(), empty.lmax(), empty.group()), (0, None, None));
    assert_eq!(empty.concat(&irreps("1o")).unwrap(), irreps("1o"));
    assert_eq!(irreps("2").concat(&empty).unwrap(), irreps("2"));
}

#[test]
fn one_list_holds_one_group() {
    let (so3, o3) = (Irrep::so3(1), Irrep::o3(1, Parity::Odd));
    let mixed = IrrepsError::MixedGroups {
        first: so3,
        second: o3,
    };
    assert_eq!(
        Irreps::try_new(vec![block(1, so3), block(2, o3)]),
        Err(mixed.clone())
    );
    assert_eq!(Irreps::from(so3).concat(&o3.into()), Err(mixed.clone()));
    assert_eq!(
        mixed.to_string(),
        "1 is an irrep of SO(3), 1o of O(3): one list holds one group"
    );
}

#[test]
fn dimensions_beyond_memory_are_refused() {
    let huge = block(usize::MAX, Irrep::so3(0));
    assert_eq!(Irreps::try_new(vec![huge]), Err(IrrepsError::TooLarge));
    let half = block(usize::MAX / 4, Irrep::so3(1));
    assert_eq!(Irreps::try_new(vec![half; 2]), Err(IrrepsError::TooLarge));
    let large = Irreps::try_new(vec![block(usize::MAX / 2, Irrep::so3(0))]).unwrap();
    assert_eq!(large.concat(&large), Err(IrrepsError::TooLarge));
    assert_eq!(
        large.map_mul(|block| block.mul + 1),
        Err(IrrepsError::TooLarge)
    );
}

#[test]
fn uniform_lists_hold_every_degree() {
    assert_eq!(Irreps::uniform_so3(8, 2), irreps("8x0 + 8x1 + 8x2"));
}

#[test]
fn equal_lists_have_equal_hashes() {
    let state = RandomState::new();
    assert_eq!(
        state.hash_one(irreps("8x0+1")),
        state.hash_one(irreps(" 8x0 + 1x1"))
    );
}

#[test]
fn json_says_what_is_wrong() {
    let error = serde_json::from_str::<Irreps>("\"8x0e + 1\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("irrep of SO(3) in a list of irreps of O(3) at byte 7"),
        "{error}"
    );
    assert_eq!(
        serde_json::to_string(&Irrep::o3(3, Parity::Odd)).unwrap(),
        "\"3o\""
    );
    assert_eq!(
        serde_json::from_str::<Irrep>("\"3o\"").unwrap(),
        Irrep::o3(3, Parity::Odd)
    );
}

#[test]
#[should_panic(expected = "Irrep::product: expected irreps of one group, got 1 and 1o")]
fn products_across_groups_are_refused() {
    let _ = Irrep::so3(1).product(Irrep::o3(1, Parity::Odd)).count();
}

#[test]
#[should_panic(expected = "the degree is above Irrep::MAX_L")]
fn degrees_have_a_limit() {
    let _ = Irrep::so3(Irrep::MAX_L + 1);
}
