//! Random bits: MLX's stream, word for word.

use crate::par;
use crate::simd::{self, Isa, Kernel};

/// Fills `out` with the random words of `key`: Threefry-2x32 with 20 rounds. Word `i` of the first
/// half and its partner in the second half come from one counter pair, so the words depend on how
/// many there are.
pub fn bits(key: [u32; 2], out: &mut [u32]) {
    let level = simd::level();
    let half = out.len() / 2;
    let odd = out.len() % 2;
    let (low, high) = out.split_at_mut(half + odd);
    if odd == 1 {
        low[half] = threefry(key, half as u32, 0)[0];
    }
    par::chunks_mut2(&mut low[..half], CHUNK, high, CHUNK, |i, low, high| {
        let first = (i * CHUNK) as u32;
        let pairs =
            Pairs { key, first, partner: first.wrapping_add((half + odd) as u32), low, high };
        simd::dispatch(level, pairs);
    });
}

/// Counter pairs in a task.
const CHUNK: usize = 1 << 14;

struct Pairs<'a> {
    key: [u32; 2],
    first: u32,
    partner: u32,
    low: &'a mut [u32],
    high: &'a mut [u32],
}

impl Kernel for Pairs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (mut i, mut j) = (self.first, self.partner);
        for (low, high) in self.low.iter_mut().zip(self.high) {
            [*low, *high] = threefry(self.key, i, j);
            (i, j) = (i.wrapping_add(1), j.wrapping_add(1));
        }
    }
}

/// Threefry-2x32: 20 rounds, a key after every fourth.
#[inline(always)]
fn threefry(key: [u32; 2], x0: u32, x1: u32) -> [u32; 2] {
    let [k0, k1] = key;
    let k2 = k0 ^ k1 ^ 0x1bd1_1bda;
    let x = [x0.wrapping_add(k0), x1.wrapping_add(k1)];
    let x = four_rounds(x, [13, 15, 26, 6], k1, k2.wrapping_add(1));
    let x = four_rounds(x, [17, 29, 16, 24], k2, k0.wrapping_add(2));
    let x = four_rounds(x, [13, 15, 26, 6], k0, k1.wrapping_add(3));
    let x = four_rounds(x, [17, 29, 16, 24], k1, k2.wrapping_add(4));
    four_rounds(x, [13, 15, 26, 6], k2, k0.wrapping_add(5))
}

#[inline(always)]
fn four_rounds([a, b]: [u32; 2], rotations: [u32; 4], key0: u32, key1: u32) -> [u32; 2] {
    let round = |[a, b]: [u32; 2], rotation: u32| {
        let a = a.wrapping_add(b);
        [a, b.rotate_left(rotation) ^ a]
    };
    let x = round(round([a, b], rotations[0]), rotations[1]);
    let [a, b] = round(round(x, rotations[2]), rotations[3]);
    [a.wrapping_add(key0), b.wrapping_add(key1)]
}
