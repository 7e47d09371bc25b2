"""What a CPU promises holds on a GPU: the numbers, half precision, the compiler, every command.

Skipped where there is none. `pytest tests/test_gpu.py` takes about three minutes on one.
"""

import copy
import itertools
import json

import pytest
import stress
import torch
from small_runs import SMALL, few_digits
from stress import BOUNDS, SIZES

import flatten_edu as fe
from flatten_edu.__main__ import main as command
from flatten_edu.attention import NAMES, SelfAttention, focused_attention, linear_attention
from flatten_edu.training import load_trained, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

POWERS = (1, 1.5, 3, 8, 32)
FORMS = ("readable", "inference", "compiled")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def error(output, reference):
    assert output.device.type == "cuda"
    return stress.error(output, reference)


def layer(attention="focused", p=3, dtype=torch.float32):
    return stress.layer(attention, p).to("cuda", dtype)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_functions_agree_with_float64(dtype, p):
    for size in SIZES:
        q, k, v = (torch.randn(3, 1, 2, 196, 64, device="cuda") * size).to(dtype)
        for function in (linear_attention, lambda q, k, v: focused_attention(q, k, v, p)):
            output, reference = function(q, k, v), function(q.double(), k.double(), v.double())
            assert output.dtype == dtype
            assert error(output, reference) <= BOUNDS[dtype], f"size {size}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_the_module_agrees_with_float64(dtype, p, form):
    module = layer(p=p, dtype=dtype).train(form == "readable")
    exact = copy.deepcopy(module).double().train()
    call = module
    if form == "compiled":
        torch._dynamo.reset()
        call = torch.compile(module, fullgraph=True)
    with torch.set_grad_enabled(form == "readable"):
        for size in SIZES:
            x = (torch.randn(1, 14, 14, 64, device="cuda") * size).to(dtype)
            output = call(x)
            assert output.dtype == dtype
            assert error(output, exact(x.double())) <= BOUNDS[dtype], f"size {size}"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_does_not_reach_the_mechanism(dtype):
    q, k, v = torch.randn(3, 1, 2, 196, 64, device="cuda") * 100
    with torch.autocast("cuda", dtype=dtype):
        output = focused_attention(q, k, v, p=32)
    assert error(output, focused_attention(q.double(), k.double(), v.double(), p=32)) <= 5e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("p", POWERS)
def test_the_module_under_autocast_agrees_with_float64(p, dtype):
    # Weights and input are numbers of the dtype: what is asked is what happens to them.
    module = layer(p=p, dtype=dtype).float()
    exact = copy.deepcopy(module).double()
    for size in SIZES:
        x = (torch.randn(1, 14, 14, 64, device="cuda") * size).to(dtype).float()
        with torch.autocast("cuda", dtype=dtype):
            output = module(x)
        assert error(output, exact(x.double())) <= BOUNDS[dtype], f"size {size}"


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_mechanism_gives_the_numbers_of_a_cpu(name, training):
    module = layer(name, dtype=torch.float64).train(training)
    here = copy.deepcopy(module).cpu()
    x = torch.randn(2, 14, 14, 64, dtype=torch.float64)
    outputs = [m(x.to(d)) for m, d in ((module, "cuda"), (here, "cpu"))]
    torch.testing.assert_close(outputs[0].cpu(), outputs[1], rtol=0, atol=1e-10)
    for output in outputs:
        output.square().sum().backward()
    for ours, theirs in zip(module.parameters(), here.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad.cpu(), theirs.grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("attention", ["softmax", "focused"])
@pytest.mark.parametrize("name", ["deit_nano", "pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"])
def test_networks_give_the_numbers_of_a_cpu(name, attention):
    torch.manual_seed(0)
    network = fe.create_model(name, attention=attention).double().eval()
    x = torch.randn(1, network.in_chans, *network.img_size, dtype=torch.float64)
    with torch.no_grad():
        expected = network(x)
        found = network.cuda()(x.cuda())
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=1e-9)


