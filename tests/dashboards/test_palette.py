"""Whether people with color vision deficiencies can tell apart what charts draw side by side."""

import re
from itertools import combinations

import numpy as np
import pytest

from include.dashboards.app import STATIC
from include.dashboards.drawing.palette import HIGH, LOW, MUTED, PALETTE, STATES, mark, mark_of, template
from include.models.table import MODELS, name_blend
from include.problem.objectives.table import OBJECTIVES

# G. M. Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.0,
# on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
# Of each task: no chart shows the others.
MODELS_OF = [[name for name, model in MODELS.items() if model.task == task] for task in OBJECTIVES]
# CIE76; below 10 two colors are the same to most people.
APART = 15


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, vision: str) -> float:
    seen = [lab(VISIONS[vision] @ linear(color)) for color in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_distance_is_that_of_the_literature() -> None:
    assert distance("#000000", "#ffffff", "normal") == pytest.approx(100, abs=0.1)
    assert distance("#ff0000", "#00ff00", "normal") == pytest.approx(170.6, abs=0.5)
    assert distance("#c9504b", "#94664c", "protanopia") < 10 < distance("#c9504b", "#94664c", "normal")


@pytest.mark.parametrize("models", MODELS_OF)
@pytest.mark.parametrize("vision", VISIONS)
def test_model_types_of_close_colors_differ_in_symbol_dash_and_pattern(vision: str, models: list[str]) -> None:
    for one, other in combinations(map(mark_of, models), 2):
        if distance(one.color, other.color, vision) < APART:
            assert one.symbol != other.symbol
            assert one.dash != other.dash
            assert one.pattern != other.pattern


@pytest.mark.parametrize("models", MODELS_OF)
def test_every_model_type_has_a_mark_of_its_own(models: list[str]) -> None:
    marks = [mark_of(model) for model in models]
    assert len({mark.symbol for mark in marks}) == len({(m.color, m.dash, m.pattern) for m in marks}) == len(models)
    assert mark_of("unknown").color == MUTED


@pytest.mark.parametrize("model", MODELS)
def test_blend_has_the_color_of_its_model_type_and_another_symbol_and_pattern(model: str) -> None:
    own, blend = mark_of(model), mark_of(name_blend(model))
    assert blend.color == own.color
    assert blend.symbol not in {mark_of(each).symbol for each in MODELS}
    assert blend.pattern not in {mark_of(each).pattern for each in MODELS}


def test_as_many_again_would_be_told_apart() -> None:
    assert len({(mark(at).color, mark(at).dash) for at in range(24)}) == 24


@pytest.mark.parametrize("vision", VISIONS)
def test_colors_of_a_chart_differ_for_everyone(vision: str) -> None:
    for one, other in combinations(PALETTE, 2):
        assert distance(one, other, vision) > APART, (one, other)
    assert distance(LOW, HIGH, vision) > 2 * APART
    assert distance(STATES["success"], STATES["failed"], vision) > APART


@pytest.mark.parametrize("ground", ["#ffffff", "#1c2536"])
def test_colors_stand_out_from_both_backgrounds(ground: str) -> None:
    for color in (*PALETTE, LOW, HIGH):
        assert contrast(color, ground) > 2.7, color
    assert contrast(MUTED, ground) > 3


STYLE = (STATIC / "page.css").read_text()


@pytest.mark.parametrize(("theme", "selector"), [("light", ":root"), ("dark", ":root.dark")])
def test_texts_are_read_and_fields_are_found_in_both_themes(theme: str, selector: str) -> None:
    declared = STYLE.partition(f"\n{selector} {{")[2].partition("}")[0]
    colors = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", declared))
    texts = [colors[name] for name in ("ink", "quiet", "accent", "good", "bad", "warn")]
    for color in (*texts, template(theme).layout.font.color):
        assert contrast(color, colors["card"]) > 4.5, color
    assert contrast(colors["edge"], colors["card"]) > 3
    assert "::placeholder { color: var(--quiet); opacity: 1; }" in STYLE
    assert re.findall(r"\nselect, input, button \{[^}]*border: 1px solid var\(--([a-z]+)\)", STYLE) == ["edge"]
