// The part of the Metal standard library that is natural as text: enumerations, limits, votes,
// whole-vector functions, packing, matrices. Scalar types, vectors, atomics, type traits and the
// functions of the library's table are known to the compiler.

#define METAL_FUNC inline
#define METAL_ALWAYS_INLINE inline
#define METAL_INTERNAL inline
#define assert(condition) ((void)0)

#define INFINITY (as_type<float>(0x7f800000u))
#define HUGE_VALF INFINITY
#define HUGE_VALH (as_type<half>(ushort(0x7c00)))
#define NAN (as_type<float>(0x7fc00000u))
#define MAXFLOAT 0x1.fffffep127f
#define MAXHALF 65504.0h

#define CHAR_BIT 8
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
#define CHAR_MAX SCHAR_MAX
#define CHAR_MIN SCHAR_MIN
#define UCHAR_MAX 255
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-9223372036854775807l - 1l)
#define ULONG_MAX 18446744073709551615ul
#define INT8_MAX 127
#define INT8_MIN (-128)
#define UINT8_MAX 255
#define INT16_MAX 32767
#define INT16_MIN (-32768)
#define UINT16_MAX 65535
#define INT32_MAX INT_MAX
#define INT32_MIN INT_MIN
#define UINT32_MAX UINT_MAX
#define INT64_MAX LONG_MAX
#define INT64_MIN LONG_MIN
#define UINT64_MAX ULONG_MAX

#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_10_EXP 38
#define FLT_MAX_EXP 128
#define FLT_MIN_10_EXP (-37)
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1.0p-126f
#define FLT_EPSILON 0x1.0p-23f
#define FLT_DECIMAL_DIG 9
#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_MAX_10_EXP 4
#define HALF_MAX_EXP 16
#define HALF_MIN_10_EXP (-4)
#define HALF_MIN_EXP (-13)
#define HALF_RADIX 2
#define HALF_MAX 0x1.ffcp15h
#define HALF_MIN 0x1.0p-14h
#define HALF_EPSILON 0x1.0p-10h
#define FP_ILOGB0 INT_MIN
#define FP_ILOGBNAN INT_MAX

#define M_E_F 2.71828182845904523536028747135266250f
#define M_LOG2E_F 1.44269504088896340735992468100189214f
#define M_LOG10E_F 0.434294481903251827651128918916605082f
#define M_LN2_F 0.693147180559945309417232121458176568f
#define M_LN10_F 2.30258509299404568401799145468436421f
#define M_PI_F 3.14159265358979323846264338327950288f
#define M_PI_2_F 1.57079632679489661923132169163975144f
#define M_PI_4_F 0.785398163397448309615660845819875721f
#define M_1_PI_F 0.318309886183790671537767526745028724f
#define M_2_PI_F 0.636619772367581343075535053490057448f
#define M_2_SQRTPI_F 1.12837916709551257389615890312154517f
#define M_SQRT2_F 1.41421356237309504880168872420969808f
#define M_SQRT1_2_F 0.707106781186547524400844362104849039f
#define M_E_H 2.71828182845904523536028747135266250h
#define M_LOG2E_H 1.44269504088896340735992468100189214h
#define M_LOG10E_H 0.434294481903251827651128918916605082h
#define M_LN2_H 0.693147180559945309417232121458176568h
#define M_LN10_H 2.30258509299404568401799145468436421h
#define M_PI_H 3.14159265358979323846264338327950288h
#define M_PI_2_H 1.57079632679489661923132169163975144h
#define M_PI_4_H 0.785398163397448309615660845819875721h
#define M_1_PI_H 0.318309886183790671537767526745028724h
#define M_2_PI_H 0.636619772367581343075535053490057448h
#define M_2_SQRTPI_H 1.12837916709551257389615890312154517h
#define M_SQRT2_H 1.41421356237309504880168872420969808h
#define M_SQRT1_2_H 0.707106781186547524400844362104849039h

#pragma METAL fp contract(off)

namespace metal {

enum class mem_flags {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};

constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(int(a) | int(b));
}

constexpr mem_flags operator&(mem_flags a, mem_flags b) {
  return mem_flags(int(a) & int(b));
}

enum memory_order {
  memory_order_relaxed = 0,
  memory_order_acquire = 2,
  memory_order_release = 3,
  memory_order_acq_rel = 4,
  memory_order_seq_cst = 5
};

enum thread_scope {
  thread_scope_thread = 0,
  thread_scope_simdgroup = 1,
  thread_scope_threadgroup = 2,
  thread_scope_device = 3,
  thread_scope_system = 4
};

template <typename T>
struct numeric_limits {
  static constexpr constant bool is_specialized = false;
};

