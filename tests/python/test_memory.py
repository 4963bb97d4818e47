"""Memory functions and what is known of devices."""

import anymetal.core as mx


def test_memory_of_arrays_is_counted():
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    a = mx.random.uniform(shape=(1000, 1000))
    a.tolist()
    assert mx.get_active_memory() >= before + 4_000_000
    assert mx.get_peak_memory() >= before + 4_000_000
    del a
    assert mx.get_active_memory() < before + 4_000_000
    assert mx.get_cache_memory() > 0
    mx.clear_cache()
    assert mx.get_cache_memory() == 0


def test_limits_return_the_former_value():
    old = mx.set_cache_limit(1 << 20)
    assert mx.set_cache_limit(old) == 1 << 20
    limit = mx.get_memory_limit()
    assert mx.set_memory_limit(limit) == limit
    assert mx.set_wired_limit(0) == 0


def test_devices_tell_the_truth():
    info = mx.device_info()
    assert info["device_name"] and info["architecture"]
    assert mx.device_info(mx.cpu) == info
    assert mx.device_info(mx.gpu) == {}
    assert mx.metal.is_available() is False
    assert mx.cuda.is_available() is False
    assert mx.metal.device_info() == {}
    assert mx.metal.start_capture("trace") is None and mx.metal.stop_capture() is None
    assert mx.metal.get_active_memory() == mx.get_active_memory()
