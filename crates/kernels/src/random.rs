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
        for (i, (low, high)) in self.low.iter_mut().zip(self.high).enumerate() {
            let i = i as u32;
            let words =
                threefry(self.key, self.first.wrapping_add(i), self.partner.wrapping_add(i));
            [*low, *high] = words;
        }
    }
}

/// Threefry-2x32, 20 rounds.
#[inline(always)]
fn threefry(key: [u32; 2], x0: u32, x1: u32) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd1_1bda];
    let (mut a, mut b) = (x0.wrapping_add(keys[0]), x1.wrapping_add(keys[1]));
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            a = a.wrapping_add(b);
            b = b.rotate_left(rotation) ^ a;
        }
        a = a.wrapping_add(keys[(group + 1) % 3]);
        b = b.wrapping_add(keys[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [a, b]
}