#define METAL_INTEGER_LIMITS(T, LOWEST, GREATEST, SIGNED, DIGITS, DIGITS10)   \
  template <>                                                                  \
  struct numeric_limits<T> {                                                   \
    static constexpr constant bool is_specialized = true;                      \
    static constexpr constant bool is_signed = SIGNED;                         \
    static constexpr constant bool is_integer = true;                          \
    static constexpr constant bool is_exact = true;                            \
    static constexpr constant bool is_bounded = true;                          \
    static constexpr constant bool has_infinity = false;                       \
    static constexpr constant bool has_quiet_NaN = false;                      \
    static constexpr constant int radix = 2;                                   \
    static constexpr constant int digits = DIGITS;                             \
    static constexpr constant int digits10 = DIGITS10;                         \
    static constexpr T min() { return T(LOWEST); }                             \
    static constexpr T max() { return T(GREATEST); }                           \
    static constexpr T lowest() { return T(LOWEST); }                          \
    static constexpr T epsilon() { return T(0); }                              \
    static constexpr T infinity() { return T(0); }                             \
    static constexpr T quiet_NaN() { return T(0); }                            \
  };

METAL_INTEGER_LIMITS(bool, false, true, false, 1, 0)
METAL_INTEGER_LIMITS(char, SCHAR_MIN, SCHAR_MAX, true, 7, 2)
METAL_INTEGER_LIMITS(uchar, 0, UCHAR_MAX, false, 8, 2)
METAL_INTEGER_LIMITS(short, SHRT_MIN, SHRT_MAX, true, 15, 4)
METAL_INTEGER_LIMITS(ushort, 0, USHRT_MAX, false, 16, 4)
METAL_INTEGER_LIMITS(int, INT_MIN, INT_MAX, true, 31, 9)
METAL_INTEGER_LIMITS(uint, 0, UINT_MAX, false, 32, 9)
METAL_INTEGER_LIMITS(long, LONG_MIN, LONG_MAX, true, 63, 18)
METAL_INTEGER_LIMITS(ulong, 0, ULONG_MAX, false, 64, 19)
#undef METAL_INTEGER_LIMITS

#define METAL_FLOAT_LIMITS(T, BITS, LEAST, GREATEST, STEP, DENORM, INF, QNAN, DIGITS, DIGITS10, MAX10, EXP_MIN, EXP_MAX) \
  template <>                                                                  \
  struct numeric_limits<T> {                                                   \
    static constexpr constant bool is_specialized = true;                      \
    static constexpr constant bool is_signed = true;                           \
    static constexpr constant bool is_integer = false;                         \
    static constexpr constant bool is_exact = false;                           \
    static constexpr constant bool is_bounded = true;                          \
    static constexpr constant bool has_infinity = true;                        \
    static constexpr constant bool has_quiet_NaN = true;                       \
    static constexpr constant int radix = 2;                                   \
    static constexpr constant int digits = DIGITS;                             \
    static constexpr constant int digits10 = DIGITS10;                         \
    static constexpr constant int max_digits10 = MAX10;                        \
    static constexpr constant int min_exponent = EXP_MIN;                      \
    static constexpr constant int max_exponent = EXP_MAX;                      \
    static constexpr T min() { return LEAST; }                                 \
    static constexpr T max() { return GREATEST; }                              \
    static constexpr T lowest() { return -GREATEST; }                          \
    static constexpr T epsilon() { return STEP; }                              \
    static constexpr T round_error() { return T(0.5f); }                       \
    static constexpr T denorm_min() { return DENORM; }                         \
    static constexpr T infinity() { return as_type<T>(BITS(INF)); }            \
    static constexpr T quiet_NaN() { return as_type<T>(BITS(QNAN)); }          \
    static constexpr T signaling_NaN() { return as_type<T>(BITS(QNAN)); }      \
  };

METAL_FLOAT_LIMITS(float, uint, 0x1.0p-126f, 0x1.fffffep127f, 0x1.0p-23f, 0x1.0p-149f, 0x7f800000u,
                   0x7fc00000u, 24, 6, 9, -125, 128)
METAL_FLOAT_LIMITS(half, ushort, 0x1.0p-14h, 0x1.ffcp15h, 0x1.0p-10h, 0x1.0p-24h, 0x7c00, 0x7e00, 11,
                   3, 5, -13, 16)
METAL_FLOAT_LIMITS(bfloat, ushort, 0x1.0p-126bf, 0x1.fep127bf, 0x1.0p-7bf, 0x1.0p-133bf, 0x7f80,
                   0x7fc0, 8, 2, 4, -125, 128)
#undef METAL_FLOAT_LIMITS

