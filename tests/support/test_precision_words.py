"""How bfloat16 is multiplied, in words, for machines that nobody has at hand: AMX, slow instructions, refusals."""

import types

import pytest

from fastbp.support import precision

SLOW = "so all products are computed in float32"
REFUSED = "the system refuses AMX to this process"

CASES = [
    (("amx", True, False), "", ["by the CPU's tiles, AMX (avx512)"]),
    (("native", True, False), "", ["by the CPU's instruction (avx512)"]),
    (("native", False, False), "", ["this CPU multiplies bfloat16 no faster than float32", SLOW]),
    (("native", False, True), "", [REFUSED, "no faster than float32 in another way", SLOW]),
    (("emulated", True, False), "emulate", ["emulated with avx512, slowly: FASTBP_BF16=emulate is set"]),
    ((None, False, True), "amx", ["none: FASTBP_BF16=amx is set, and", REFUSED]),
    ((None, False, False), "amx", ["none: FASTBP_BF16=amx is set, and this machine has no AMX"]),
    ((None, False, False), "", ["none: neither the CPU nor the instruction set in use (avx512) has an instruction"]),
]


@pytest.mark.parametrize(("found", "wish", "words"), CASES, ids=lambda each: str(each))
def test_what_is_said_of_a_machine(found, wish, words, monkeypatch):
    kind, pays, refused = found
    machine = types.SimpleNamespace(
        bf16=lambda: kind, bf16_pays=lambda: pays, amx_refused=lambda: refused, isa=lambda: "avx512"
    )
    monkeypatch.setattr(precision, "kernels", machine)
    monkeypatch.setenv("FASTBP_BF16", wish)
    said = precision.explain_bf16()
    assert all(each in said for each in words), said
    assert said.startswith(words[0])
