// What MLX puts before every custom kernel: names, limits, complex numbers and index arithmetic,
// written anew from their documented behaviour. Half and bfloat overloads of library functions and
// 64-bit shuffles are in the library's own table already.

using namespace metal;

typedef half float16_t;
typedef bfloat bfloat16_t;

#define MTL_CONST constant
#define MLX_MTL_PRAGMA_UNROLL _Pragma("clang loop unroll(full)")
#define instantiate_kernel(name, func, ...) \
  template [[host_name(name)]] [[kernel]] decltype(func<__VA_ARGS__>) func<__VA_ARGS__>;
// These declared overloads that the library has.
#define instantiate_metal_math_funcs(itype, otype, ctype, mfast)
#define instantiate_metal_simd_comm_funcs(itype, otype, ctype, itype_to_ctype, ctype_to_otype)
#define instantiate_metal_simd_reduction_funcs(itype, otype, ctype)

static constant constexpr int MAX_REDUCE_SPECIALIZED_DIMS = 4;
static constant constexpr int REDUCE_N_READS = 4;
static constant constexpr int REDUCE_N_WRITES = 4;
static constant constexpr int SOFTMAX_N_READS = 4;
static constant constexpr int RMS_N_READS = 4;
static constant constexpr int RMS_LOOPED_LIMIT = 4096;
static constant constexpr int CROSS_ENTROPY_N_READS = 4;

namespace mlx {
using os_log = metal::os_log;
}

inline uint16_t bfloat16_to_uint16(const bfloat16_t x) {
  return as_type<uint16_t>(x);
}

inline bfloat16_t uint16_to_bfloat16(const uint16_t x) {
  return as_type<bfloat16_t>(x);
}

template <typename U>
struct WorkPerThread {
  static_assert(sizeof(U) <= 8, "Type too large");
  static constexpr int constant n = 8 / sizeof(U);
};

template <typename U>
struct Limits {
  static const constant U max = metal::numeric_limits<U>::max();
  static const constant U min = metal::numeric_limits<U>::min();
  static const constant U finite_max = metal::numeric_limits<U>::max();
  static const constant U finite_min = metal::numeric_limits<U>::min();
};

#define instantiate_default_limit(type)                                       \
  template <>                                                                 \
  struct Limits<type> {                                                       \
    static constexpr constant type max = metal::numeric_limits<type>::max();  \
    static constexpr constant type min = metal::numeric_limits<type>::min();  \
    static constexpr constant type finite_max = metal::numeric_limits<type>::max(); \
    static constexpr constant type finite_min = metal::numeric_limits<type>::min(); \
  };

#define instantiate_float_limit(type)                                         \
  template <>                                                                 \
  struct Limits<type> {                                                       \
    static constexpr constant type max = metal::numeric_limits<type>::infinity(); \
    static constexpr constant type min = -metal::numeric_limits<type>::infinity(); \
    static constexpr constant type finite_max = metal::numeric_limits<type>::max(); \
    static constexpr constant type finite_min = -metal::numeric_limits<type>::max(); \
  };

instantiate_float_limit(float)
instantiate_float_limit(half)
instantiate_float_limit(bfloat)

template <>
struct Limits<bool> {
  static constexpr constant bool max = true;
  static constexpr constant bool min = false;
};

// Complex numbers.

template <typename T>
struct complex_t;

template <typename T>
struct is_complex {
  static constexpr constant bool value = false;
};

template <typename T>
struct is_complex<complex_t<T>> {
  static constexpr constant bool value = true;
};

template <typename T>
static constexpr constant bool is_complex_v = is_complex<T>::value;

template <typename From, typename To>
static constexpr constant bool is_lane_convertible_v =
    !is_complex_v<From> && metal::is_convertible_v<From, To>;

template <typename T>
struct complex_t {
  T real;
  T imag;

  using value_type = T;

  constexpr complex_t(T re, T im) : real(re), imag(im) {}
  constexpr complex_t() : real(0), imag(0) {}
  constexpr complex_t(metal::vec<T, 2> v) : real(v.x), imag(v.y) {}

  template <typename U, typename = metal::enable_if_t<is_lane_convertible_v<U, T>>>
  constexpr complex_t(U x) : real(static_cast<T>(x)), imag(0) {}

  template <typename U, typename = metal::enable_if_t<!metal::is_same_v<U, T>>>
  constexpr complex_t(complex_t<U> x) : real(static_cast<T>(x.real)), imag(static_cast<T>(x.imag)) {}

  constexpr operator metal::vec<T, 2>() const thread { return metal::vec<T, 2>(real, imag); }
  constexpr operator metal::vec<T, 2>() const threadgroup { return metal::vec<T, 2>(real, imag); }
  constexpr operator metal::vec<T, 2>() const device { return metal::vec<T, 2>(real, imag); }
  constexpr operator metal::vec<T, 2>() const constant { return metal::vec<T, 2>(real, imag); }