class simd_vote {
 public:
  typedef ulong vote_t;
  constexpr simd_vote() : votes(0) {}
  explicit constexpr simd_vote(vote_t v) : votes(v) {}
  explicit constexpr operator vote_t() const { return votes; }
  bool all() const { return (votes & 0xfffffffful) == 0xfffffffful; }
  bool any() const { return votes != 0; }
  simd_vote operator~() const { return simd_vote(~votes & 0xfffffffful); }
  simd_vote operator&(simd_vote other) const { return simd_vote(votes & other.votes); }
  simd_vote operator|(simd_vote other) const { return simd_vote(votes | other.votes); }
  simd_vote operator^(simd_vote other) const { return simd_vote(votes ^ other.votes); }
  bool operator==(simd_vote other) const { return votes == other.votes; }
  bool operator!=(simd_vote other) const { return votes != other.votes; }

 private:
  vote_t votes;
};

class quad_vote {
 public:
  typedef uint vote_t;
  constexpr quad_vote() : votes(0) {}
  explicit constexpr quad_vote(vote_t v) : votes(v) {}
  explicit constexpr operator vote_t() const { return votes; }
  bool all() const { return (votes & 15u) == 15u; }
  bool any() const { return votes != 0; }
  bool operator==(quad_vote other) const { return votes == other.votes; }
  bool operator!=(quad_vote other) const { return votes != other.votes; }

 private:
  vote_t votes;
};

inline simd_vote simd_ballot(bool predicate) {
  return simd_vote(__metal_simd_ballot(predicate));
}

inline simd_vote simd_active_threads_mask() {
  return simd_vote(__metal_simd_ballot(true));
}

inline bool simd_is_helper_thread() {
  return false;
}

inline quad_vote quad_ballot(bool predicate) {
  return quad_vote(uint(__metal_quad_ballot(predicate)));
}

inline quad_vote quad_active_threads_mask() {
  return quad_vote(uint(__metal_quad_ballot(true)));
}

namespace __detail {

template <typename T>
inline T max3(T x, T y, T z) {
  return max(x, max(y, z));
}

template <typename T>
inline T min3(T x, T y, T z) {
  return min(x, min(y, z));
}

template <typename T>
inline T median3(T x, T y, T z) {
  return max(min(x, y), min(max(x, y), z));
}

template <typename T>
inline T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}

template <typename T>
inline T mix(T x, T y, T a) {
  return x + (y - x) * a;
}

template <typename T>
inline T saturate(T x) {
  return min(max(x, T(0)), T(1));
}

template <typename T>
inline T step(T edge, T x) {
  return select(T(1), T(0), x < edge);
}

template <typename T>
inline T smoothstep(T edge0, T edge1, T x) {
  T t = min(max((x - edge0) / (edge1 - edge0), T(0)), T(1));
  return t * t * (T(3) - T(2) * t);
}

template <typename T>
inline T sign(T x) {
  T y = select(T(0), x, x == T(0));
  y = select(y, T(1), x > T(0));
  return select(y, T(-1), x < T(0));
}

inline float frexp(float x, thread int& exponent) {
  uint bits = as_type<uint>(x);
  uint magnitude = bits & 0x7fffffffu;
  if (magnitude == 0u || magnitude >= 0x7f800000u) {
    exponent = 0;
    return x;
  }
  int adjust = 0;
  if (magnitude < 0x00800000u) {
    bits = as_type<uint>(x * 33554432.0f);
    adjust = 25;
  }
  exponent = int((bits >> 23) & 0xffu) - 126 - adjust;
  return as_type<float>((bits & 0x807fffffu) | 0x3f000000u);
}

template <typename T>
inline T frexp(T x, thread int& exponent) {
  return T(frexp(float(x), exponent));
}

template <typename T, int N>
inline vec<T, N> frexp(vec<T, N> x, thread vec<int, N>& exponent) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    int part;
    result[i] = frexp(T(x[i]), part);
    exponent[i] = part;
  }
  return result;
}

template <typename T>
inline T modf(T x, thread T& whole) {
  T w = trunc(x);
  whole = w;
  return copysign(select(x - w, T(0), isinf(x)), x);
}

template <typename T>
inline T sincos(T x, thread T& cosine) {
  cosine = cos(x);
  return sin(x);
}

inline float nextafter(float x, float y) {
  if (x != x || y != y) {
    return x + y;
  }
  uint bits = as_type<uint>(x);
  if (x == y) {
    return y;
  }
  if (x == 0.0f) {
    return as_type<float>((as_type<uint>(y) & 0x80000000u) | 1u);
  }
  bool away = (x < y) == (x > 0.0f);
  return as_type<float>(away ? bits + 1u : bits - 1u);
}

