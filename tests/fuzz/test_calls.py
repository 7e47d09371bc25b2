"""No public function ends in a traceback from inside a library, whatever it is given."""

import os
import random
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange import JUNK, judge, or_junk, tensors

import flatten_edu as fe
from flatten_edu import arms, complexity
from flatten_edu.attention import NAMES, registry

EXAMPLES = 20_000
# What somebody's own function raises is theirs to read, so no odd function stands for a name.
NAMED = or_junk(st.sampled_from([*NAMES, "focussed", "Softmax"]), 4).filter(
    lambda attention: not callable(attention)
)
POWER = or_junk(st.sampled_from([1, 2, 3, 4.5, 32, 0.5, -1]), 4)
GRID = or_junk(st.one_of(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(1, 5)), 4)
SMALL = or_junk(st.integers(1, 9), 4)
MAPS = or_junk(tensors((2, 6, 6)))


def qkv(draw):
    b, h, n, d = draw(st.sampled_from([(1, 1, 4, 4), (2, 2, 6, 8), (1, 3, 9, 2), (0, 1, 4, 4)]))
    return {name: draw(or_junk(tensors((b, h, n, d)), 12)) for name in "qkv"}


def mean_mixing(q, k, v):
    return v.mean(2, keepdim=True).expand(-1, -1, q.shape[2], -1)


def wrong_mixing(q, k, v):
    return v[..., :1]


FUNCTION = st.sampled_from([mean_mixing, wrong_mixing])
ATTENTION = st.one_of(NAMED, FUNCTION, st.lists(NAMED, max_size=4))
TARGETS = {}


def target(function):
    """Name a way to draw a call: it returns the function, its arguments, and more names."""
    TARGETS[function.__name__] = function
    return function


@target
def softmax_attention(draw):
    extra = {"bias": draw(or_junk(tensors((6, 6))))} if draw(st.booleans()) else {}
    return fe.attention.softmax_attention, qkv(draw) | extra, ()


@target
def linear_attention(draw):
    return fe.attention.linear_attention, qkv(draw), ()


@target
def focused_attention(draw):
    return fe.attention.focused_attention, qkv(draw) | {"p": draw(POWER)}, ()


@target
def focus(draw):
    return fe.attention.focus, {"x": draw(or_junk(tensors((3, 4)))), "p": draw(POWER)}, ()


@target
def depthwise_matrix(draw):
    arguments = {"kernel": draw(or_junk(tensors((3, 3)))), "grid": draw(GRID)}
    return fe.attention.depthwise_matrix, arguments, ()


@target
def self_attention(draw):
    options = {
        "width": or_junk(st.sampled_from([8, 12, 16]), 8),
        "heads": or_junk(st.sampled_from([1, 2, 4]), 8),
        "attention": st.one_of(NAMED, FUNCTION),
        "grid": GRID,
        "p": POWER,
        "kernel_size": or_junk(st.sampled_from([1, 3, 5, 4]), 8),
        "depthwise": or_junk(st.sampled_from([None, True, False]), 8),
        "qkv_bias": or_junk(st.booleans(), 8),
    }
    chosen = {name: draw(options[name]) for name in ("width", "heads")}
    chosen |= {name: draw(s) for name, s in options.items() if draw(st.booleans())}
    x = draw(or_junk(tensors((2, 3, 3, 8))))

    def layer(**options):
        with torch.no_grad():
            return fe.attention.SelfAttention(**options)(x)

    return layer, chosen, ("x", "attention", "grid", "width")


@target
def attention_map(draw):
    found = qkv(draw)
    arguments = {"q": found["q"], "k": found["k"], "attention": draw(st.one_of(NAMED, FUNCTION))}
    arguments |= {"p": draw(POWER), "grid": draw(GRID)}
    return fe.analysis.attention_map, arguments, ("v", "xca")


@target
def of_a_map(draw):
    name = draw(st.sampled_from(["row_entropy", "numerical_rank", "effective_rank"]))
    return getattr(fe.analysis, name), {"map": draw(MAPS)}, ()


@target
def create_model(draw):
    options = {
        "attention": ATTENTION,
        "num_classes": SMALL,
        "in_chans": SMALL,
        "img_size": or_junk(st.sampled_from([28, 32, 56, 33, (28, 56)]), 6),
        "p": POWER,
        "kernel_size": SMALL,
        "depthwise": or_junk(st.sampled_from([None, True, False]), 6),
        "drop_path": or_junk(st.floats(0, 1), 4),
        "depth": SMALL,
        "width": or_junk(st.sampled_from([24, 48]), 6),
        "heads": SMALL,
        "patch_size": or_junk(st.sampled_from([2, 4, 7]), 6),
        "class_token": or_junk(st.booleans(), 4),
        "positions": or_junk(st.sampled_from(["learned", "sincos"]), 4),
        "qkv_bias": or_junk(st.booleans(), 4),
        "strange_option": JUNK,
    }
    count = draw(st.integers(0, 3))
    chosen = draw(st.lists(st.sampled_from(sorted(options)), min_size=count, max_size=count))
    arguments = {name: draw(options[name]) for name in chosen}
    arguments["name"] = draw(or_junk(st.just("deit_nano"), 9))
    images = draw(or_junk(tensors((1, 1, 28, 28)), 9))

    def model(name, **options):
        made = fe.create_model(name, **options).eval()
        with torch.no_grad():
            return made(images), made.feature_maps(images)

    return model, arguments, ("images", "model", "option", "options", "unknown", "v", "img_size")


SIZES = {"depths": (1, 1, 1, 1), "num_classes": 2}