  template <typename U, typename = metal::enable_if_t<is_lane_convertible_v<T, U>>>
  constexpr operator U() const thread { return static_cast<U>(real); }
  template <typename U, typename = metal::enable_if_t<is_lane_convertible_v<T, U>>>
  constexpr operator U() const threadgroup { return static_cast<U>(real); }
  template <typename U, typename = metal::enable_if_t<is_lane_convertible_v<T, U>>>
  constexpr operator U() const device { return static_cast<U>(real); }
  template <typename U, typename = metal::enable_if_t<is_lane_convertible_v<T, U>>>
  constexpr operator U() const constant { return static_cast<U>(real); }
};

typedef complex_t<float> complex64_t;
typedef complex_t<half> complex32_t;

template <typename T>
constexpr complex_t<T> operator-(complex_t<T> x) {
  return complex_t<T>(-x.real, -x.imag);
}

template <typename T>
constexpr complex_t<T> operator+(complex_t<T> a, complex_t<T> b) {
  return complex_t<T>(a.real + b.real, a.imag + b.imag);
}

template <typename T, typename S, typename = metal::enable_if_t<is_lane_convertible_v<S, T>>>
constexpr complex_t<T> operator+(S a, complex_t<T> b) {
  return complex_t<T>(static_cast<T>(a) + b.real, b.imag);
}

template <typename T, typename S, typename = metal::enable_if_t<is_lane_convertible_v<S, T>>>
constexpr complex_t<T> operator+(complex_t<T> a, S b) {
  return complex_t<T>(a.real + static_cast<T>(b), a.imag);
}

template <typename T>
constexpr thread complex_t<T>& operator+=(thread complex_t<T>& a, complex_t<T> b) {
  a.real += b.real;
  a.imag += b.imag;
  return a;
}

template <typename T>
constexpr threadgroup complex_t<T>& operator+=(threadgroup complex_t<T>& a, complex_t<T> b) {
  a.real += b.real;
  a.imag += b.imag;
  return a;
}

template <typename T>
constexpr device complex_t<T>& operator+=(device complex_t<T>& a, complex_t<T> b) {
  a.real += b.real;
  a.imag += b.imag;
  return a;
}

template <typename T>
constexpr complex_t<T> operator-(complex_t<T> a, complex_t<T> b) {
  return complex_t<T>(a.real - b.real, a.imag - b.imag);
}

template <typename T, typename S, typename = metal::enable_if_t<is_lane_convertible_v<S, T>>>
constexpr complex_t<T> operator-(S a, complex_t<T> b) {
  return complex_t<T>(static_cast<T>(a) - b.real, -b.imag);
}

template <typename T, typename S, typename = metal::enable_if_t<is_lane_convertible_v<S, T>>>
constexpr complex_t<T> operator-(complex_t<T> a, S b) {
  return complex_t<T>(a.real - static_cast<T>(b), a.imag);
}

template <typename T>
constexpr complex_t<T> operator*(complex_t<T> a, complex_t<T> b) {
  return complex_t<T>(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real);
}

// Smith's method: it does not overflow where the quotient does not.
template <typename T>
constexpr complex_t<T> operator/(complex_t<T> a, complex_t<T> b) {
  if (metal::abs(b.real) >= metal::abs(b.imag)) {
    T ratio = b.imag / b.real;
    T scale = b.real + b.imag * ratio;
    return complex_t<T>((a.real + a.imag * ratio) / scale, (a.imag - a.real * ratio) / scale);
  }
  T ratio = b.real / b.imag;
  T scale = b.imag + b.real * ratio;
  return complex_t<T>((a.real * ratio + a.imag) / scale, (a.imag * ratio - a.real) / scale);
}

template <typename T, typename S, typename = metal::enable_if_t<is_lane_convertible_v<S, T>>>
constexpr complex_t<T> operator/(S a, complex_t<T> b) {
  return complex_t<T>(static_cast<T>(a), T(0)) / b;
}

// The remainder of each part, with the divisor's sign.
template <typename T>
constexpr complex_t<T> operator%(complex_t<T> a, complex_t<T> b) {
  T re = a.real - b.real * metal::trunc(a.real / b.real);
  T im = a.imag - b.imag * metal::trunc(a.imag / b.imag);
  re += re != T(0) && (re < T(0)) != (b.real < T(0)) ? b.real : T(0);
  im += im != T(0) && (im < T(0)) != (b.imag < T(0)) ? b.imag : T(0);
  return complex_t<T>(re, im);
}