// half and bfloat have the same layout: a sign and 15 bits of magnitude.
template <typename T>
inline T nextafter(T x, T y) {
  if (x != x || y != y) {
    return x + y;
  }
  ushort bits = as_type<ushort>(x);
  if (x == y) {
    return y;
  }
  if (x == T(0)) {
    return as_type<T>(ushort((as_type<ushort>(y) & 0x8000) | 1));
  }
  bool away = (x < y) == (x > T(0));
  return as_type<T>(ushort(away ? bits + 1 : bits - 1));
}

template <typename T, int N>
inline vec<T, N> nextafter(vec<T, N> x, vec<T, N> y) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    result[i] = nextafter(T(x[i]), T(y[i]));
  }
  return result;
}

// Integers. Shift counts are taken modulo the width; narrow scalars are computed as int.

#define METAL_ABSDIFF(T, U)                                                    \
  inline U absdiff(T x, T y) {                                                 \
    return x > y ? U(U(x) - U(y)) : U(U(y) - U(x));                            \
  }                                                                            \
  template <int N>                                                             \
  inline vec<U, N> absdiff(vec<T, N> x, vec<T, N> y) {                         \
    vec<U, N> result;                                                          \
    for (int i = 0; i < N; ++i) {                                              \
      result[i] = absdiff(T(x[i]), T(y[i]));                                   \
    }                                                                          \
    return result;                                                             \
  }

METAL_ABSDIFF(char, uchar)
METAL_ABSDIFF(uchar, uchar)
METAL_ABSDIFF(short, ushort)
METAL_ABSDIFF(ushort, ushort)
METAL_ABSDIFF(int, uint)
METAL_ABSDIFF(uint, uint)
METAL_ABSDIFF(long, ulong)
METAL_ABSDIFF(ulong, ulong)
#undef METAL_ABSDIFF

template <typename T>
inline T extract_bits(T x, uint offset, uint bits) {
  uint width = 8u * uint(sizeof(T));
  T left = T(x << T(width - offset - bits));
  return bits == 0u ? T(0) : T(left >> T(width - bits));
}

template <typename T, int N>
inline vec<T, N> extract_bits(vec<T, N> x, uint offset, uint bits) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    result[i] = extract_bits(T(x[i]), offset, bits);
  }
  return result;
}

template <typename T>
inline T insert_bits(T base, T insert, uint offset, uint bits) {
  uint width = 8u * uint(sizeof(T));
  ulong ones = bits >= width ? ~0ul : (1ul << ulong(bits)) - 1ul;
  T mask = T(ones << ulong(offset));
  return T((base & ~mask) | ((insert << T(offset)) & mask));
}

template <typename T, int N>
inline vec<T, N> insert_bits(vec<T, N> base, vec<T, N> insert, uint offset, uint bits) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    result[i] = insert_bits(T(base[i]), T(insert[i]), offset, bits);
  }
  return result;
}

template <typename T>
inline T hadd(T x, T y) {
  return T((x & y) + ((x ^ y) >> T(1)));
}

template <typename T>
inline T rhadd(T x, T y) {
  return T((x | y) - ((x ^ y) >> T(1)));
}

template <typename T>
inline T madhi(T a, T b, T c) {
  return T(mulhi(a, b) + c);
}

#define METAL_MADSAT(T, WIDE)                                                  \
  inline T madsat(T a, T b, T c) {                                             \
    WIDE exact = WIDE(a) * WIDE(b) + WIDE(c);                                  \
    WIDE low = WIDE(numeric_limits<T>::min());                                 \
    WIDE high = WIDE(numeric_limits<T>::max());                                \
    return T(exact < low ? low : (exact > high ? high : exact));               \
  }

METAL_MADSAT(char, int)
METAL_MADSAT(uchar, int)
METAL_MADSAT(short, long)
METAL_MADSAT(ushort, ulong)
METAL_MADSAT(int, long)
METAL_MADSAT(uint, ulong)
#undef METAL_MADSAT

inline ulong madsat(ulong a, ulong b, ulong c) {
  return mulhi(a, b) != 0ul ? ~0ul : addsat(a * b, c);
}

inline long madsat(long a, long b, long c) {
  ulong low = ulong(a * b);
  ulong sum = low + ulong(c);
  long high = mulhi(a, b) + (c < 0 ? -1l : 0l) + (sum < low ? 1l : 0l);
  long limit = high < 0 ? LONG_MIN : LONG_MAX;
  return high == (long(sum) >> 63l) ? long(sum) : limit;
}

template <typename T, int N>
inline vec<T, N> madsat(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    result[i] = madsat(T(a[i]), T(b[i]), T(c[i]));
  }
  return result;
}

template <typename T>
inline T mul24(T x, T y) {
  return ((x << T(8)) >> T(8)) * ((y << T(8)) >> T(8));
}

