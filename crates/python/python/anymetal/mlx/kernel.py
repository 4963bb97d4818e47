"""A Metal kernel on real MLX's arrays: read without a copy, computed by anymetal, returned in
arrays that MLX allocated."""

import mlx.core as mx

from anymetal import core

# MLX's own words for evaluating inside vmap, compile and export.
_TRACED = "during function transformations"
_NO_METAL = "No Metal back-end"


class Kernel:
    """What ``mx.fast.metal_kernel`` returns while the bridge is enabled."""

    def __init__(self, native, args, kwargs):
        # MLX's own constructor makes MLX's own checks, and its call makes those of a call.
        self._native = native(*args, **kwargs)
        self._ours = core.fast.metal_kernel(*args, **kwargs)
        self._name = args[0] if args else kwargs["name"]

    def __repr__(self):
        return f"<metal_kernel {self._name!r} on anymetal>"

    def __call__(self, *args, **kwargs):
        self._check(args, kwargs)
        arrays = [v if isinstance(v, mx.array) else mx.array(v) for v in kwargs["inputs"]]
        if not arrays:
            return self._run([], kwargs)
        return self._traceable(kwargs)(*arrays)

    def _check(self, args, kwargs):
        """Raises what MLX raises for these arguments."""
        kwargs = dict(kwargs)
        if kwargs.get("verbose") is True:
            kwargs["verbose"] = False
        # The accelerator that a kernel asks for is the one that runs it here.
        stream = kwargs.get("stream")
        if isinstance(stream, (mx.Device, mx.DeviceType)) and stream == mx.gpu:
            kwargs["stream"] = None
        try:
            self._native(*args, **kwargs)
        except RuntimeError as error:
            # The last of MLX's checks: all others passed.
            if _NO_METAL not in str(error):
                raise

    def _traceable(self, call):
        """The call as a function that MLX's transformations cannot mistake for a constant.

        The values are computed at once, so to MLX's tracer they would not depend on the inputs,
        and a gradient would silently be zero.
        """
        function = mx.custom_function(lambda *arrays: self._run(arrays, call))
        function.vjp(self._refuse("vjp"))
        function.jvp(self._refuse("jvp"))
        function.vmap(self._refuse("vmap"))
        return function

    def _refuse(self, what):
        def refuse(*_):
            # MLX's text for any custom kernel.
            raise ValueError(f"[Primitive::{what}] Not implemented for CustomKernel.")

        return refuse

    def _run(self, arrays, call):
        try:
            mx.eval(arrays)
        except ValueError as error:
            if _TRACED not in str(error):
                raise
            raise ValueError(
                f"[metal_kernel] `{self._name}`: a Metal kernel of anymetal.mlx cannot be called "
                "inside mx.vmap, mx.compile or mx.export_function, because it needs its inputs' "
                "values at the call; call it outside, or use anymetal.core instead of mlx.core"
            ) from None
        call = dict(call)
        dtypes = call["output_dtypes"]
        call["inputs"] = [core.from_dlpack(a) for a in arrays]
        call["output_dtypes"] = [_dtype(d) for d in dtypes]
        if call.get("template") is not None:
            call["template"] = [
                (name, _dtype(v) if isinstance(v, mx.Dtype) else v) for name, v in call["template"]
            ]
        call.pop("stream", None)
        outputs = self._ours(**call)
        return [_given_to_mlx(output, dtype) for output, dtype in zip(outputs, dtypes)]


def _dtype(dtype):
    """anymetal's dtype of the same name."""
    name = str(dtype).rpartition(".")[2]
    return core.bool_ if name == "bool" else getattr(core, name)


def _given_to_mlx(output, dtype):
    """An array of MLX's with the values of `output`, written into its own memory."""
    # As bytes: Python's memoryviews do not know every dtype's format.
    bytes_ = mx.zeros((output.nbytes,), mx.uint8)
    mx.eval(bytes_)
    if output.nbytes:
        memoryview(bytes_)[:] = memoryview(core.view(core.reshape(output, (-1,)), core.uint8))
    return mx.reshape(mx.view(bytes_, dtype), output.shape)
