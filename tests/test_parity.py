"""The networks and modules are the authors': the same numbers in float64, values and gradients."""

import pytest
import torch
from einops import rearrange
from reference.fill import fill, sample_index
from reference.numbers import (
    CASES,
    NETWORKS,
    assert_close,
    case_input,
    case_weights,
    gradient_weights,
    images,
    network_images,
    network_weights,
    samples,
    stored,
)

import flatten_edu as fe
from flatten_edu.attention import SelfAttention, TokenMixer
from flatten_edu.backbones.common import Block, Mlp
from flatten_edu.backbones.cswin import BranchMixer
from flatten_edu.backbones.pvt import PlacedEmbed
from flatten_edu.backbones.pvt_v2 import ConvolvedMlp
from flatten_edu.backbones.pyramid import MapConv, PatchEmbed
from flatten_edu.backbones.reduced import ReducedAttention
from flatten_edu.backbones.swin import PatchMerging, RelativeSoftmax
from flatten_edu.backbones.windows import WindowMixer
from flatten_edu.checkpoints import rename


def size_of(case):
    """The grid of a case's input; of a Swin case that of a window."""
    sides = [case.get(key) for key in ("H", "W", "resolution", "window") if case.get(key)]
    return (sides[0], sides[1]) if "H" in case else (sides[0], sides[0])


def mixing(case, grid):
    """The options of a case that every attention module takes."""
    kind = {"L": "focused", "S": "softmax"}.get(case.get("attn", ""), case["kind"])
    options = {"attention": kind, "grid": grid, "kernel_size": case.get("kernel_size", 5)}
    return options | {"p": case.get("focusing_factor", 3)}


