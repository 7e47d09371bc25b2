"""The form without gradients gives the readable form's numbers, wherever it is taken."""

import copy
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stress import BOUNDS, SIZES, layer
from torch import nn
from torch.testing import assert_close

from flatten_edu.analysis import record
from flatten_edu.attention import Focused, SelfAttention, TokenMixer, fast
from flatten_edu.bench.machine import peak_memory

POWERS = (1, 1.5, 2, 3, 4, 7, 8, 16, 32)


CALLS = []


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The calls of the form without gradients."""
    memory = fast.Memory
    monkeypatch.setattr(fast, "Memory", lambda *args: CALLS.append("a call") or memory(*args))
    CALLS.clear()
    return CALLS


def make(width=16, heads=4, attention="focused", grid=(6, 4), dtype=torch.float64, **options):
    torch.manual_seed(0)
    module = SelfAttention(width, heads, attention, grid, **options).to(dtype)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def error(output, reference):
    """Largest difference over the largest value; 0 for an empty batch."""
    assert output.shape == reference.shape and output.dtype == reference.dtype
    if not output.numel():
        return 0.0
    assert output.isfinite().all()
    return ((output - reference).abs().max() / reference.abs().max()).item()


def both(module, *args, method="forward", expected=1):
    """What the module gives in evaluation, and what its readable form gives."""
    before = len(CALLS)
    with torch.no_grad():
        output = getattr(module.eval(), method)(*args)
        assert len(CALLS) == before + expected
        reference = getattr(module.train(), method)(*args)
        assert len(CALLS) == before + expected
    module.eval()
    return output, reference


sides = st.tuples(st.integers(1, 6), st.integers(1, 6))
shapes = {
    "b": st.integers(0, 3),
    "heads": st.integers(1, 3),
    "d": st.integers(1, 8),
    "built": sides,
    "grid": sides,
    "p": st.sampled_from(POWERS),
    "size": st.sampled_from(SIZES),
    "options": st.fixed_dictionaries(
        {
            "attention": st.sampled_from(["focused", "linear"]),
            "depthwise": st.sampled_from([None, True, False]),
            "kernel_size": st.sampled_from([1, 3, 5]),
            "qkv_bias": st.booleans(),
        }
    ),
}


@given(**shapes, keys=st.none() | sides)
def test_maps_and_contexts_agree_in_float64(b, heads, d, built, grid, keys, p, size, options):
    module = make(heads * d, heads, grid=built, p=p, **options)
    x = torch.randn(b, *grid, heads * d, dtype=torch.float64) * size
    context = None if keys is None else torch.randn(b, *keys, heads * d, dtype=torch.float64)
    assert error(*both(module, x, context)) <= 1e-12


@given(**shapes, extra=st.integers(0, 2))
def test_tokens_in_front_of_the_grid_agree(b, heads, d, built, grid, p, size, options, extra):
    module = make(heads * d, heads, grid=built, p=p, **options)
    x = torch.randn(b, extra + grid[0] * grid[1], heads * d, dtype=torch.float64) * size
    assert error(*both(module, x, grid, method="attend")) <= 1e-12


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize(("width", "heads"), [(64, 1), (128, 2), (96, 3), (768, 12)])
def test_float32_agrees(width, heads, p):
    module = make(width, heads, grid=(14, 14), dtype=torch.float32, p=p)
    for size in SIZES:
        x = torch.randn(2, 14, 14, width) * size
        # A power multiplies rounding errors by p in both forms.
        assert error(*both(module, x)) <= 1e-6 * max(1, p / 8), f"size {size}"


@pytest.mark.parametrize("p", POWERS)
def test_float32_is_as_exact_as_the_readable_form(p, calls):
    module = make(64, 4, grid=(14, 14), dtype=torch.float32, p=p)
    exact = copy.deepcopy(module).double().train()
    with torch.no_grad():
        for size in SIZES:
            x = torch.randn(1, 14, 14, 64) * size
            assert error(module(x).double(), exact(x.double())) <= 5e-6, f"size {size}"
    assert len(calls) == len(SIZES)


@pytest.mark.parametrize("p", [1000, 1e6, 1e10, 2**100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_huge_power_leaves_the_largest_entries(dtype, p):
    module = make(64, 4, grid=(14, 14), dtype=dtype, p=p)
    fast, readable = both(module, torch.randn(2, 14, 14, 64, dtype=dtype))
    assert fast.isfinite().all() and readable.isfinite().all()
    assert error(fast, readable) <= (1e-6 if dtype == torch.float32 else 1e-12)
    module.train()(torch.randn(2, 14, 14, 64, dtype=dtype)).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


@pytest.mark.parametrize("p", [1, 3, 8, 32])
@pytest.mark.parametrize("kind", ["zeros", "one-hot", "negative", "large"])
def test_degenerate_input_agrees(kind, p):
    module = make(64, 4, grid=(6, 6), dtype=torch.float32, p=p)
    with torch.no_grad():
        for linear in (module.q, module.kv):
            linear.bias.zero_()
            linear.weight.copy_(torch.eye(64).repeat(linear.out_features // 64, 1))
        module.mixer.mechanism.positional_encoding.zero_()
    x = {
        "zeros": torch.zeros(1, 6, 6, 64),
        "one-hot": 100 * torch.eye(64)[torch.arange(36)].reshape(1, 6, 6, 64),
        "negative": -torch.rand(1, 6, 6, 64) - 1,
        "large": torch.rand(1, 6, 6, 64) * 1e6,
    }[kind]
    assert error(*both(module, x)) <= 1e-6 * max(1, p / 8)


@pytest.mark.parametrize("p", [1.5, 3, 8])
@pytest.mark.parametrize("size", [1e-12, 1e-4, 1, 1e4, 1e12])
def test_rows_of_every_length_agree(size, p):
    module = make(64, 4, grid=(6, 6), dtype=torch.float32, p=p)
    with torch.no_grad():
        module.mixer.mechanism.positional_encoding.mul_(size)
        for linear in (module.q, module.kv):
            linear.bias.mul_(size)
    x = torch.randn(2, 6, 6, 64)
    for scales in (torch.full((36,), size), torch.logspace(-6, 6, 36)):
        scaled = x * scales.reshape(6, 6, 1)
        assert error(*both(module, scaled)) <= 1e-6 * max(1, p / 4)


@pytest.mark.parametrize("together", [1, 24 * 16, 50 * 16, 10**9])
def test_samples_may_be_computed_in_groups(together, calls, monkeypatch):
    monkeypatch.setattr(fast, "TOGETHER", together)
    module = make()
    x = torch.randn(5, 6, 4, 16, dtype=torch.float64)
    context = torch.randn(5, 3, 2, 16, dtype=torch.float64)
    groups = {1: 5, 24 * 16: 5, 50 * 16: 3, 10**9: 1}[together]
    assert error(*both(module, x, expected=groups)) <= 1e-12
    assert error(*both(module, x, context, expected=groups)) <= 1e-12
    assert error(*both(module, context, x, expected=groups)) <= 1e-12


@pytest.mark.parametrize("shortest", [1, 5, 7, 23, 24])
@pytest.mark.parametrize("branch", [True, False])
def test_a_long_map_may_be_computed_in_blocks(shortest, branch, monkeypatch):
    monkeypatch.setattr(fast, "TOGETHER", 1)
    monkeypatch.setattr(fast, "SHORTEST", shortest)
    module = make(depthwise=branch)
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    context = torch.randn(2, 3, 2, 16, dtype=torch.float64)
    assert error(*both(module, x, expected=2)) <= 1e-12
    assert error(*both(module, x, context, expected=2)) <= 1e-12
    assert error(*both(module, context, x, expected=2)) <= 1e-12
    q, k, v = torch.randn(3, 2, 24, 16, dtype=torch.float64)
    assert error(*both(module.mixer, q, k, v, (6, 4))) <= 1e-12


@given(n=st.integers(0, 5000), b=st.integers(0, 4), c=st.sampled_from([1, 16, 128, 2048]))
def test_blocks_are_long_nearly_equal_and_hold_all_tokens(n, b, c):
    tokens = torch.arange(n).expand(b, n).unsqueeze(-1).expand(b, n, c)
    parts = [part for (part,) in fast.parts(fast.block_length(tokens), 1, tokens)]
    assert torch.equal(torch.cat(parts, 1), tokens)
    lengths = [part.shape[1] for part in parts]
    assert max(lengths) - min(lengths) < len(lengths)
    assert len(parts) == 1 or max(lengths) * b * c <= max(fast.TOGETHER, fast.SHORTEST * b * c)
    assert len(parts) == 1 or min(lengths) >= fast.SHORTEST // 2


def test_a_group_takes_little_memory_beside_the_output():
    module = make(dtype=torch.float32, width=64, grid=(32, 32))
    x = torch.randn(16, 32, 32, 64)

    def call():
        with torch.no_grad():
            module(x)

    call()
    # The output, and four times the tokens of the eight samples that are computed together.
    assert peak_memory(call, "cpu") <= 1.05 * (1 + 4 * 8 / 16) * x.nbytes


def test_arguments_stay_as_they_are(calls):
    mixer = make().mixer
    tensors = [torch.randn(2, 24, 16, dtype=torch.float64) for _ in range(3)]
    kept = [tensor.clone() for tensor in tensors]
    state = copy.deepcopy(mixer.state_dict())
    with torch.no_grad():
        first = mixer(*tensors, (6, 4))
        assert_close(mixer(*tensors, (6, 4)), first, rtol=0, atol=0)
    assert len(calls) == 2
    assert all(map(torch.equal, tensors, kept))
    assert all(torch.equal(state[name], value) for name, value in mixer.state_dict().items())


@pytest.mark.parametrize("layout", ["halves of one product", "channels first"])
def test_any_layout_of_memory_agrees(layout):
    mixer = make().mixer
    if layout == "channels first":
        q, k, v = torch.randn(3, 2, 16, 24, dtype=torch.float64).mT
    else:
        q, k, v = torch.randn(2, 24, 48, dtype=torch.float64).chunk(3, -1)
    assert error(*both(mixer, q, k, v, (6, 4))) <= 1e-12


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_runs_where_no_gradient_is_recorded(context, calls):
    module, x = make(), torch.randn(2, 6, 4, 16, dtype=torch.float64)
    with context():
        module(x)
    assert len(calls) == 1
    module.requires_grad_(False)
    assert not module(x).requires_grad
    assert len(calls) == 2


class Sharper(Focused):
    """Somebody's own places."""

    def places(self, grid, keys):
        return super().places(grid, keys).square()


