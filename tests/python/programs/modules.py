"""`mlx.nn`, `mlx.optimizers` and `mlx.utils`, which are MLX's Python on top of `mlx.core`."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import pytest
from mlx.utils import tree_flatten, tree_map, tree_unflatten

# On the CPU MLX would write and build C++ for every compiled function.
mx.disable_compile()


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm = nn.RMSNorm(width)
        self.attention = nn.MultiHeadAttention(width, heads, bias=True)
        self.norm = nn.LayerNorm(width)
        self.layers = [nn.Linear(width, 2 * width), nn.Linear(2 * width, width, bias=False)]

    def __call__(self, x, mask=None):
        y = self.attention_norm(x)
        x = x + self.attention(y, y, y, mask)
        y = self.norm(x)
        return x + self.layers[1](nn.silu(self.layers[0](y)))


class Model(nn.Module):
    def __init__(self, vocabulary=13, width=16, heads=2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(Block(width, heads), Block(width, heads))
        self.out = nn.Linear(width, vocabulary)

    def __call__(self, tokens):
        x = self.embedding(tokens)
        return self.out(self.blocks(x))


def test_parameters_are_trees():
    model = Model()
    names = dict(tree_flatten(model.parameters()))
    assert names["blocks.layers.0.layers.1.weight"].shape == (16, 32)
    assert names["embedding.weight"].shape == (13, 16)
    halves = tree_map(lambda p: p.astype(mx.float16), model.parameters())
    model.update(halves)
    assert all(p.dtype == mx.float16 for _, p in tree_flatten(model.parameters()))
    model.set_dtype(mx.float32)
    model.freeze()
    assert tree_flatten(model.trainable_parameters()) == []


def test_layers():
    x = mx.random.normal((2, 5, 16))
    norm = nn.RMSNorm(16)
    assert mx.allclose(norm(x), mx.fast.rms_norm(x, norm.weight, norm.eps))
    layer = nn.LayerNorm(16)
    assert mx.abs(layer(x).mean(axis=-1)).max().item() < 1e-5
    linear = nn.Linear(16, 4)
    assert mx.allclose(linear(x), x @ linear.weight.T + linear.bias, rtol=1e-4, atol=1e-5)
    rope = nn.RoPE(8)
    turned = mx.fast.rope(x[..., :8], 8, traditional=False, base=10000.0, scale=1.0, offset=0)
    assert mx.allclose(rope(x[..., :8]), turned, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["relu", "gelu", "gelu_approx", "silu", "softplus", "mish", "elu"])
def test_activations(name):
    x = mx.linspace(-4, 4, 41)
    y = getattr(nn, name)(x)
    assert y.shape == x.shape and not mx.isnan(y).any()
    definitions = {
        "relu": lambda v: max(v, 0.0),
        "gelu": lambda v: v * 0.5 * (1 + math.erf(v / 2**0.5)),
        "silu": lambda v: v / (1 + math.exp(-v)),
        "softplus": lambda v: math.log1p(math.exp(v)),
    }
    if name in definitions:
        wanted = mx.array([definitions[name](v) for v in x.tolist()])
        assert mx.allclose(y, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optim.SGD(0.3, momentum=0.9),
        lambda: optim.Adam(1e-2),
        lambda: optim.AdamW(1e-2, weight_decay=0.01),
        lambda: optim.Lion(3e-3),
    ],
)
def test_training_a_model(optimizer):
    mx.random.seed(0)
    model, optimizer = Model(), optimizer()
    tokens = mx.random.randint(0, 13, (8, 10))

    def loss(model, tokens):
        return nn.losses.cross_entropy(model(tokens), (tokens + 1) % 13, reduction="mean")

    step = nn.value_and_grad(model, loss)
    losses = []
    for _ in range(25):
        value, grads = step(model, tokens)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        losses.append(value.item())
    assert losses[-1] < 0.6 * losses[0], losses


def test_saving_and_loading_weights(tmp_path):
    one, two = Model(), Model()
    tokens = mx.array([[1, 2, 3]])
    one.save_weights(str(tmp_path / "model.safetensors"))
    two.load_weights(str(tmp_path / "model.safetensors"))
    assert mx.array_equal(one(tokens), two(tokens))


def test_trees():
    tree = {"a": [mx.array(1), {"b": mx.array(2)}], "c": mx.array(3)}
    flat = tree_flatten(tree)
    assert [name for name, _ in flat] == ["a.0", "a.1.b", "c"]
    again = tree_unflatten(flat)
    assert again["a"][1]["b"].item() == 2
