//! Random words against the scheme written out.

use anymetal_kernels::random::bits;

use crate::support::check;

/// Threefry-2x32 with 20 rounds, as its authors describe it.
fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let keys = [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]];
    let mut x = [counter[0].wrapping_add(keys[0]), counter[1].wrapping_add(keys[1])];
    for round in 0..20 {
        let rotation = [[13, 15, 26, 6], [17, 29, 16, 24]][round / 4 % 2][round % 4];
        x[0] = x[0].wrapping_add(x[1]);
        x[1] = x[1].rotate_left(rotation) ^ x[0];
        if round % 4 == 3 {
            let i = round / 4 + 1;
            x[0] = x[0].wrapping_add(keys[i % 3]);
            x[1] = x[1].wrapping_add(keys[(i + 1) % 3]).wrapping_add(i as u32);
        }
    }
    x
}

#[test]
fn words_follow_the_scheme() {
    // The known answer for a zero key and counter.
    assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
    check(60, |rng| {
        let key = [rng.u32(..), rng.u32(..)];
        let n = if rng.usize(..5) == 0 { 100_000 + rng.usize(..9) } else { rng.usize(..70) };
        let (half, odd) = (n / 2, n % 2);
        let mut expected = vec![0; n];
        for i in 0..half {
            let j = i + half + odd;
            [expected[i], expected[j]] = threefry(key, [i as u32, j as u32]);
        }
        if odd == 1 {
            expected[half] = threefry(key, [half as u32, 0])[0];
        }
        let mut words = vec![0; n];
        bits(key, &mut words);
        assert!(words == expected, "{n} words of {key:?}");
    });
}
