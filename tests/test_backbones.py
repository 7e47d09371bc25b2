"""What every family promises: any size, any mechanism, and what users of model libraries expect."""

import copy
import io
import pickle

import pytest
import torch

import flatten_edu as fe
from flatten_edu.backbones.registry import options_of
from flatten_edu.backbones.windows import cuts

FAMILIES = ["deit_tiny", "pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"]
PYRAMIDS = FAMILIES[1:]
MECHANISMS = ["softmax", "linear", "focused"]

# Tokens a side of each stage, for the sides that the sizes below have.
GRIDS = {
    "deit_tiny": "224 14, 256 16, 192 12, 200 12, 168 10, 97 6, 131 8",
    "pvt_tiny": """224 56 28 14 7, 256 64 32 16 8, 192 48 24 12 6, 200 50 25 12 6,
        168 42 21 10 5, 97 24 12 6 3, 131 32 16 8 4""",
    "pvt_v2_b0": """224 56 28 14 7, 256 64 32 16 8, 192 48 24 12 6, 200 50 25 13 7,
        168 42 21 11 6, 97 25 13 7 4, 131 33 17 9 5""",
    "swin_tiny": """224 56 28 14 7, 256 64 32 16 8, 192 48 24 12 6, 200 50 25 13 7,
        168 42 21 11 6, 97 24 12 6 3, 131 32 16 8 4""",
    "cswin_tiny": """224 56 28 14 7, 256 64 32 16 8, 192 48 24 12 6, 200 50 25 13 7,
        168 42 21 11 6, 97 24 12 6 3, 131 33 17 9 5""",
}
SIZES = [(224, 224), (256, 192), (200, 168), (97, 131)]


def small(name, **options):
    """A narrow network of the family, with a shifted block in every stage of Swin."""
    torch.manual_seed(0)
    if name.startswith("deit"):
        own = {"width": 48, "depth": 2, "heads": 3}
    else:
        own = {"widths": (16, 32, 48, 64), "heads": (2, 4, 6, 8), "depths": (2, 2, 2, 1)}
    return fe.create_model(name, **({"num_classes": 5} | own | options))


