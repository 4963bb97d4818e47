//! Library functions in multiple precision: the oracle.
//!
//! `astro-float` computes; `table.txt`, made with mpmath, says that it does so rightly. Results are
//! two doubles, the second what the first leaves: about 106 bits, of which a float's error needs 40.

use astro_float_num::{BigFloat, Consts, RoundingMode};

/// Bits of the computation.
const BITS: usize = 320;
const ROUND: RoundingMode = RoundingMode::ToEven;

/// A real number as the sum of two doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact {
    /// The number, cut to 53 bits.
    pub(crate) high: f64,
    /// What is left.
    pub(crate) low: f64,
}

/// Computes functions; holds the constants they share.
pub(crate) struct Oracle {
    constants: Consts,
}

impl Oracle {
    pub(crate) fn new() -> Oracle {
        Oracle { constants: Consts::new().expect("memory for constants") }
    }

    /// The value of a function of one argument, or nothing if it is not a finite number.
    pub(crate) fn one(&mut self, name: &str, x: f32) -> Option<Exact> {
        if !x.is_finite() {
            return None;
        }
        let big = number(x.into());
        let c = &mut self.constants;
        let y = match name {
            "acos" => big.acos(BITS, ROUND, c),
            "acosh" => big.acosh(BITS, ROUND, c),
            "asin" => big.asin(BITS, ROUND, c),
            "asinh" => big.asinh(BITS, ROUND, c),
            "atan" => big.atan(BITS, ROUND, c),
            "atanh" => big.atanh(BITS, ROUND, c),
            "cos" => big.cos(BITS, ROUND, c),
            "cosh" => big.cosh(BITS, ROUND, c),
            "cospi" => self.turn(x, 1),
            "exp" => big.exp(BITS, ROUND, c),
            "exp10" => number(10.0).pow(&big, BITS, ROUND, c),
            "exp2" => number(2.0).pow(&big, BITS, ROUND, c),
            "log" => big.ln(BITS, ROUND, c),
            "log10" => big.log10(BITS, ROUND, c),
            "log1p" => big.add(&number(1.0), BITS, ROUND).ln(BITS, ROUND, c),
            "log2" => big.log2(BITS, ROUND, c),
            "rsqrt" => big.sqrt(BITS, ROUND).reciprocal(BITS, ROUND),
            "sin" => big.sin(BITS, ROUND, c),
            "sinh" => big.sinh(BITS, ROUND, c),
            "sinpi" => self.turn(x, 0),
            "sqrt" => big.sqrt(BITS, ROUND),
            "tan" => big.tan(BITS, ROUND, c),
            "tanh" => big.tanh(BITS, ROUND, c),
            "tanpi" => self.turn(x, 0).div(&self.turn(x, 1), BITS, ROUND),
            _ => panic!("no oracle for {name}"),
        };
        exact(&y)
    }

    /// The value of a function of two arguments.
    pub(crate) fn two(&mut self, name: &str, x: f32, y: f32) -> Option<Exact> {
        if !x.is_finite() || !y.is_finite() {
            return None;
        }
        let (a, b) = (number(x.into()), number(y.into()));
        let c = &mut self.constants;
        let result = match name {
            "divide" => a.div(&b, BITS, ROUND),
            "pow" | "powr" if x > 0.0 => a.pow(&b, BITS, ROUND, c),
            "pow" | "powr" => return None,
            "atan2" if y == 0.0 => return None,
            "atan2" => {
                let angle = a.div(&b, BITS, ROUND).atan(BITS, ROUND, c);
                let pi = c.pi(BITS, ROUND);
                match (y < 0.0, x.is_sign_negative()) {
                    (false, _) => angle,
                    (true, false) => angle.add(&pi, BITS, ROUND),
                    (true, true) => angle.sub(&pi, BITS, ROUND),
                }
            }
            _ => panic!("no oracle for {name}"),
        };
        exact(&result)
    }

    /// The sine of pi x, moved on by quarters of a turn. Whole quarters are taken away exactly.
    fn turn(&mut self, x: f32, quarters: i64) -> BigFloat {
        let x = f64::from(x);
        let n = (2.0 * x).round_ties_even();
        let rest = number(x - n / 2.0);
        let c = &mut self.constants;
        let angle = rest.mul(&c.pi(BITS, ROUND), BITS, ROUND);
        match (n.rem_euclid(4.0) as i64 + quarters) % 4 {
            0 => angle.sin(BITS, ROUND, c),
            1 => angle.cos(BITS, ROUND, c),
            2 => angle.sin(BITS, ROUND, c).neg(),
            _ => angle.cos(BITS, ROUND, c).neg(),
        }
    }
}

fn number(x: f64) -> BigFloat {
    BigFloat::from_f64(x, BITS)
}

/// The leading 117 bits as two doubles; nothing if that is not a finite number.
fn exact(x: &BigFloat) -> Option<Exact> {
    if x.is_zero() {
        return Some(Exact { high: 0.0, low: 0.0 });
    }
    let (words, _, _, exponent, _) = x.as_raw_parts()?;
    let sign = if x.is_negative() { -1.0 } else { 1.0 };
    let word = |back: usize| words.len().checked_sub(back).map_or(0, |at| words[at]);
    let (first, second) = (word(1), word(2));
    // The mantissa is a fraction whose first bit is set.
    let high = scaled((first >> 11) as f64, exponent - 53);
    let rest = (first & 0x7ff) << 53 | second >> 11;
    let low = scaled(rest as f64, exponent - 117);
    Some(Exact { high: sign * high, low: sign * low })
}

/// `x * 2^n` without overflow on the way.
fn scaled(x: f64, n: i32) -> f64 {
    let n = n.clamp(-2200, 2200);
    x * 2f64.powi(n / 3) * 2f64.powi(n / 3) * 2f64.powi(n - n / 3 * 2)
}