def test_one_graph_serves_every_batch():
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    module = layer().eval()
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=counter)
    with torch.no_grad():
        for batch in (2, 3, 5, 8, 13):
            x = torch.randn(batch, 14, 14, 64, device="cuda")
            torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=1e-5)
    assert counter.frame_count == 1


@pytest.mark.parametrize("p", [1, 3, 8, 32])
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("kind", ["zeros", "one-hot", "negative"])
def test_gradients_are_finite_on_degenerate_input(kind, dtype, p):
    x = torch.zeros(1, 6, 6, 16, device="cuda")
    if kind == "one-hot":
        x[..., 3] = 100
    if kind == "negative":
        x -= 5
    x = x.to(dtype).requires_grad_()
    module = SelfAttention(16, 2, "focused", grid=(6, 6), p=p).to("cuda", dtype)
    module(x).square().sum().backward()
    gradients = [x.grad, *(parameter.grad for parameter in module.parameters())]
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("attention", ["softmax", "focused"])
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_a_network_learns_in_every_precision(precision, attention, tmp_path):
    settings = {"patch_size": 2, "epochs": 8, "batch_size": 64, "device": "cuda"}
    result = train("deit_nano", "digits", attention=attention, precision=precision,
                   output=tmp_path / "run", **settings)  # fmt: skip
    losses = [row["train_loss"] for row in result.rows]
    assert losses[-1] < 0.8 * losses[0] and result.rows[-1]["test_accuracy"] > 0.3, losses
    loaded, _ = load_trained(tmp_path / "run" / "best.safetensors")
    assert next(loaded.parameters()).dtype == torch.float32


@pytest.mark.parametrize("extra", [{"compile": True}, {"checkpointing": True}, {"accumulate": 2}])
def test_what_scales_a_run_changes_its_loss_little(extra):
    settings = SMALL | {"device": "cuda", "epochs": 2}
    plain, changed = (
        train("deit_nano", few_digits(), **settings, **more).rows[-1]["train_loss"]
        for more in ({}, extra)
    )
    assert abs(plain - changed) < 0.05


def test_a_stopped_run_goes_on(tmp_path):
    settings = SMALL | {"device": "cuda", "epochs": 3}
    whole = train("deit_nano", few_digits(), **settings, output=tmp_path / "whole")
    steps = itertools.count(1)
    train("deit_nano", few_digits(), **settings, output=tmp_path / "part",
          stop=lambda: next(steps) == 13)  # fmt: skip
    rest = train("deit_nano", few_digits(), **settings, output=tmp_path / "part", resume=True)
    assert [row["epoch"] for row in rest.rows] == [1, 2, 3]
    for one, other in zip(whole.rows, rest.rows, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)


COMMANDS = {
    "doctor": "doctor",
    "bench": "bench --quick --device cuda --dtype bfloat16 --tokens 196 784 900 --training 196 "
    "--compiled 196 --models deit_nano --images 28 --compile-models deit_nano --rounds 2 "
    "--seconds 0 --output found",
    "payoff": "payoff --sizes 16,32 --arms softmax,focused+dwc --seconds 0.5 --device cuda "
    "--output found",
    "compare": "compare --task recall --arms softmax,focused+dwc --seeds 1 --epochs 1 "
    "--device cuda --output found",
    "train": "train --model deit_nano --data digits --option patch_size=2 --epochs 1 "
    "--device cuda --precision bf16 --output found",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_computes_there(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = command(words.split())
    printed = capsys.readouterr()
    assert code == 0 or words == "doctor", printed.out + printed.err
    if words == "doctor":
        assert torch.cuda.get_device_name() in printed.out
    if words.startswith("bench"):
        found = json.loads((tmp_path / "found.json").read_text())
        assert found["machine"]["device"] == torch.cuda.get_device_name()
        forms = {row["form"] for row in found["rows"] if row["work"] == "deit_nano"}
        assert forms == {"softmax", "focused", "compiled softmax", "compiled focused"}