template <typename T>
inline T mad24(T x, T y, T z) {
  return mul24(x, y) + z;
}

template <typename T>
inline T rotate_bits(T x, T count, T width) {
  T n = T(count & (width - T(1)));
  T left = T(x << n);
  // The mask takes away the copies of the sign that an arithmetic shift moves in.
  T right = T((x >> T((width - n) & (width - T(1)))) & ~(T(-1) << n));
  return T(left | right);
}

template <typename T>
inline T rotate(T x, T count) {
  return rotate_bits<T>(x, count, T(8 * sizeof(T)));
}

template <typename T, int N>
inline vec<T, N> rotate(vec<T, N> x, vec<T, N> count) {
  return rotate_bits<vec<T, N>>(x, count, vec<T, N>(T(8 * sizeof(T))));
}

// Relational.

inline bool all(bool x) {
  return x;
}

inline bool any(bool x) {
  return x;
}

template <int N>
inline bool all(vec<bool, N> x) {
  bool result = true;
  for (int i = 0; i < N; ++i) {
    result = result && x[i];
  }
  return result;
}

template <int N>
inline bool any(vec<bool, N> x) {
  bool result = false;
  for (int i = 0; i < N; ++i) {
    result = result || x[i];
  }
  return result;
}

template <typename T>
inline bool isfinite(T x) {
  return abs(x) < T(INFINITY);
}

template <typename T>
inline bool isinf(T x) {
  return abs(x) == T(INFINITY);
}

template <typename T>
inline bool isnormal(T x) {
  return abs(x) < T(INFINITY) && abs(x) >= numeric_limits<T>::min();
}

template <typename T>
inline bool isordered(T x, T y) {
  return x == x && y == y;
}

template <typename T>
inline bool isunordered(T x, T y) {
  return x != x || y != y;
}

inline bool signbit(float x) {
  return (as_type<uint>(x) >> 31) != 0u;
}

template <typename T>
inline bool signbit(T x) {
  return (as_type<ushort>(x) >> 15) != 0;
}

#define METAL_BY_COMPONENT(NAME)                                               \
  template <typename T, int N>                                                 \
  inline vec<bool, N> NAME(vec<T, N> x) {                                      \
    vec<bool, N> result;                                                       \
    for (int i = 0; i < N; ++i) {                                              \
      result[i] = NAME(T(x[i]));                                               \
    }                                                                          \
    return result;                                                             \
  }

METAL_BY_COMPONENT(isfinite)
METAL_BY_COMPONENT(isinf)
METAL_BY_COMPONENT(isnormal)
METAL_BY_COMPONENT(signbit)
#undef METAL_BY_COMPONENT

template <typename T, int N>
inline vec<bool, N> isordered(vec<T, N> x, vec<T, N> y) {
  return (x == x) & (y == y);
}

template <typename T, int N>
inline vec<bool, N> isunordered(vec<T, N> x, vec<T, N> y) {
  return (x != x) | (y != y);
}

// Geometry. Sums are taken in float, in order, with fma.

template <typename T>
inline float float_dot(T x, T y) {
  return float(x) * float(y);
}

template <typename T, int N>
inline float float_dot(vec<T, N> x, vec<T, N> y) {
  float sum = float(x[0]) * float(y[0]);
  for (int i = 1; i < N; ++i) {
    sum = fma(float(x[i]), float(y[i]), sum);
  }
  return sum;
}

template <typename T>
inline T dot(T x, T y) {
  return x * y;
}

template <typename T, int N>
inline T dot(vec<T, N> x, vec<T, N> y) {
  return T(float_dot(x, y));
}

template <typename T>
inline T length_squared(T x) {
  return x * x;
}

template <typename T, int N>
inline T length_squared(vec<T, N> x) {
  return T(float_dot(x, x));
}

template <typename T>
inline T length(T x) {
  return abs(x);
}

template <typename T, int N>
inline T length(vec<T, N> x) {
  return T(sqrt(float_dot(x, x)));
}

template <typename T>
inline T distance(T x, T y) {
  return abs(x - y);
}

template <typename T, int N>
inline T distance(vec<T, N> x, vec<T, N> y) {
  vec<T, N> d = x - y;
  return T(sqrt(float_dot(d, d)));
}

template <typename T>
inline T distance_squared(T x, T y) {
  T d = x - y;
  return d * d;
}

template <typename T, int N>
inline T distance_squared(vec<T, N> x, vec<T, N> y) {
  vec<T, N> d = x - y;
  return T(float_dot(d, d));
}

template <typename T>
inline T normalize(T x) {
  return sign(x);
}

template <typename T, int N>
inline vec<T, N> normalize(vec<T, N> x) {
  float scale = rsqrt(float_dot(x, x));
  vec<T, N> result;
  for (int i = 0; i < N; ++i) {
    result[i] = T(float(x[i]) * scale);
  }
  return result;
}