@target
def create_pyramid(draw):
    four = st.lists(st.integers(-1, 8), min_size=3, max_size=5)
    options = {
        "attention": ATTENTION,
        "img_size": or_junk(st.sampled_from([32, 64, (32, 64)]), 4),
        "depths": or_junk(four, 2),
        "widths": or_junk(four, 2),
        "heads": or_junk(four, 2),
        "mlp_ratios": or_junk(four, 2),
        "sr_ratios": or_junk(four, 2),
        "focused_sr_ratios": or_junk(four, 2),
        "window": SMALL,
        "focused_window": SMALL,
        "stripes": or_junk(four, 2),
        "linear": JUNK,
        "class_token": JUNK,
    }
    name = draw(st.sampled_from(["pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"]))
    chosen = draw(st.sampled_from(sorted(options)))
    arguments = SIZES | {chosen: draw(options[chosen])}

    def model(**options):
        with torch.device("meta"):
            return fe.create_model(name, **options)

    return (
        model,
        arguments,
        ("option", "options", "unknown", "setting", "grid", "heads", "attention"),
    )


@target
def list_models(draw):
    return fe.list_models, {"family": draw(JUNK)}, ()


@target
def load_checkpoint(draw):
    weights, shapes = dict(WEIGHTS), {key: value.shape for key, value in WEIGHTS.items()}
    for key in draw(st.lists(st.sampled_from(sorted(weights)), max_size=3)):
        weights[key] = draw(or_junk(tensors(shapes[key]), 2))
    for key in draw(st.lists(st.sampled_from(sorted(weights)), max_size=2)):
        weights.pop(key, None)
    if draw(st.booleans()):
        weights |= draw(st.dictionaries(st.text(max_size=8), JUNK, max_size=2))
    source = draw(or_junk(st.just(weights), 4))
    if draw(st.integers(0, 3)) == 0:
        source = {draw(st.sampled_from(["model", "state_dict", "model_ema", "x"])): source}
    arguments = {"model": draw(or_junk(st.just(MODEL), 12)), "source": source}
    arguments |= {"strict": draw(st.booleans())}
    names = ("checkpoint", "weights", "missing", "unexpected", "key", "keys")
    return fe.load_checkpoint, arguments, names


MODEL = fe.create_model("deit_nano", depth=1, width=24, heads=2, patch_size=7)
WEIGHTS = MODEL.state_dict()


@target
def load_data(draw):
    from flatten_edu.data import load_data

    # A folder that is there would be searched for pictures, with all that lies below it.
    return load_data, {"name": draw(JUNK.filter(lambda name: not is_folder(name)))}, ("data",)


def is_folder(name):
    try:
        return isinstance(name, (str, os.PathLike)) and Path(name).is_dir()
    except ValueError:
        return False


@target
def photo(draw):
    from flatten_edu.data import photo

    name = draw(or_junk(st.sampled_from(["camera", "coffee", "brick"]), 4))
    return photo, {"name": name, "size": draw(or_junk(st.integers(1, 64), 2))}, ("photo",)


@target
def load_task(draw):
    from flatten_edu.tasks import load_task

    arguments = {"name": draw(or_junk(st.just("recall"), 4))}
    if draw(st.booleans()):
        arguments[draw(st.sampled_from(["tokens", "heads", "x"]))] = draw(JUNK)
    return load_task, arguments, ("task", "option", "options")


@target
def find_arm(draw):
    name = draw(or_junk(st.sampled_from(["focused+dwc", "dwc", "linear+", "+", "a:b+dwc"]), 2))
    return arms.find_arm, {"name": name}, ("arm", "attention", "module")


@target
def explore(draw):
    picture = draw(or_junk(st.sampled_from([fe.plots.figure4, fe.plots.pair]), 3))
    values = {"p": draw(or_junk(st.lists(st.floats(1, 9), min_size=1, max_size=3), 2))}
    if draw(st.integers(0, 3)) == 0:
        values["nonsense"] = draw(JUNK)
    return fe.explore, {"picture": picture} | values, ("figure4",)


@target
def check(draw):
    name = draw(st.sampled_from(["focus", "softmax_attention", "row_entropy"]))
    answer = draw(JUNK)
    return getattr(fe.coursework.check, name), {"function": answer}, (name,)


@target
def multiply_adds(draw):
    size = draw(or_junk(st.sampled_from([28, 56, (28, 56)]), 2))
    return complexity.multiply_adds, {"model": MODEL, "img_size": size}, ("images",)


def one_call(data, name):
    function, arguments, more = TARGETS[name](data.draw)
    state, dtype, names = torch.get_rng_state(), torch.get_default_dtype(), set(registry._ARMS)
    if name == "explore":
        arguments = dict(arguments)
        picture = arguments.pop("picture")
        judge(lambda: function(picture, **arguments), {"picture", *arguments, *more})
    else:
        judge(lambda: function(**arguments), {*arguments, *more})
    assert torch.get_default_dtype() == dtype and set(registry._ARMS) == names
    if name not in ("create_model", "self_attention", "create_pyramid", "load_checkpoint"):
        assert torch.equal(state, torch.get_rng_state()), "it drew from the global numbers"


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_strange_arguments_get_a_value_or_one_clear_line(name, data):
    one_call(data, name)


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_20000_strange_calls(name):
    seed = random.randrange(2**32) if "FUZZ_SEED" in os.environ else 1

    @settings(
        max_examples=-(-EXAMPLES // len(TARGETS)),
        derandomize=seed == 1,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def calls(data):
        one_call(data, name)

    calls()
