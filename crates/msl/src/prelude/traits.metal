// Type traits as class templates, written with the forms that the compiler knows: names that end
// in `_v` and `_t`.

#define __METAL_PRECISE_MATH__ 0
#define __METAL_FAST_MATH__ 1
#define __METAL_MAYBE_FAST_MATH__ 2

namespace metal {

// A promise that a value is the same in all threads; nothing depends on it here.
template <typename T>
using uniform = T;

template <typename T>
constexpr T make_uniform(T x) {
  return x;
}

template <typename T, T V>
struct integral_constant {
  static constexpr constant T value = V;
  typedef T value_type;
  typedef integral_constant<T, V> type;
  constexpr operator value_type() const { return V; }
  constexpr value_type operator()() const { return V; }
};

template <bool V>
using bool_constant = integral_constant<bool, V>;

typedef integral_constant<bool, true> true_type;
typedef integral_constant<bool, false> false_type;

template <bool C, typename T = void>
struct enable_if {};
template <typename T>
struct enable_if<true, T> {
  typedef T type;
};
template <bool C, typename T = void>
using enable_if_t = typename enable_if<C, T>::type;

template <bool C, typename T, typename U>
struct conditional {
  typedef T type;
};
template <typename T, typename U>
struct conditional<false, T, U> {
  typedef U type;
};
template <bool C, typename T, typename U>
using conditional_t = typename conditional<C, T, U>::type;

template <typename... T>
struct __make_void {
  typedef void type;
};
template <typename... T>
using void_t = typename __make_void<T...>::type;

template <typename T>
struct type_identity {
  typedef T type;
};

template <typename... T>
struct conjunction : true_type {};
template <typename T>
struct conjunction<T> : T {};
template <typename T, typename... U>
struct conjunction<T, U...> : conditional_t<bool(T::value), conjunction<U...>, T> {};
template <typename... T>
struct disjunction : false_type {};
template <typename T>
struct disjunction<T> : T {};
template <typename T, typename... U>
struct disjunction<T, U...> : conditional_t<bool(T::value), T, disjunction<U...>> {};
template <typename T>
struct negation : bool_constant<!bool(T::value)> {};
// What Metal's own headers call them.
template <typename... T>
using _conjunction = conjunction<T...>;
template <typename... T>
using _disjunction = disjunction<T...>;
template <typename T>
using _negation = negation<T>;
template <typename... T>
constexpr constant bool conjunction_v = conjunction<T...>::value;
template <typename... T>
constexpr constant bool disjunction_v = disjunction<T...>::value;
template <typename T>
constexpr constant bool negation_v = negation<T>::value;

template <typename T, typename U>
struct is_same : bool_constant<is_same_v<T, U>> {};
template <typename T, typename U>
struct is_convertible : bool_constant<is_convertible_v<T, U>> {};
template <typename T, typename... U>
struct is_constructible : bool_constant<is_constructible_v<T, U...>> {};
template <typename T, typename U>
struct is_base_of : bool_constant<is_base_of_v<T, U>> {};

#define METAL_TRAIT(NAME)                                                      \
  template <typename T>                                                        \
  struct NAME : bool_constant<NAME##_v<T>> {};

METAL_TRAIT(is_void)
METAL_TRAIT(is_integral)
METAL_TRAIT(is_floating_point)
METAL_TRAIT(is_arithmetic)
METAL_TRAIT(is_scalar)
METAL_TRAIT(is_signed)
METAL_TRAIT(is_unsigned)
METAL_TRAIT(is_pointer)
METAL_TRAIT(is_reference)
METAL_TRAIT(is_lvalue_reference)
METAL_TRAIT(is_array)
METAL_TRAIT(is_class)
METAL_TRAIT(is_enum)
METAL_TRAIT(is_union)
METAL_TRAIT(is_const)
METAL_TRAIT(is_volatile)
METAL_TRAIT(is_vector)
METAL_TRAIT(is_empty)
METAL_TRAIT(is_function)
METAL_TRAIT(is_trivially_copyable)
METAL_TRAIT(is_trivial)
#undef METAL_TRAIT

#define METAL_TRAIT(NAME)                                                      \
  template <typename T>                                                        \
  struct NAME {                                                                \
    typedef NAME##_t<T> type;                                                  \
  };

METAL_TRAIT(remove_const)
METAL_TRAIT(remove_volatile)
METAL_TRAIT(remove_cv)
METAL_TRAIT(remove_reference)
METAL_TRAIT(remove_pointer)
METAL_TRAIT(remove_addrspace)
METAL_TRAIT(remove_cvref)
METAL_TRAIT(remove_extent)
METAL_TRAIT(add_const)
METAL_TRAIT(add_pointer)
METAL_TRAIT(add_lvalue_reference)
METAL_TRAIT(add_rvalue_reference)
METAL_TRAIT(decay)
METAL_TRAIT(make_signed)
METAL_TRAIT(make_unsigned)
METAL_TRAIT(underlying_type)
METAL_TRAIT(make_scalar)
#undef METAL_TRAIT

template <typename T>
T&& declval();

template <typename T>
constexpr T&& forward(thread remove_reference_t<T>& x) {
  return static_cast<T&&>(x);
}

template <typename T>
constexpr remove_reference_t<T>&& move(thread T& x) {
  return static_cast<remove_reference_t<T>&&>(x);
}

template <typename T>
inline void swap(thread T& a, thread T& b) {
  T old = a;
  a = b;
  b = old;
}

}  // namespace metal
