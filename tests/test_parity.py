"""The networks and modules are the authors': the same numbers in float64, values and gradients."""

import pytest
import torch
from einops import rearrange
from reference.numbers import (
    CASES,
    NETWORKS,
    assert_close,
    case_input,
    case_weights,
    gradient_weights,
    has,
    network_images,
    network_weights,
    samples,
    stored,
)

import flatten_edu as fe
from flatten_edu.attention import SelfAttention


def make_case(name):
    """The module of a case, and a function from its input as stored to its output as stored."""
    case = CASES[name]
    grid = (case.get("H", case.get("window")), case.get("W", case.get("window")))
    module = SelfAttention(
        case["dim"],
        case["num_heads"],
        case["kind"],
        grid,
        case.get("focusing_factor", 3),
        case.get("kernel_size", 5),
        qkv_bias=case["qkv_bias"],
    ).double()
    return module, lambda x: on_map(module, x, grid)


def on_map(module, x, grid):
    x = rearrange(x, "b (y x) c -> b y x c", y=grid[0], x=grid[1])
    return rearrange(module(x), "b y x c -> b (y x) c")


PLAIN = [
    name
    for name, case in CASES.items()
    if case["family"] in ("pvt", "pvt_v2", "swin")
    and case["kind"] in ("focused", "softmax")
    and case.get("sr_ratio", 1) == 1
    and not case.get("linear")
    and not name.startswith("swin_softmax")
]


@pytest.mark.parametrize("name", PLAIN)
def test_modules_are_the_authors(name):
    module, run = make_case(name)
    fe.load_checkpoint(module, case_weights(name))
    x = case_input(name).requires_grad_()
    y = run(x)
    assert_close(y, stored("modules", name), name)
    if has("gradients", f"{name}/x"):
        check_gradients(name, module, x, y)


def check_gradients(name, module, x, y):
    """Gradients under the authors' names: ours, loaded back as if they were weights."""
    (y * gradient_weights(y.shape)).sum().backward()
    assert_close(x.grad, stored("gradients", f"{name}/x"), f"{name}: gradient of x")
    theirs = {key: stored("gradients", f"{name}/param.{key}") for key in CASES[name]["shapes"]}
    ours = {key: value.grad for key, value in module.named_parameters()}
    fe.load_checkpoint(module, theirs)
    for key, value in module.named_parameters():
        assert_close(ours[key], value.detach(), f"{name}: gradient of {key}")


def test_published_deit():
    name = "timm__deit_tiny_patch16_224"
    model = fe.create_model("deit_tiny", attention="softmax", class_token=True).double().eval()
    fe.load_checkpoint(model, network_weights(name))
    assert sum(p.numel() for p in model.parameters()) == NETWORKS[name]["parameters"]
    stages = []
    for number in (2, 5, 8, 11):
        model.blocks[number].register_forward_hook(lambda *call: stages.append(call[2]))
    with torch.no_grad():
        logits = model(network_images(name))
    assert_close(logits, stored("outputs", f"{name}/logits"), "logits")
    for number, tokens in enumerate(stages, start=1):
        check_stage(name, number, tokens)


def check_stage(name, number, tokens):
    """Shape, mean, standard deviation and 64 values of a stage's tokens b n c."""
    key = f"{name}/stage{number}"
    assert tuple(tokens.shape) == tuple(stored("outputs", f"{key}_shape"))
    assert_close(samples(tokens), stored("outputs", f"{key}_values"), f"stage {number}")
    assert_close(tokens.mean(), stored("outputs", f"{key}_mean"), f"mean of stage {number}")
    deviation = tokens.std(correction=0)
    assert_close(deviation, stored("outputs", f"{key}_std"), f"deviation of stage {number}")


OWN_NAMES = {"pvt": "pvt_{}", "pvt_v2": "pvt_v2_{}", "swin": "swin_{}", "cswin": "cswin_{}"}
LETTERS = {"L": "focused", "S": "softmax", "M": "mixed"}


def network_options(name):
    """What `create_model` takes for a record of models.json."""
    record = NETWORKS[name]
    kinds = [LETTERS[letter] for letter in record["attn_type"][:4]]
    if record["family"] in ("pvt", "pvt_v2"):
        options = {"focused_sr_ratios": [int(digit) for digit in record["la_sr_ratios"]]}
        if record.get("linear"):
            options["linear"] = True
    elif record["family"] == "swin":
        size = record["window_size"]
        options = {"focused_window": size, "window": 7 if size <= 56 else 12}
        # "LLMS3": three focused blocks, then softmax.
        kinds = [
            [LETTERS[block["attn"]] for block in stage] if "M" in record["attn_type"] else kind
            for stage, kind in zip(record["blocks"], kinds, strict=True)
        ]
    else:
        options = {"stripes": record["split_size"]}
    return options | {"attention": kinds}


def check_network(name, model):
    record = NETWORKS[name]
    model = model.double().eval()
    fe.load_checkpoint(model, network_weights(name))
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    maps = []
    for stage in model.stages:
        stage.register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.no_grad():
        logits = model(network_images(name))
    assert_close(logits, stored("outputs", f"{name}/logits"), "logits")
    for number, x in enumerate(maps, start=1):
        check_stage(name, number, rearrange(x, "b y x c -> b (y x) c"))


QUICK = (
    "flatten_pvt_tiny",
    "flatten_pvt_v2_b0",
    "flatten_swin_tiny",
    "flatten_swin_tiny_LLMS3_w14",
    "flatten_cswin_tiny",
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name, record in NETWORKS.items()
        if record["family"] in OWN_NAMES
    ],
)
def test_networks_are_the_authors(name):
    record = NETWORKS[name]
    own = OWN_NAMES[record["family"]].format(record["size"])
    check_network(name, fe.create_model(own, img_size=record["img_size"], **network_options(name)))


@pytest.mark.parametrize(
    "name",
    [
        "timm__pvt_v2_b0",
        pytest.param("timm__pvt_v2_b1", marks=pytest.mark.long),
        "timm__swin_tiny_patch4_window7_224",
    ],
)
def test_softmax_baselines_are_the_published(name):
    own = name.removeprefix("timm__").removesuffix("_patch4_window7_224")
    check_network(name, fe.create_model(own, attention="softmax"))
