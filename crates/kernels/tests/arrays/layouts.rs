//! Layouts.

use anymetal_kernels::Layout;
use smallvec::smallvec;

#[test]
fn contiguous_layouts_collapse_to_one_axis() {
    let l = Layout::contiguous(&[2, 1, 3, 4]);
    assert_eq!(l.strides.as_slice(), [12, 12, 4, 1]);
    assert!(l.is_contiguous());
    let c = l.collapsed();
    assert_eq!((c.shape.as_slice(), c.strides.as_slice()), (&[24][..], &[1][..]));
}

#[test]
fn transposed_layouts_stay_apart() {
    let l = Layout { shape: smallvec![3, 2], strides: smallvec![1, 3], offset: 0 };
    assert!(!l.is_contiguous());
    assert_eq!(l.collapsed(), l);
}