def make_pvt(case, grid):
    ratio, pooled = case["sr_ratio"], 7 if case.get("linear") else None
    keys = (7, 7) if pooled else (grid[0] // ratio, grid[1] // ratio)
    return ReducedAttention(
        case["dim"],
        case["num_heads"],
        ratio,
        pooled,
        qkv_bias=case.get("qkv_bias", True),
        **mixing(case, keys),
    )


def make_swin(case, grid):
    options = mixing(case, grid)
    if options["attention"] == "softmax":
        options["attention"] = RelativeSoftmax(case["num_heads"], grid)
    return SelfAttention(case["dim"], case["num_heads"], qkv_bias=case["qkv_bias"], **options)


def make_swin_block(case, _):
    width, heads = case["dim"], case["num_heads"]
    window, shift = (case["window"],) * 2, (case["shift"],) * 2
    options = mixing(case, window)
    if options["attention"] == "softmax":
        options["attention"] = RelativeSoftmax(heads, window)
    mixer = WindowMixer(TokenMixer(width, heads, **options), window, shift)
    attention = SelfAttention(width, heads, mixer=mixer)
    return Block(width, attention, Mlp(width), drop_path=0, eps=1e-5)


def make_stripes(case, grid, branches=1, kind=None):
    width, heads = case["dim"] // branches, case["num_heads"] // branches
    split = case.get("split")
    window = {"vertical": (None, split), "horizontal": (split, None)}.get(
        kind or case["stripe"], (None, None)
    )
    places = MapConv(width, width, 3, padding=1, groups=width)
    return WindowMixer(TokenMixer(width, heads, **mixing(case, grid)), window, places=places)


def make_cswin_block(case, grid):
    width = case["dim"]
    kinds = ["full"] if case["split"] == grid[0] else ["vertical", "horizontal"]
    branches = [make_stripes(case, grid, len(kinds), kind) for kind in kinds]
    attention = SelfAttention(width, case["num_heads"], mixer=BranchMixer(branches))
    return Block(width, attention, Mlp(width), drop_path=0, eps=1e-5)


def make_pvt_block(case, grid):
    width = case["dim"]
    mlp = Mlp(width) if case["family"] == "pvt" else ConvolvedMlp(width, 4)
    return Block(width, make_pvt(case, grid), mlp, drop_path=0, eps=1e-6)


MAKERS = {
    "pvt": make_pvt,
    "pvt_v2": make_pvt,
    "swin": make_swin,
    "cswin": make_stripes,
    "pvt block": make_pvt_block,
    "pvt_v2 block": make_pvt_block,
    "swin block": make_swin_block,
    "cswin block": make_cswin_block,
    "pvt patch_embed": lambda case, _: PatchEmbed(3, case["dim"], 4, 4),
    "pvt_v2 patch_embed": lambda case, _: PatchEmbed(3, case["dim"], 7, 4, padding=3),
    "swin patch_merging": lambda case, _: PatchMerging(case["dim"], 2 * case["dim"]),
    "cswin merge": lambda case, _: PatchEmbed(case["dim"], 2 * case["dim"], 3, 2, padding=1),
}


# The names of single parts, where they are no part of a name in a network.
PART_NAMES = [(r"^conv\.", "proj."), (r"\bdwconv\.dwconv\.", "dwconv.")]


def run_case(name, module, x):
    """The module on an input as it is stored, giving an output as it is stored."""
    case, grid = CASES[name], size_of(CASES[name])
    if isinstance(module, WindowMixer):
        return module(*x, grid)
    pattern = "b c y x -> b y x c" if x.ndim == 4 else "b (y x) c -> b y x c"
    tokens = rearrange(x, pattern, y=x.shape[2] if x.ndim == 4 else grid[0])
    mask = stored("modules", f"{name}.mask") if case.get("masked") else None
    y = module(tokens) if mask is None else module(tokens, mask=mask)
    return rearrange(y, "b y x c -> b (y x) c")


@pytest.mark.parametrize("name", CASES)
def test_modules_are_the_authors(name):
    case = CASES[name]
    maker = " ".join(filter(None, [case["family"], case.get("part")]))
    module = MAKERS[maker](case, size_of(case)).double()
    weights = {rename(key, PART_NAMES): value for key, value in case_weights(name).items()}
    if case.get("qk_scale"):
        # Ours is always d^-0.5; another factor belongs into the queries' projection.
        factor = case["qk_scale"] * (case["dim"] // case["num_heads"]) ** 0.5
        for value in (weights["qkv.weight"], weights["qkv.bias"]):
            value[: case["dim"]] *= factor
    fe.load_checkpoint(module, weights)
    x = case_input(name).requires_grad_()
    y = run_case(name, module, x)
    assert_close(y, stored("modules", name), name)
    if case["gradients"]:
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


@pytest.mark.parametrize("size", [(256, 192), (200, 168)])
def test_other_image_sizes_are_the_authors(size):
    name = "flatten_pvt_tiny_SSSS"
    model = fe.create_model("pvt_tiny", attention="softmax").double().eval()
    fe.load_checkpoint(model, network_weights(name))
    with torch.no_grad():
        logits = model(images(size))
    assert_close(logits, stored("resize", f"{name}_logits_{size[0]}x{size[1]}"))


@pytest.mark.parametrize(
    "case, old, new",
    [
        ("4x4_to_6x5", (4, 4), (6, 5)),
        ("7x7_to_4x8", (7, 7), (4, 8)),
        ("4x4_to_2x8_same_count", (4, 4), (2, 8)),
    ],
)
def test_places_of_pvt_are_resized_as_published(case, old, new):
    table = stored("resize", f"pvt_pos_embed_{case}.in")
    embed = PlacedEmbed(3, table.shape[2], 4, old, first=True).double()
    embed.pos_embed.data = table
    resized, expected = embed.places(*new), stored("resize", f"pvt_pos_embed_{case}.out")
    assert_close(resized, expected)
    if "same_count" in case:
        assert torch.equal(resized, expected)


# 8 of the 1000 logits for the first image, from the published PVT's own source.
PVT_WITH_CLASS = {
    (224, 224): """
        0.142191513292 1.986611573292 0.736514852195 2.625749262286
        -0.530893208786 0.692841292351 1.191149664791 0.954780578287""",
    (200, 168): """
        0.181823264429 1.95692219417 -1.076011475085 1.777698131549
        -0.152647406689 0.390421751913 -0.120734720624 -0.615097737125""",
}


@pytest.mark.parametrize("size", PVT_WITH_CLASS)
def test_published_pvt_with_its_class_token(size):
    weights = network_weights("flatten_pvt_tiny_SSSS")
    for key, shape in (("cls_token", (1, 1, 512)), ("pos_embed4", (1, 50, 512))):
        weights[key] = torch.from_numpy(fill(key, shape))
    model = fe.create_model("pvt_tiny", attention="softmax", class_token=True).double().eval()
    assert fe.load_checkpoint(model, weights).resized == []
    assert sum(p.numel() for p in model.parameters()) == 13229288
    with torch.no_grad():
        logits = model(images(size, batch=1))
    expected = torch.tensor([float(x) for x in PVT_WITH_CLASS[size].split()], dtype=torch.float64)
    assert_close(logits.flatten()[sample_index(1000, 8)], expected)