template <typename T>
inline vec<T, 3> cross(vec<T, 3> x, vec<T, 3> y) {
  return vec<T, 3>(x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]);
}

template <typename T>
inline T faceforward(T n, T i, T reference) {
  return float_dot(reference, i) < 0.0f ? n : -n;
}

template <typename T>
inline T reflect(T i, T n) {
  return i - n * T(2.0f * float_dot(n, i));
}

template <typename T, typename E>
inline T refract(T i, T n, E eta) {
  float d = float_dot(n, i);
  float e = float(eta);
  float k = 1.0f - e * e * (1.0f - d * d);
  if (k < 0.0f) {
    return T(0);
  }
  return i * T(e) - n * T(e * d + sqrt(k));
}

}  // namespace __detail

// Matrices.

template <typename T, int C, int R>
inline matrix<T, R, C> transpose(matrix<T, C, R> m) {
  matrix<T, R, C> result;
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      result[r][c] = m[c][r];
    }
  }
  return result;
}

template <typename T>
inline T determinant(matrix<T, 2, 2> m) {
  return m[0][0] * m[1][1] - m[1][0] * m[0][1];
}

template <typename T>
inline T determinant(matrix<T, 3, 3> m) {
  return m[0][0] * (m[1][1] * m[2][2] - m[2][1] * m[1][2]) -
         m[1][0] * (m[0][1] * m[2][2] - m[2][1] * m[0][2]) +
         m[2][0] * (m[0][1] * m[1][2] - m[1][1] * m[0][2]);
}

template <typename T>
inline T determinant(matrix<T, 4, 4> m) {
  T a = m[2][2] * m[3][3] - m[3][2] * m[2][3];
  T b = m[2][1] * m[3][3] - m[3][1] * m[2][3];
  T c = m[2][1] * m[3][2] - m[3][1] * m[2][2];
  T d = m[2][0] * m[3][3] - m[3][0] * m[2][3];
  T e = m[2][0] * m[3][2] - m[3][0] * m[2][2];
  T f = m[2][0] * m[3][1] - m[3][0] * m[2][1];
  return m[0][0] * (m[1][1] * a - m[1][2] * b + m[1][3] * c) -
         m[0][1] * (m[1][0] * a - m[1][2] * d + m[1][3] * e) +
         m[0][2] * (m[1][0] * b - m[1][1] * d + m[1][3] * f) -
         m[0][3] * (m[1][0] * c - m[1][1] * e + m[1][2] * f);
}

// Packing: fixed-point numbers from -1 to 1 or from 0 to 1.

namespace __detail {

inline uint pack_unorm(float x, float greatest) {
  return uint(rint(min(max(x, 0.0f), 1.0f) * greatest));
}

inline uint pack_snorm(float x, float greatest, uint mask) {
  return uint(int(rint(min(max(x, -1.0f), 1.0f) * greatest))) & mask;
}

inline float unpack_snorm(uint bits, int shift, float greatest) {
  return max(float(int(bits << uint(shift)) >> shift) / greatest, -1.0f);
}

inline float to_srgb(float x) {
  float c = min(max(x, 0.0f), 1.0f);
  return c < 0.0031308f ? 12.92f * c : 1.055f * pow(c, 0.41666666f) - 0.055f;
}

inline float from_srgb(float c) {
  return c <= 0.04045f ? c / 12.92f : pow((c + 0.055f) / 1.055f, 2.4f);
}

}  // namespace __detail

inline uint pack_float_to_unorm4x8(float4 x) {
  return __detail::pack_unorm(x.x, 255.0f) | (__detail::pack_unorm(x.y, 255.0f) << 8u) |
         (__detail::pack_unorm(x.z, 255.0f) << 16u) | (__detail::pack_unorm(x.w, 255.0f) << 24u);
}

inline uint pack_float_to_snorm4x8(float4 x) {
  return __detail::pack_snorm(x.x, 127.0f, 0xffu) | (__detail::pack_snorm(x.y, 127.0f, 0xffu) << 8u) |
         (__detail::pack_snorm(x.z, 127.0f, 0xffu) << 16u) |
         (__detail::pack_snorm(x.w, 127.0f, 0xffu) << 24u);
}

inline uint pack_float_to_srgb_unorm4x8(float4 x) {
  return pack_float_to_unorm4x8(float4(__detail::to_srgb(x.x), __detail::to_srgb(x.y),
                                       __detail::to_srgb(x.z), x.w));
}

inline uint pack_float_to_unorm2x16(float2 x) {
  return __detail::pack_unorm(x.x, 65535.0f) | (__detail::pack_unorm(x.y, 65535.0f) << 16u);
}

