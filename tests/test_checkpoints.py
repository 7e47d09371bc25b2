"""Weights come in whole and right, or not at all with one line that says why."""

import argparse
import copy
import sys
import types

import pytest
import torch
from reference.numbers import assert_close, network_weights, stored

import flatten_edu as fe
from flatten_edu.checkpoints import resize_square

TIMM_DEIT = "timm__deit_tiny_patch16_224"


def nano(**options):
    return fe.create_model("deit_nano", **options)


def same(a, b):
    return all(torch.equal(a.state_dict()[key], value) for key, value in b.state_dict().items())


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_ema"])
def test_own_files_come_back(tmp_path, wrapper):
    saved, model = nano(), nano()
    state = saved.state_dict()
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "weights.pt")
    assert fe.load_checkpoint(model, tmp_path / "weights.pt") == ("our own", [], [], [], [])
    assert same(model, saved)


def test_safetensors_files_come_back(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    saved, model = nano(), nano()
    safetensors.save_file(saved.state_dict(), tmp_path / "weights.safetensors")
    fe.load_checkpoint(model, str(tmp_path / "weights.safetensors"))
    assert same(model, saved)


def test_prefixes_of_wrappers_are_taken_off():
    saved, model = nano(), nano()
    state = {f"_orig_mod.module.{key}": value for key, value in saved.state_dict().items()}
    fe.load_checkpoint(model, state)
    assert same(model, saved)


def test_another_class_count_starts_a_fresh_head():
    saved = nano(num_classes=7)
    model = nano(num_classes=10)
    with pytest.warns(UserWarning, match="fresh head"):
        loaded = fe.load_checkpoint(model, saved.state_dict())
    assert loaded.fresh == ["head.weight", "head.bias"]
    assert torch.equal(model.blocks[2].attn.q.weight, saved.blocks[2].attn.q.weight)
    assert model.head.bias.abs().max() == 0 and 0 < model.head.weight.std() < 0.04


def test_a_model_without_head_takes_the_rest():
    saved, model = nano(), nano(num_classes=0)
    assert fe.load_checkpoint(model, saved.state_dict()).fresh == []
    assert torch.equal(model.norm.weight, saved.norm.weight)


def test_tables_come_to_the_grid_of_the_model():
    saved, model = nano(img_size=28), nano(img_size=(48, 40))
    torch.nn.init.normal_(saved.blocks[0].attn.mixer.mechanism.positional_encoding)
    loaded = fe.load_checkpoint(model, saved.state_dict())
    assert len(loaded.resized) == 4 and loaded.resized[0] == "pos_embed"
    images = torch.randn(2, 1, 48, 40)
    # The same resizing happens at call time, so both models agree.
    assert torch.allclose(model.eval()(images), saved.eval()(images), atol=1e-5)


@pytest.mark.parametrize(
    "case, grid",
    [
        ("positional_encoding_7x7_to_12x12", (12, 12)),
        ("positional_encoding_14x14_to_24x24", (24, 24)),
        ("relative_position_bias_table_7_to_12", (23, 23)),
        ("absolute_pos_embed_7x7_to_12x12", (12, 12)),
    ],
)
def test_tables_are_resized_as_published(case, grid):
    assert_close(
        resize_square(stored("resize", f"{case}.in"), grid), stored("resize", f"{case}.out")
    )


def test_nothing_is_written_when_anything_does_not_fit():
    model = nano()
    before = copy.deepcopy(model)
    state = nano().state_dict()
    state["blocks.0.norm1.weights"] = state.pop("blocks.0.norm1.weight")
    state["blocks.1.attn.q.weight"] = torch.zeros(3, 3)
    with pytest.raises(ValueError) as error:
        fe.load_checkpoint(model, state)
    message = str(error.value)
    assert "1 missing: blocks.0.norm1.weight" in message
    assert "1 unexpected: blocks.0.norm1.weights" in message
    assert "blocks.1.attn.q.weight is (3, 3) but must be (48, 48)" in message
    assert "\n" not in message and same(model, before)


def test_softmax_weights_start_a_focused_network_when_asked():
    softmax, focused = nano(attention="softmax"), nano(attention="focused")
    with pytest.raises(ValueError, match=r"missing: blocks\.0\.attn\.mixer\.mechanism\.scale"):
        fe.load_checkpoint(focused, softmax.state_dict())
    with pytest.warns(UserWarning, match="12 missing"):
        loaded = fe.load_checkpoint(focused, softmax.state_dict(), strict=False)
    assert len(loaded.missing) == 12
    assert torch.equal(focused.blocks[0].attn.kv.weight, softmax.blocks[0].attn.kv.weight)


def test_a_class_token_without_place_is_named():
    model = fe.create_model("deit_tiny", attention="softmax")
    with pytest.raises(ValueError, match=r"unexpected: cls_token, cls_pos; .* class_token=True"):
        fe.load_checkpoint(model, network_weights(TIMM_DEIT))


def test_weights_of_another_model_are_named():
    with pytest.raises(ValueError, match="do not fit DeiT"):
        fe.load_checkpoint(nano(), network_weights("timm__swin_tiny_patch4_window7_224"))
    with pytest.raises(ValueError, match=r"none of the 1 weights .* 'conv1'"):
        fe.load_checkpoint(nano(), {"conv1": torch.zeros(1)})


@pytest.mark.parametrize("name", ["no.pt", "no.safetensors"])
def test_what_is_no_checkpoint_is_said_in_one_line(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        fe.load_checkpoint(nano(), path)
    for content in (b"", b"hello, these are no weights", b"\x80\x02]q\x00.", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint|dict of tensors") as error:
            fe.load_checkpoint(nano(), path)
        assert "\n" not in str(error.value)


class Trap:
    def __reduce__(self):
        return (sys.exit, (3,))


def test_no_code_in_a_file_runs(tmp_path):
    torch.save({"model": nano().state_dict(), "config": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ValueError, match=r"sys.exit.*Save it again") as error:
        fe.load_checkpoint(nano(), tmp_path / "trap.pt")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.__version__ < (2, 6), reason="this torch cannot allow it")
def test_options_of_a_run_beside_the_weights_are_passed_over(tmp_path, monkeypatch):
    # The authors' runs keep a yacs tree of options in the file; yacs need not be installed.
    yacs = types.ModuleType("yacs.config")
    yacs.CfgNode = type("CfgNode", (dict,), {"__module__": "yacs.config"})
    monkeypatch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
    monkeypatch.setitem(sys.modules, "yacs.config", yacs)
    config = yacs.CfgNode(MODEL=yacs.CfgNode(NAME="nano"))
    config.__dict__["__immutable__"] = True
    saved, model = nano(), nano()
    options = {"config": config, "args": argparse.Namespace(lr=0.1), "epoch": 299}
    torch.save({"model": saved.state_dict(), **options}, tmp_path / "run.pth")
    monkeypatch.setitem(sys.modules, "yacs.config", None)
    fe.load_checkpoint(model, tmp_path / "run.pth")
    assert same(model, saved)


def test_other_sources_are_refused():
    with pytest.raises(TypeError, match="not Linear"):
        fe.load_checkpoint(nano(), torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="other entries: lr"):
        fe.load_checkpoint(nano(), {"lr": 0.1, "head.bias": torch.zeros(10)})


def test_safetensors_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match="pip install safetensors"):
        fe.load_checkpoint(nano(), tmp_path / "w.safetensors")


def family(name, **options):
    own = {"widths": (16, 32, 48, 64), "heads": (2, 4, 6, 8), "depths": (1, 2, 2, 1)}
    return fe.create_model(name, **({"num_classes": 5} | own | options))


@pytest.mark.parametrize("attention", ["softmax", "focused"])
@pytest.mark.parametrize("name", ["pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"])
def test_own_names_of_every_family(name, attention):
    saved, model = (family(name, attention=attention, img_size=64) for _ in range(2))
    assert fe.load_checkpoint(model, saved.state_dict()) == ("our own", [], [], [], [])
    assert same(model, saved)


# One file under three people's names: what each calls the same block's attention.
@pytest.mark.parametrize(
    "reference, own, names",
    [
        ("flatten_pvt_tiny", "pvt_tiny", "published PVT"),
        ("flatten_pvt_v2_b0", "pvt_v2_b0", "published PVT"),
        ("flatten_swin_tiny", "swin_tiny", "published Swin"),
        ("flatten_cswin_tiny", "cswin_tiny", "published CSwin"),
        ("timm__pvt_v2_b0", "pvt_v2_b0", "timm's PVTv2"),
        ("timm__swin_tiny_patch4_window7_224", "swin_tiny", "timm's Swin"),
    ],
)
def test_published_weights_at_another_size_and_class_count(reference, own, names):
    size = {"swin_tiny": (256, 320), "cswin_tiny": (256, 320)}.get(own, (96, 160))
    attention = "softmax" if "timm" in reference else "focused"
    model = fe.create_model(own, attention=attention, img_size=size, num_classes=3)
    weights = network_weights(reference)
    with pytest.warns(UserWarning, match=r"fresh head \(head.weight, head.bias\)"):
        loaded = fe.load_checkpoint(model, {"state_dict": weights})
    assert loaded.names == names and loaded.fresh == ["head.weight", "head.bias"]
    tables = [key for key in weights if key.endswith("positional_encoding") or "pos_embed" in key]
    assert len(loaded.resized) == len(tables)
    assert model(torch.zeros(1, 3, *size)).isfinite().all()


def test_larger_windows_resize_the_tables_of_biases():
    reference = "timm__swin_tiny_patch4_window7_224"
    weights = network_weights(reference)
    model = fe.create_model("swin_tiny", attention="softmax", window=12, img_size=384).double()
    loaded = fe.load_checkpoint(model, weights)
    assert len(loaded.resized) == 12
    key = "blocks.1.attn.relative_position_bias_table"
    ours = model.stages[2].blocks[1].attn.mixer.mixer.mechanism.relative_position_bias_table
    assert_close(ours.detach(), resize_square(weights[f"layers.2.{key}"], (23, 23)))


def test_places_of_pvt_are_resized_as_the_network_does_at_call_time():
    weights = network_weights("flatten_pvt_tiny_SSSS")
    built, called = (
        fe.create_model("pvt_tiny", attention="softmax", img_size=s).double().eval()
        for s in ((96, 160), 224)
    )
    assert len(fe.load_checkpoint(built, weights).resized) == 4
    fe.load_checkpoint(called, weights)
    images = torch.randn(1, 3, 96, 160).double()
    with torch.no_grad():
        assert_close(built(images), called(images))


def test_a_table_of_a_grid_that_is_not_square_is_named():
    saved, model = nano(img_size=(28, 56)), nano(img_size=56)
    with pytest.raises(ValueError, match=r"has 98 places, which is no square grid") as error:
        fe.load_checkpoint(model, saved.state_dict())
    assert "\n" not in str(error.value)


def test_derived_buffers_are_left_out():
    state = nano().state_dict()
    state["blocks.0.attn.relative_position_index"] = torch.zeros(4, 4, dtype=torch.long)
    state["blocks.1.attn_mask"] = torch.zeros(1, 4, 4)
    assert fe.load_checkpoint(nano(), state).unexpected == []