class OtherMixer(TokenMixer):
    """Somebody's own branch."""

    def local(self, v, grid, key_grid):
        return 2 * super().local(v, grid, key_grid)


def subclass_the_mechanism(module):
    module.mixer.mechanism.__class__ = Sharper


def subclass_the_mixer(module):
    module.mixer.__class__ = OtherMixer


def hook(part):
    return lambda module: module.get_submodule(part).register_forward_hook(lambda *call: None)


def patch(module):
    branch = module.mixer.depthwise
    forward = branch.forward
    branch.forward = lambda v, grid: 3 * forward(v, grid)


def take_out(parameter):
    """A weight that is no parameter any more, such as the result of something learned."""

    def change(module):
        part, name = parameter.rsplit(".", 1)
        owner = module.get_submodule(part)
        weight = getattr(owner, name).detach().clone()
        delattr(owner, name)
        setattr(owner, name, weight)

    return change


def need_gradients(module):
    torch.set_grad_enabled(True)


@pytest.mark.parametrize(
    "change",
    [
        subclass_the_mechanism,
        subclass_the_mixer,
        hook("mixer.mechanism"),
        hook("mixer.depthwise"),
        patch,
        nn.Module.train,
        nn.Module.bfloat16,
        need_gradients,
        *map(take_out, ("mixer.mechanism.scale", "mixer.depthwise.weight")),
        lambda module: nn.utils.parametrizations.weight_norm(module.mixer.depthwise),
    ],
)
def test_all_else_takes_the_readable_form(change, calls):
    module = make()
    with torch.no_grad():
        change(module)
        dtype = next(module.parameters()).dtype
        x = torch.randn(2, 6, 4, 16, dtype=dtype)
        output = module(x)
    assert not calls
    with torch.no_grad():
        # With gradients the readable form computes f_p in another order.
        assert_close(output, module.train()(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parameter", ["q.weight", "kv.bias", "proj.weight"])
def test_a_weight_that_is_no_parameter_gets_its_gradient(parameter):
    module = make().requires_grad_(False)
    take_out(parameter)(module)
    weight = module.get_submodule(parameter.split(".")[0]).__dict__[parameter.split(".")[1]]
    weight.requires_grad_()
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    module(x).square().sum().backward()
    found, weight.grad = weight.grad, None
    module.train()(x).square().sum().backward()
    assert_close(found, weight.grad, rtol=1e-9, atol=1e-9)


def test_a_hooked_part_is_called(calls):
    module, seen = make(), []
    module.mixer.depthwise.register_forward_hook(lambda *call: seen.append(call[2].clone()))
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    with torch.no_grad():
        module(x)
    assert len(seen) == 1 and not calls


@pytest.mark.parametrize("part", ["q", "kv", "mixer"])
def test_who_watches_a_part_keeps_what_it_saw(part, calls):
    module, seen = make(), []

    def watch(_, inputs, output):
        tensors = [tensor for tensor in (*inputs, output) if torch.is_tensor(tensor)]
        seen.extend((tensor, tensor.clone()) for tensor in tensors)

    module.get_submodule(part).register_forward_hook(watch)
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    with torch.no_grad():
        module(x)
    assert len(calls) == 1 and len(seen) >= 2
    assert all(torch.equal(tensor, kept) for tensor, kept in seen)


@pytest.mark.parametrize("part", ["q", "proj"])
def test_frozen_attention_between_learning_projections_gets_its_gradients(part):
    module = make().requires_grad_(False)
    getattr(module, part).requires_grad_(True)
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    module(x).square().sum().backward()
    found = getattr(module, part).weight.grad.clone()
    module.zero_grad()
    module.train()(x).square().sum().backward()
    assert_close(found, getattr(module, part).weight.grad, rtol=1e-12, atol=1e-12)


def test_another_projection_is_used():
    class Lora(nn.Linear):
        def forward(self, x):
            return super().forward(x) + x.sum(-1, keepdim=True)

    module = make()
    x = torch.randn(2, 6, 4, 16, dtype=torch.float64)
    before = both(module, x)[0]
    module.kv.__class__ = Lora
    output, reference = both(module, x)
    assert error(output, reference) <= 1e-12
    assert (output - before).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_takes_the_readable_form(dtype):
    module, x = make(dtype=torch.float32), torch.randn(2, 6, 4, 16)
    with torch.autocast("cpu", dtype=dtype):
        output, reference = both(module, x, expected=0)
    assert_close(output, reference, rtol=0, atol=0)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_is_as_exact_as_its_dtype(dtype, p):
    module = layer(p=p).to(dtype).float().eval()
    exact = copy.deepcopy(module).double().train()
    with torch.no_grad():
        for size in SIZES:
            x = (torch.randn(1, 14, 14, 64) * size).to(dtype).float()
            with torch.autocast("cpu", dtype=dtype):
                output = module(x)
            assert error(output.double(), exact(x.double())) <= BOUNDS[dtype], f"size {size}"


def test_transforms_take_the_readable_form(calls):
    module = make().requires_grad_(False)
    x = torch.randn(3, 2, 6, 4, 16, dtype=torch.float64)
    each = torch.stack([module(part) for part in x])
    calls.clear()
    assert_close(torch.func.vmap(module)(x), each, rtol=0, atol=1e-12)
    step = torch.randn_like(x[0])
    with torch.no_grad():
        slope = torch.func.jvp(module, (x[0],), (step,))[1]
        assert not calls
        difference = (module(x[0] + 1e-6 * step) - module(x[0] - 1e-6 * step)) / 2e-6
    assert_close(slope, difference, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_trace_takes_the_readable_form(calls):
    module, x = make(), torch.randn(2, 6, 4, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.jit.trace(module, x, check_trace=False)
    assert not calls


def test_record_sees_the_same_maps(calls):
    module, x = make(), torch.randn(2, 6, 4, 16, dtype=torch.float64)
    with torch.no_grad(), record(module) as maps:
        output = module(x)
        kept = maps["attention"]
        reference = module.train()(x)
    assert len(calls) == 1
    assert kept is not maps["attention"] and torch.equal(kept, maps["attention"])
    assert error(output, reference) <= 1e-12


# What may happen to a module between two calls. Each takes it and a random generator, and gives
# the module that goes on.
def train(module, _):
    return module.train()


def evaluate(module, _):
    return module.eval()


def load(module, _):
    state = {name: torch.randn_like(value) for name, value in module.state_dict().items()}
    module.load_state_dict(state)
    return module


def assign(module, _):
    state = {name: torch.randn_like(value) for name, value in module.state_dict().items()}
    module.load_state_dict(state, assign=True)
    return module


def cast(module, chance):
    return module.to(chance.choice([torch.float32, torch.float64]))


def edit(module, chance):
    with torch.no_grad():
        chance.choice(list(module.parameters())).mul_(1.5).add_(0.1)
    return module


def edit_data(module, chance):
    parameter = chance.choice(list(module.parameters()))
    parameter.data = torch.randn_like(parameter)
    return module


def replace(module, chance):
    name, value = chance.choice(list(module.named_parameters()))
    owner, _, last = name.rpartition(".")
    setattr(module.get_submodule(owner), last, nn.Parameter(torch.randn_like(value)))
    return module


def learn(module, _):
    x = torch.randn(1, 3, 2, 8, dtype=module.proj.weight.dtype)
    module(x).square().sum().backward()
    nn.utils.clip_grad_norm_(module.parameters(), 1)
    torch.optim.SGD(module.parameters(), 0.1).step()
    module.zero_grad()
    return module


def duplicate(module, _):
    return copy.deepcopy(module)


def sharpen(module, chance):
    module.mixer.mechanism.p = chance.choice([1, 2, 3, 4.5])
    return module


EVENTS = (
    train,
    evaluate,
    load,
    assign,
    cast,
    edit,
    edit_data,
    replace,
    learn,
    duplicate,
    sharpen,
)


def fresh(module):
    """The readable form of a new module with this one's weights."""
    weight = module.proj.weight
    new = SelfAttention(8, 2, grid=(3, 2), p=module.mixer.mechanism.p, kernel_size=3)
    new.to(weight.dtype).load_state_dict(module.state_dict())
    return new.train()


def check_sequence(seed):
    chance = random.Random(seed)
    torch.manual_seed(seed)
    module = SelfAttention(8, 2, grid=(3, 2), kernel_size=3).eval()
    for _ in range(chance.randint(2, 12)):
        module = chance.choice(EVENTS)(module, chance)
        dtype = module.proj.weight.dtype
        x = torch.randn(2, 3, 2, 8, dtype=dtype)
        with torch.no_grad():
            bound = 1e-12 if dtype == torch.float64 else 5e-6
            assert error(module(x), fresh(module)(x)) <= bound, f"seed {seed}"


@pytest.mark.parametrize("sequences", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_nothing_is_kept_from_an_earlier_call(sequences, calls):
    for seed in range(sequences):
        check_sequence(seed)
    assert len(calls) > 2 * sequences