inline uint pack_float_to_snorm2x16(float2 x) {
  return __detail::pack_snorm(x.x, 32767.0f, 0xffffu) |
         (__detail::pack_snorm(x.y, 32767.0f, 0xffffu) << 16u);
}

inline uint pack_float_to_unorm10a2(float4 x) {
  return __detail::pack_unorm(x.x, 1023.0f) | (__detail::pack_unorm(x.y, 1023.0f) << 10u) |
         (__detail::pack_unorm(x.z, 1023.0f) << 20u) | (__detail::pack_unorm(x.w, 3.0f) << 30u);
}

inline ushort pack_float_to_unorm565(float3 x) {
  return ushort((__detail::pack_unorm(x.x, 31.0f) << 11u) | (__detail::pack_unorm(x.y, 63.0f) << 5u) |
                __detail::pack_unorm(x.z, 31.0f));
}

inline float4 unpack_unorm4x8_to_float(uint x) {
  return float4(float(x & 0xffu), float((x >> 8u) & 0xffu), float((x >> 16u) & 0xffu),
                float(x >> 24u)) /
         255.0f;
}

inline float4 unpack_snorm4x8_to_float(uint x) {
  return float4(__detail::unpack_snorm(x & 0xffu, 24, 127.0f),
                __detail::unpack_snorm((x >> 8u) & 0xffu, 24, 127.0f),
                __detail::unpack_snorm((x >> 16u) & 0xffu, 24, 127.0f),
                __detail::unpack_snorm(x >> 24u, 24, 127.0f));
}

inline float4 unpack_unorm4x8_srgb_to_float(uint x) {
  float4 c = unpack_unorm4x8_to_float(x);
  return float4(__detail::from_srgb(c.x), __detail::from_srgb(c.y), __detail::from_srgb(c.z), c.w);
}

inline float2 unpack_unorm2x16_to_float(uint x) {
  return float2(float(x & 0xffffu), float(x >> 16u)) / 65535.0f;
}

inline float2 unpack_snorm2x16_to_float(uint x) {
  return float2(__detail::unpack_snorm(x & 0xffffu, 16, 32767.0f),
                __detail::unpack_snorm(x >> 16u, 16, 32767.0f));
}

inline float4 unpack_unorm10a2_to_float(uint x) {
  return float4(float(x & 1023u) / 1023.0f, float((x >> 10u) & 1023u) / 1023.0f,
                float((x >> 20u) & 1023u) / 1023.0f, float(x >> 30u) / 3.0f);
}

inline float3 unpack_unorm565_to_float(ushort x) {
  uint bits = uint(x);
  return float3(float(bits >> 11u) / 31.0f, float((bits >> 5u) & 63u) / 63.0f,
                float(bits & 31u) / 31.0f);
}

inline uint pack_half_to_unorm4x8(half4 x) { return pack_float_to_unorm4x8(float4(x)); }
inline uint pack_half_to_snorm4x8(half4 x) { return pack_float_to_snorm4x8(float4(x)); }
inline uint pack_half_to_srgb_unorm4x8(half4 x) { return pack_float_to_srgb_unorm4x8(float4(x)); }
inline uint pack_half_to_unorm2x16(half2 x) { return pack_float_to_unorm2x16(float2(x)); }
inline uint pack_half_to_snorm2x16(half2 x) { return pack_float_to_snorm2x16(float2(x)); }
inline uint pack_half_to_unorm10a2(half4 x) { return pack_float_to_unorm10a2(float4(x)); }
inline ushort pack_half_to_unorm565(half3 x) { return pack_float_to_unorm565(float3(x)); }
inline half4 unpack_unorm4x8_to_half(uint x) { return half4(unpack_unorm4x8_to_float(x)); }
inline half4 unpack_snorm4x8_to_half(uint x) { return half4(unpack_snorm4x8_to_float(x)); }
inline half4 unpack_unorm4x8_srgb_to_half(uint x) { return half4(unpack_unorm4x8_srgb_to_float(x)); }
inline half2 unpack_unorm2x16_to_half(uint x) { return half2(unpack_unorm2x16_to_float(x)); }
inline half2 unpack_snorm2x16_to_half(uint x) { return half2(unpack_snorm2x16_to_float(x)); }
inline half4 unpack_unorm10a2_to_half(uint x) { return half4(unpack_unorm10a2_to_float(x)); }
inline half3 unpack_unorm565_to_half(ushort x) { return half3(unpack_unorm565_to_float(x)); }

// Matrices of a simdgroup. The compiler knows the type; an origin is (column, row).