def runs_at(model, name, size):
    """Forward, backward, feature maps at an image size."""
    images = torch.randn(1, 3, *size)
    model.train()
    logits = model(images)
    torch.nn.functional.cross_entropy(logits, torch.tensor([1])).backward()
    assert logits.isfinite().all()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    with torch.no_grad():
        maps = model.feature_maps(images)
    rows = [[int(word) for word in row.split()] for row in GRIDS[name].split(",")]
    tokens = {side: stages for side, *stages in rows}
    expected = list(zip(*(tokens[side] for side in size), strict=True))
    assert [tuple(x.shape[2:]) for x in maps] == expected
    widths = getattr(model, "widths", [model.width])
    assert [x.shape[1] for x in maps] == list(widths)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("attention", MECHANISMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_any_image_size(name, attention, size):
    stages = [attention] * (1 if name.startswith("deit") else 4)
    runs_at(small(name, attention=stages), name, size)


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("attention", MECHANISMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_any_image_size_of_published_networks(name, attention, size):
    runs_at(fe.create_model(name, attention=attention, num_classes=5), name, size)


@pytest.mark.parametrize("attention", MECHANISMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_made_for_another_size_agrees_with_one_that_is_called_with_it(name, attention):
    # The tables that a checkpoint brings are resized as they are resized at call time.
    # Swin's bias tables for a smaller window are an exception: at call time they are cut.
    size = (256, 224) if name.startswith("swin") else (160, 96)
    made, called = (small(name, attention=attention, img_size=s) for s in (size, 224))
    for key, value in called.state_dict().items():
        if "positional_encoding" in key or "bias_table" in key:
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    fe.load_checkpoint(made, called.state_dict())
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert torch.allclose(made.eval()(images), called.eval()(images), atol=1e-4)


def my_attention(q, k, v):
    weights = (q @ k.mT).sigmoid()
    weights = weights / weights.sum(-1, keepdim=True)
    return weights @ v


@pytest.mark.parametrize("name", FAMILIES)
def test_a_function_of_three_lines_trains_a_step(name):
    model = small(name, attention=my_attention)
    used = sum(
        "my_attention" in repr(part) for part in model.modules() if not list(part.children())
    )
    assert used >= len(getattr(model, "blocks", [])) + 7 * hasattr(model, "stages")
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    images, classes = torch.randn(4, 3, 64, 64), torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(4):
        loss = torch.nn.functional.cross_entropy(model(images), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", PYRAMIDS)
def test_mechanisms_by_stage_and_by_block(name):
    attention = ["focused", ["softmax", my_attention], "linear", ["softmax"]]
    model = small(name, attention=attention)
    kinds = [
        {type(m).__name__ for m in block.modules() if isinstance(m, fe.attention.Mechanism)}
        for stage in model.stages
        for block in stage.blocks
    ]
    soft = {"RelativeSoftmax"} if name.startswith("swin") else {"Softmax"}
    focused = {"Focused"}
    assert kinds == [focused, focused, soft, {"Function"}, focused, focused, soft]
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 5)


def test_the_paper_s_stages():
    for name in FAMILIES:
        attention = fe.create_model(name).attention
        stages = ["focused" if name[:3] in ("dei", "pvt") or i < 2 else "softmax" for i in range(4)]
        assert [set(stage) for stage in attention] == [{s} for s in stages[: len(attention)]]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_option_of_every_family(name):
    options = {"p": 4, "kernel_size": 3, "depthwise": True, "drop_path": 0.2, "in_chans": 1}
    model = small(name, attention="linear", img_size=(64, 96), qkv_bias=False, **options)
    assert model.train()(torch.randn(2, 1, 64, 96)).shape == (2, 5)
    branches = [m for m in model.modules() if isinstance(m, fe.attention.DepthwiseBranch)]
    assert branches and all(branch.kernel_size == (3, 3) for branch in branches)
    drops = [m.rate for m in model.modules() if type(m).__name__ == "DropPath"]
    assert drops[0] == 0 and drops[-1] == 0.2 and drops == sorted(drops)
    assert not any(key.endswith(("q.bias", "kv.bias")) for key in model.state_dict())
    assert set(options) | {"attention", "num_classes", "img_size"} <= set(options_of(type(model)))


def two_stages(name):
    """One focused block and two of softmax: following every einops pattern takes compilers long."""
    own = {"sr_ratios": (2, 1), "focused_sr_ratios": (1, 1)} if "pvt" in name else {}
    own = {"window": 4} if name.startswith("swin") else own
    own = {"stripes": (1, 2)} if name.startswith("cswin") else own
    if name.startswith("deit"):
        return small(name, depth=1).eval()
    own |= {"widths": (16, 32), "heads": (2, 4), "depths": (1, 2), "mlp_ratios": (4, 4)}
    return small(name, attention=["focused", "softmax"], **own).eval()


def test_compiled_without_a_break():
    torch._dynamo.reset()
    model, images = two_stages("swin_tiny"), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        assert torch.allclose(compiled(images), model(images), atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_code_is_equal(name):
    torch._dynamo.reset()
    model, images = two_stages(name), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True)
        assert torch.allclose(compiled(images), model(images), atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_training_has_the_same_gradients(name):
    torch._dynamo.reset()
    model, images = two_stages(name).train(), torch.randn(2, 3, 64, 64)
    gradients = []
    for run in (model, torch.compile(model, fullgraph=True, backend="aot_eager")):
        model.zero_grad()
        run(images).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))


def export(model):
    batch = torch.export.Dim("batch", min=1, max=64)
    example = (torch.randn(2, 3, 64, 64),)
    program = torch.export.export(model, example, dynamic_shapes={"images": {0: batch}})
    for size in (2, 5):
        images = torch.randn(size, 3, 64, 64)
        with torch.no_grad():
            assert torch.allclose(program.module()(images), model(images), atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_exported_with_any_batch_and_equal(name):
    export(two_stages(name))


@pytest.mark.long
@pytest.mark.parametrize("attention", MECHANISMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_whole_networks_are_exported(name, attention):
    export(small(name, attention=attention).eval())


@pytest.mark.parametrize("name", FAMILIES)
def test_pickled_and_copied(name):
    model = small(name).eval()
    images = torch.randn(1, 3, 64, 64)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    twins = [
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        torch.load(file, weights_only=False),
    ]
    with torch.no_grad():
        assert all(torch.equal(twin(images), model(images)) for twin in twins)


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpointing_changes_no_gradient(name):
    model, images = small(name).train(), torch.randn(2, 3, 64, 64)
    gradients = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        model.zero_grad()
        calls = []
        hook = model.head.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        model(images).square().sum().backward()
        hook.remove()
        assert len(calls) == 1
        gradients.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_checkpointing_runs_blocks_again():
    model = small("pvt_tiny").train()
    runs = []
    model.stages[0].blocks[0].mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    model.set_grad_checkpointing()
    model(torch.randn(1, 3, 64, 64)).sum().backward()
    assert len(runs) == 2
    model.eval()(torch.randn(1, 3, 64, 64)).sum().backward()
    assert len(runs) == 3


@pytest.mark.parametrize("name", FAMILIES)
def test_classifier_is_reset(name):
    model, images = small(name).double().eval(), torch.randn(2, 3, 64, 64).double()
    model.reset_classifier(3)
    assert model(images).shape == (2, 3) and model.head.weight.dtype == torch.float64
    model.reset_classifier(0)
    assert model(images).shape == (2, model.width)
    assert torch.equal(model(images), model.pool(model.forward_features(images)))
    bare = small(name, num_classes=0)
    assert not any(key.startswith("head") for key in bare.state_dict())


@pytest.mark.parametrize("name", FAMILIES)
def test_first_values(name):
    model = small(name)
    for key, value in model.state_dict().items():
        kind = key.rpartition(".")[2]
        if kind in ("scale", "positional_encoding"):
            assert not value.any()
        elif key.endswith(("attn.q.weight", "fc1.weight", "head.weight")):
            assert 0.015 < value.std() < 0.022 and value.abs().max() < 0.12
        elif key.endswith(("fc1.bias", "kv.bias", "head.bias")):
            assert not value.any()
    if name == "pvt_v2_b0":
        assert not model.stages[0].embed.proj.bias.any()
        weight = model.stages[0].embed.proj.weight
        assert weight.std().item() == pytest.approx((2 / (49 * 16)) ** 0.5, rel=0.1)


def test_parameters_without_decay():
    assert fe.create_model("pvt_tiny").no_weight_decay() == set()
    assert small("pvt_tiny", class_token=True).no_weight_decay() == {"cls_token"}
    assert fe.create_model("deit_tiny", class_token=True).no_weight_decay() == {
        "pos_embed",
        "cls_token",
        "cls_pos",
    }
    names = small("swin_tiny").no_weight_decay()
    assert len(names) == 3
    assert all(name.endswith("relative_position_bias_table") for name in names)


@pytest.mark.parametrize("name", ["deit_tiny", "pvt_tiny"])
def test_a_class_token_trains_and_has_no_place_on_the_map(name):
    model = small(name, class_token=True).train()
    images = torch.randn(2, 3, 96, 64)
    tokens = model.forward_features(images)
    assert torch.equal(model(images), model.head(tokens[:, 0]))
    grid = model.feature_maps(images)[-1].shape[2:]
    assert tokens.shape[1] == grid[0] * grid[1] + 1
    model(images).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.cls_token.grad.abs().sum() > 0


def test_the_unused_norm_waits_for_no_gradient():
    model = small("pvt_tiny").train()
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == ["norm.weight", "norm.bias"]
    assert not any(p.requires_grad for p in model.norm.parameters())


@pytest.mark.parametrize("attention", ["softmax", "focused"])
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_of_every_block_are_recorded(name, attention):
    model = small(name, attention=attention).eval()
    with fe.analysis.record(model) as maps, torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    blocks = len(getattr(model, "blocks", [])) or sum(len(s.blocks) for s in model.stages)
    assert len({name.partition(".branches")[0] for name in maps}) == blocks
    for map in maps.values():
        assert map.min() >= 0 and map.sum(-1).max() < 1 + 1e-9
        # Focused rows are shorter where a query has nothing positive: 1e-6 is added below.
        assert attention == "focused" or map.sum(-1).min() > 1 - 1e-9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_is_near(name, dtype):
    model, images = small(name).eval(), torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        exact = model(images)
        half = copy.deepcopy(model).to(dtype)(images.to(dtype))
        with torch.autocast("cpu", dtype):
            mixed = model(images)
    assert half.dtype == mixed.dtype == dtype
    for near in (half, mixed):
        assert (near.float() - exact).abs().max() < 0.05 * exact.abs().max() + 0.01


def test_a_side_is_cut_into_whole_windows_and_a_rest():
    assert cuts(14, 7) == [(0, 14, 7)]
    assert cuts(5, 5) == [(0, 5, 5)]
    assert cuts(16, 7) == [(0, 14, 7), (14, 16, 2)]


def test_windows_do_not_see_each_other_nor_around_the_border():
    model = small("swin_tiny", attention="softmax", window=4, img_size=40).eval()
    attend = model.stages[0].blocks[1].attn
    assert attend.mixer.shift == (2, 2)
    x = torch.randn(1, 10, 10, 16)
    changed = x.clone()
    changed[:, 0, 0] += 1
    with torch.no_grad():
        moved = (attend(changed) - attend(x)).abs().sum(-1)[0] > 1e-6
    # The corner's window after the shift: rows and columns 0 and 1.
    assert moved[:2, :2].all() and not moved[2:].any() and not moved[:, 2:].any()


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("swin_tiny", {"window": 0}, "window must be a number of tokens from 1"),
        ("swin_tiny", {"focused_window": "7"}, "focused_window must be"),
        ("cswin_tiny", {"stripes": (1, 2, 7)}, "stripes must have one entry a stage, 4 in all"),
        ("cswin_tiny", {"heads": (1, 2, 4, 8), "attention": "softmax"}, "heads must be even"),
        ("pvt_tiny", {"sr_ratios": 8}, "sr_ratios must have one entry a stage"),
        ("pvt_v2_b0", {"focused_sr_ratios": [1]}, "focused_sr_ratios must have one entry"),
        (
            "pvt_tiny",
            {"img_size": 31},
            r"img_size must be .* of at least 32 pixels, but is \(31, 31\)",
        ),
        ("deit_tiny", {"img_size": (16, 15)}, "at least 16 pixels"),
        ("pvt_tiny", {"class_token": True, "focused_sr_ratios": (8, 4, 2, 2)}, "keeps every key"),
        ("swin_tiny", {"drop_path": 1.0}, "drop_path must be at least 0 and below 1"),
        ("swin_tiny", {"attention": "fokused"}, "attention must be 'softmax'"),
        ("pvt_tiny", {"attention": ["focused"] * 3}, "one entry a stage, 4 in all"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        fe.create_model(name, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name, smallest", list(zip(FAMILIES, [16, 32, 1, 4, 3], strict=True)))
def test_the_smallest_image(name, smallest):
    model = small(name).eval()
    assert model.smallest == smallest
    assert model(torch.randn(1, 3, smallest, smallest)).isfinite().all()
    for images in (torch.randn(1, 3, smallest - 1, 64), torch.randn(1, 4, 64, 64)):
        with pytest.raises(ValueError, match=f"sides of at least {smallest} pixels") as error:
            model(images)
        assert "\n" not in str(error.value)


def test_options_of_another_family_are_named():
    with pytest.raises(TypeError, match="pvt_tiny has no option 'window'") as error:
        fe.create_model("pvt_tiny", window=7)
    assert "sr_ratios" in str(error.value) and "depths" in str(error.value)
    with pytest.raises(TypeError, match=r"no option 'sr_ratio'; did you mean 'sr_ratios'\?"):
        fe.create_model("pvt_tiny", sr_ratio=1)


def test_all_published_names_are_there():
    names = fe.list_models()
    for family, sizes in {
        "deit": ["tiny", "small", "base", "nano"],
        "pvt": ["tiny", "small", "medium", "large"],
        "pvt_v2": ["b0", "b1", "b2", "b3", "b4", "b5"],
        "swin": ["tiny", "small", "base"],
        "cswin": ["tiny", "small", "base"],
    }.items():
        assert fe.list_models(family) == [f"{family}_{size}" for size in sizes]
        assert set(fe.list_models(family)) <= set(names)