template <typename T>
constexpr bool operator==(complex_t<T> a, complex_t<T> b) {
  return a.real == b.real && a.imag == b.imag;
}

template <typename T>
constexpr bool operator<(complex_t<T> a, complex_t<T> b) {
  return a.real < b.real || (a.real == b.real && a.imag < b.imag);
}

template <typename T>
constexpr bool operator>(complex_t<T> a, complex_t<T> b) {
  return b < a;
}

template <typename T>
constexpr bool operator<=(complex_t<T> a, complex_t<T> b) {
  return a < b || a == b;
}

template <typename T>
constexpr bool operator>=(complex_t<T> a, complex_t<T> b) {
  return b < a || a == b;
}

// Index arithmetic: the offset of an element of a strided array.

template <typename IdxT = int64_t>
inline IdxT elem_to_loc(IdxT elem, constant const int* shape, constant const int64_t* strides,
                        int ndim) {
  IdxT loc = 0;
  for (int axis = ndim - 1; axis >= 0 && elem > 0; --axis) {
    loc += (elem % shape[axis]) * IdxT(strides[axis]);
    elem /= shape[axis];
  }
  return loc;
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc(uint3 elem, constant const int* shape, constant const int64_t* strides,
                        int ndim) {
  IdxT loc = elem.x * IdxT(strides[ndim - 1]) + elem.y * IdxT(strides[ndim - 2]);
  for (int axis = ndim - 3; axis >= 0; --axis) {
    loc += (elem.z % shape[axis]) * IdxT(strides[axis]);
    elem.z /= shape[axis];
  }
  return loc;
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_1(uint elem, constant const int64_t& stride) {
  return elem * IdxT(stride);
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_2(uint2 elem, constant const int64_t strides[2]) {
  return elem.x * IdxT(strides[1]) + elem.y * IdxT(strides[0]);
}

template <typename IdxT = int64_t>
inline IdxT elem_to_loc_3(uint3 elem, constant const int64_t strides[3]) {
  return elem.x * IdxT(strides[2]) + elem.y * IdxT(strides[1]) + elem.z * IdxT(strides[0]);
}

template <typename IdxT = int64_t>
inline vec<IdxT, 2> elem_to_loc_2_nd(uint3 elem, constant const int* shape,
                                     constant const int64_t* a_strides,
                                     constant const int64_t* b_strides, int ndim) {
  IdxT a = elem.x * IdxT(a_strides[ndim - 1]) + elem.y * IdxT(a_strides[ndim - 2]);
  IdxT b = elem.x * IdxT(b_strides[ndim - 1]) + elem.y * IdxT(b_strides[ndim - 2]);
  for (int axis = ndim - 3; axis >= 0; --axis) {
    uint at = elem.z % shape[axis];
    a += at * IdxT(a_strides[axis]);
    b += at * IdxT(b_strides[axis]);
    elem.z /= shape[axis];
  }
  return vec<IdxT, 2>(a, b);
}

template <typename IdxT = int64_t>
inline vec<IdxT, 3> elem_to_loc_3_nd(uint3 elem, constant const int* shape,
                                     constant const int64_t* a_strides,
                                     constant const int64_t* b_strides,
                                     constant const int64_t* c_strides, int ndim) {
  IdxT a = elem.x * IdxT(a_strides[ndim - 1]) + elem.y * IdxT(a_strides[ndim - 2]);
  IdxT b = elem.x * IdxT(b_strides[ndim - 1]) + elem.y * IdxT(b_strides[ndim - 2]);
  IdxT c = elem.x * IdxT(c_strides[ndim - 1]) + elem.y * IdxT(c_strides[ndim - 2]);
  for (int axis = ndim - 3; axis >= 0; --axis) {
    uint at = elem.z % shape[axis];
    a += at * IdxT(a_strides[axis]);
    b += at * IdxT(b_strides[axis]);
    c += at * IdxT(c_strides[axis]);
    elem.z /= shape[axis];
  }
  return vec<IdxT, 3>(a, b, c);
}

// Walks the elements of a strided array in order, with the DIM innermost axes kept as counters.
template <int DIM, typename OffsetT = size_t, bool General = true>
struct LoopedElemToLoc {
  int dim;
  LoopedElemToLoc<DIM - 1, OffsetT, General> inner_looper;
  OffsetT offset;
  int index;

  LoopedElemToLoc(int d) : dim(d), inner_looper(d - 1), offset(0), index(0) {}

  void next(constant const int* shape, constant const int64_t* strides) {
    if (dim == 0) {
      return;
    }
    index += 1;
    offset += OffsetT(strides[dim - 1]);
    if (index >= shape[dim - 1]) {
      index = 0;
      inner_looper.next(shape, strides);
      offset = inner_looper.offset;
    }
  }

  void next(int n, constant const int* shape, constant const int64_t* strides) {
    if (dim == 0) {
      return;
    }
    int size = shape[dim - 1];
    index += n;
    offset += n * OffsetT(strides[dim - 1]);
    if (index >= size) {
      int rows = index / size;
      index -= rows * size;
      inner_looper.next(rows, shape, strides);
      offset = inner_looper.offset + index * OffsetT(strides[dim - 1]);
    }
  }

  OffsetT location() { return offset; }
};

template <typename OffsetT>
struct LoopedElemToLoc<1, OffsetT, true> {
  int dim;
  OffsetT offset;
  uint index;

  LoopedElemToLoc(int d) : dim(d), offset(0), index(0) {}

  void next(constant const int* shape, constant const int64_t* strides) {
    next(1, shape, strides);
  }

  void next(int n, constant const int* shape, constant const int64_t* strides) {
    index += n;
    if (dim > 1) {
      offset = elem_to_loc<OffsetT>(index, shape, strides, dim);
    } else {
      offset = index * OffsetT(strides[0]);
    }
  }

  OffsetT location() { return offset; }
};

template <typename OffsetT>
struct LoopedElemToLoc<1, OffsetT, false> {
  OffsetT offset;

  LoopedElemToLoc(int) : offset(0) {}

  void next(constant const int*, constant const int64_t* strides) {
    offset += OffsetT(strides[0]);
  }

  void next(int n, constant const int*, constant const int64_t* strides) {
    offset += n * OffsetT(strides[0]);
  }

  OffsetT location() { return offset; }
};

// Small tools.

template <typename T, typename U>
inline T ceildiv(T n, U m) {
  return (n + m - 1) / m;
}

inline float log1p(float x) {
  return metal::__detail::log1p(x);
}

inline half log1p(half x) {
  return half(metal::__detail::log1p(float(x)));
}

inline bfloat16_t log1p(bfloat16_t x) {
  return bfloat16_t(metal::__detail::log1p(float(x)));
}

inline complex64_t log1p(complex64_t x) {
  float re = x.real;
  float im = x.imag;
  // |1 + x|^2 - 1, without the cancellation near 0.
  float square = fma(re, re, fma(im, im, 2.0f * re));
  float modulus = metal::abs(square) < 0.5f
                      ? 0.5f * metal::__detail::log1p(square)
                      : metal::log(metal::sqrt(fma(1.0f + re, 1.0f + re, im * im)));
  return complex64_t(modulus, metal::atan2(im, 1.0f + re));
}

inline float hypot(float x, float y) {
  float larger = metal::max(metal::abs(x), metal::abs(y));
  float smaller = metal::min(metal::abs(x), metal::abs(y));
  if (larger == INFINITY || smaller == 0.0f) {
    return x != x || y != y ? (larger == INFINITY ? larger : x + y) : larger;
  }
  float ratio = smaller / larger;
  return x != x || y != y ? x + y : larger * metal::sqrt(fma(ratio, ratio, 1.0f));
}

template <bool condition, typename T, typename U>
struct ConditionalType {
  using type = U;
};

template <typename T, typename U>
struct ConditionalType<true, T, U> {
  using type = T;
};

template <typename U, typename T>
inline U cast_to(T x) {
  return static_cast<U>(x);
}

// Tests of the bits, so that NaN is true even where NaN is assumed away.
template <>
inline bool cast_to<bool, float>(float x) {
  return (as_type<uint>(x) & 0x7fffffffu) != 0u;
}

template <>
inline bool cast_to<bool, bfloat16_t>(bfloat16_t x) {
  return (as_type<ushort>(x) & 0x7fff) != 0;
}

template <>
inline bool cast_to<bool, complex64_t>(complex64_t x) {
  return cast_to<bool>(x.real) || cast_to<bool>(x.imag);
}

namespace metal {

inline complex64_t simd_shuffle(complex64_t data, ushort lane) {
  return complex64_t(simd_shuffle(data.real, lane), simd_shuffle(data.imag, lane));
}

inline complex64_t simd_shuffle_down(complex64_t data, ushort delta) {
  return complex64_t(simd_shuffle_down(data.real, delta), simd_shuffle_down(data.imag, delta));
}

inline complex64_t simd_shuffle_up(complex64_t data, ushort delta) {
  return complex64_t(simd_shuffle_up(data.real, delta), simd_shuffle_up(data.imag, delta));
}

inline complex64_t simd_shuffle_and_fill_up(complex64_t data, complex64_t filling, ushort delta) {
  return complex64_t(simd_shuffle_and_fill_up(data.real, filling.real, delta),
                     simd_shuffle_and_fill_up(data.imag, filling.imag, delta));
}

}  // namespace metal