#define METAL_MATRIX_MEMORY(SPACE)                                             \
  template <typename T, int C, int R>                                          \
  inline void simdgroup_load(thread simdgroup_matrix<T, C, R>& d, const SPACE T* source, \
                             ulong elements_per_row = C, ulong2 origin = ulong2(0), \
                             bool transposed = false) {                        \
    const SPACE T* start = source + (origin.y * elements_per_row + origin.x);  \
    if (transposed) {                                                          \
      d = __metal_matrix_load_transposed(start, elements_per_row);             \
    } else {                                                                   \
      d = __metal_matrix_load(start, elements_per_row);                        \
    }                                                                          \
  }

METAL_MATRIX_MEMORY(device)
METAL_MATRIX_MEMORY(constant)
METAL_MATRIX_MEMORY(threadgroup)
#undef METAL_MATRIX_MEMORY

#define METAL_MATRIX_MEMORY(SPACE)                                             \
  template <typename T, int C, int R>                                          \
  inline void simdgroup_store(simdgroup_matrix<T, C, R> a, SPACE T* target,    \
                              ulong elements_per_row = C, ulong2 origin = ulong2(0), \
                              bool transposed = false) {                       \
    SPACE T* start = target + (origin.y * elements_per_row + origin.x);        \
    if (transposed) {                                                          \
      __metal_matrix_store_transposed(a, start, elements_per_row);             \
    } else {                                                                   \
      __metal_matrix_store(a, start, elements_per_row);                        \
    }                                                                          \
  }

METAL_MATRIX_MEMORY(device)
METAL_MATRIX_MEMORY(threadgroup)
#undef METAL_MATRIX_MEMORY

template <typename T, int C = 8, int R = C>
inline simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T value) {
  return __metal_matrix_fill<T>(value);
}

template <typename T, int C = 8, int R = C>
inline simdgroup_matrix<T, C, R> make_diagonal_simdgroup_matrix(T value) {
  return __metal_matrix_diagonal<T>(value);
}

template <typename T, typename U, typename V>
inline void simdgroup_multiply(thread simdgroup_matrix<T, 8, 8>& d, simdgroup_matrix<U, 8, 8> a,
                               simdgroup_matrix<V, 8, 8> b) {
  d = __metal_matrix_mad(a, b, __metal_matrix_fill<T>(T(0)));
}

template <typename T, typename U, typename V>
inline void simdgroup_multiply_accumulate(thread simdgroup_matrix<T, 8, 8>& d,
                                          simdgroup_matrix<U, 8, 8> a, simdgroup_matrix<V, 8, 8> b,
                                          simdgroup_matrix<T, 8, 8> c) {
  d = __metal_matrix_mad(a, b, c);
}

// Logging goes nowhere.
struct os_log {
  constexpr os_log(constant const char*, constant const char*) constant {}

  template <typename... Args>
  void log(constant const char*, Args...) const constant {}
  template <typename... Args>
  void log_debug(constant const char*, Args...) const constant {}
  template <typename... Args>
  void log_info(constant const char*, Args...) const constant {}
  template <typename... Args>
  void log_error(constant const char*, Args...) const constant {}
  template <typename... Args>
  void log_fault(constant const char*, Args...) const constant {}
};

// An array as a value.
template <typename T, size_t N>
struct array {
  T elements[N];

  constexpr size_t size() const { return N; }
  constexpr size_t size() const device { return N; }
  constexpr size_t size() const constant { return N; }
  constexpr size_t size() const threadgroup { return N; }
  constexpr thread T& operator[](size_t i) thread { return elements[i]; }
  constexpr const thread T& operator[](size_t i) const thread { return elements[i]; }
  constexpr device T& operator[](size_t i) device { return elements[i]; }
  constexpr const device T& operator[](size_t i) const device { return elements[i]; }
  constexpr const constant T& operator[](size_t i) const constant { return elements[i]; }
  constexpr threadgroup T& operator[](size_t i) threadgroup { return elements[i]; }
  constexpr const threadgroup T& operator[](size_t i) const threadgroup { return elements[i]; }
};

}  // namespace metal

// What compilers of this family know without a header.
constexpr int __builtin_clz(uint x) { return int(metal::clz(x)); }
constexpr int __builtin_clzll(ulong x) { return int(metal::clz(x)); }
constexpr int __builtin_ctz(uint x) { return int(metal::ctz(x)); }
constexpr int __builtin_ctzll(ulong x) { return int(metal::ctz(x)); }
constexpr int __builtin_popcount(uint x) { return int(metal::popcount(x)); }
constexpr int __builtin_popcountll(ulong x) { return int(metal::popcount(x)); }

inline float __metal_frexp(float x, thread int* exponent) { return metal::frexp(x, *exponent); }
inline float __metal_simd_xor(float x) { return as_type<float>(metal::simd_xor(as_type<uint>(x))); }
