//! Operators of `array`.
#![allow(unsafe_op_in_unsafe_fn, reason = "what PyO3's attribute writes inside a macro of ours")]

use anymetal::ops;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::PyArray;
use crate::argument::{Argument, Number};
use crate::error::{CallError, OrRaise};
use crate::output::Output;

/// The other operand; anything that is no number or array is MLX's error.
fn other(value: &Bound<'_, PyAny>, verb: &str) -> PyResult<Number> {
    let refused = || {
        let name = value.get_type().name().map_or_else(|_| "?".into(), |n| n.to_string());
        PyValueError::new_err(format!("Cannot perform {verb} on an mlx.core.array and {name}"))
    };
    if value.is_none() || value.is_instance_of::<PyString>() {
        return Err(refused());
    }
    Number::convert(value).map_err(|_| refused())
}

macro_rules! operators {
    (
        binary { $($name:ident, $reflected:ident, $in_place:ident, $function:ident, $verb:literal;)* }
        in_place { $($inplace_only:ident, $plain:ident, $function2:ident, $verb2:literal;)* }
        compare { $($cname:ident, $cfunction:ident, $cverb:literal;)* }
    ) => {
        #[pymethods]
        impl PyArray {
            $(
                fn $name(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    let value = other(value, $verb)?;
                    Ok(ops::$function(&self.array(), value.operand()).or_raise()?.into())
                }

                fn $reflected(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    let value = other(value, $verb)?;
                    Ok(ops::$function(value.operand(), &self.array()).or_raise()?.into())
                }

                fn $in_place(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
                    let value = other(value, concat!("inplace ", $verb))?;
                    self.set(ops::$function(&self.array(), value.operand()).or_raise()?);
                    Ok(())
                }
            )*
            $(
                fn $plain(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    let value = other(value, $verb2)?;
                    Ok(ops::$function2(&self.array(), value.operand()).or_raise()?.into())
                }

                fn $inplace_only(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
                    let value = other(value, concat!("inplace ", $verb2))?;
                    self.set(ops::$function2(&self.array(), value.operand()).or_raise()?);
                    Ok(())
                }
            )*
            $(
                fn $cname(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
                    let value = other(value, $cverb)?;
                    Ok(ops::$cfunction(&self.array(), value.operand()).or_raise()?.into())
                }
            )*

            /// Element by element; `False` for strings, which are never equal to an array.
            fn __eq__<'py>(
                &self,
                py: Python<'py>,
                value: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                self.equality(py, value, "__eq__", false)
            }

            /// Element by element; `True` for strings.
            fn __ne__<'py>(
                &self,
                py: Python<'py>,
                value: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                self.equality(py, value, "__ne__", true)
            }

            /// By identity.
            fn __hash__(slf: &Bound<'_, Self>) -> isize {
                slf.as_ptr() as isize >> 4
            }
        }
    };
}

impl PyArray {
    fn equality<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        name: &str,
        negated: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if value.is_none() {
            return Err(PyTypeError::new_err(format!(
                "{name}(): incompatible function arguments. The following argument types are \
                 supported:\n    1. {name}(self, other: scalar | array) -> array | bool\n\n\
                 Invoked with types: mlx.core.array, NoneType"
            )));
        }
        let value = match Number::convert(value) {
            Ok(value) => value,
            Err(CallError::Misfit | CallError::Python(_)) => return negated.into_bound_py_any(py),
            Err(error) => return Err(error.or_type_error("an array")),
        };
        let array = self.array();
        let result = if negated {
            ops::not_equal(&array, value.operand())
        } else {
            ops::equal(&array, value.operand())
        };
        result.or_raise()?.into_python(py)
    }
}

operators! {
    binary {
    __add__, __radd__, __iadd__, add, "addition";
    __sub__, __rsub__, __isub__, subtract, "subtraction";
    __mul__, __rmul__, __imul__, multiply, "multiplication";
    __truediv__, __rtruediv__, __itruediv__, divide, "division";
    __floordiv__, __rfloordiv__, __ifloordiv__, floor_divide, "floor division";
    __mod__, __rmod__, __imod__, remainder, "modulus";
    }
    in_place {
    __iand__, __and__, bitwise_and, "bitwise and";
    __ior__, __or__, bitwise_or, "bitwise or";
    __ixor__, __xor__, bitwise_xor, "bitwise xor";
    __ilshift__, __lshift__, left_shift, "left shift";
    __irshift__, __rshift__, right_shift, "right shift";
    }
    compare {
    __lt__, less, "less than";
    __le__, less_equal, "less than or equal";
    __gt__, greater, "greater than";
    __ge__, greater_equal, "greater than or equal";
    }
}

#[pymethods]
impl PyArray {
    fn __pow__(&self, value: &Bound<'_, PyAny>, _modulo: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let value = other(value, "power")?;
        Ok(ops::power(&self.array(), value.operand()).or_raise()?.into())
    }

    fn __rpow__(&self, value: &Bound<'_, PyAny>, _modulo: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let value = other(value, "power")?;
        Ok(ops::power(value.operand(), &self.array()).or_raise()?.into())
    }

    fn __ipow__(&self, value: &Bound<'_, PyAny>, _modulo: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = other(value, "inplace power")?;
        self.set(ops::power(&self.array(), value.operand()).or_raise()?);
        Ok(())
    }

    fn __matmul__(&self, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let value = other(value, "matrix multiplication")?.into_array();
        Ok(ops::matmul(&self.array(), &value).or_raise()?.into())
    }

    fn __imatmul__(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = other(value, "inplace matrix multiplication")?.into_array();
        self.set(ops::matmul(&self.array(), &value).or_raise()?);
        Ok(())
    }

    fn __neg__(&self) -> PyResult<PyArray> {
        Ok(self.array().negative().or_raise()?.into())
    }

    fn __pos__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __abs__(&self) -> PyResult<PyArray> {
        Ok(self.array().abs().or_raise()?.into())
    }

    fn __invert__(&self) -> PyResult<PyArray> {
        Ok(self.array().bitwise_invert().or_raise()?.into())
    }
}
