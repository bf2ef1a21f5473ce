"""Pictures for the demo, painted in code: a sky, a sun or moon, and ridge behind ridge in the mist."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageOps

SIZE = WIDTH, HEIGHT = 1600, 1200
RIDGES = 6


@dataclass(frozen=True)
class Landscape:
    """A title and the colours, from the top of the sky to the ridge in front."""

    title: str
    zenith: str
    horizon: str
    light: str
    mist: str
    front: str
    height_of_light: float
    """From 0, the top of the picture, to 1."""
    stars: int = 0


LANDSCAPES = [
    Landscape("First light", "#274472", "#f7c59f", "#fff1d0", "#e8a87c", "#1f2a44", 0.46),
    Landscape("Noon over the hills", "#3a8fd0", "#dff3ff", "#ffffff", "#b7dbe0", "#2d5d4b", 0.2),
    Landscape("The valley at dusk", "#3d2c5f", "#f08a5d", "#ffd9a0", "#b8527a", "#1c1533", 0.52),
    Landscape("Full moon", "#060b1f", "#2a4a7b", "#f2f4ff", "#34568b", "#070b18", 0.24, stars=400),
    Landscape("Dunes", "#d98e4f", "#ffe3b8", "#fff7e0", "#f2b56b", "#7a3b1d", 0.34),
    Landscape("Northern evening", "#0b3d4f", "#8fe0c8", "#f4fff6", "#3f8f8a", "#05212b", 0.4, stars=120),
]


def paint(landscape: Landscape, chance: random.Random) -> Image.Image:
    """The picture; another `chance` paints other mountains."""
    picture = _between(landscape.zenith, landscape.horizon)
    _add_stars(picture, landscape.stars, chance)
    picture = _with_light(picture, landscape, chance)
    for number in range(RIDGES):
        nearness = number / (RIDGES - 1)
        colour = _mixed(landscape.mist, landscape.front, nearness)
        picture.paste(_between(colour, _mixed(colour, landscape.front, 0.4)), mask=_ridge(nearness, chance))
    return picture


def _between(top: str, bottom: str) -> Image.Image:
    """A picture that changes evenly from one colour to another."""
    return ImageOps.colorize(Image.linear_gradient("L").resize(SIZE), top, bottom).convert("RGB")


def _add_stars(picture: Image.Image, count: int, chance: random.Random) -> None:
    draw = ImageDraw.Draw(picture)
    for _ in range(count):
        place = chance.uniform(0, WIDTH), chance.triangular(0, HEIGHT * 0.6, 0)
        draw.ellipse(_box(place, chance.uniform(0.5, 1.8)), fill="white")


def _with_light(picture: Image.Image, landscape: Landscape, chance: random.Random) -> Image.Image:
    """A sun or moon with its glow."""
    centre = chance.uniform(0.25, 0.75) * WIDTH, landscape.height_of_light * HEIGHT
    disc = _disc(centre, 70)
    glow = _disc(centre, 190).resize((WIDTH // 8, HEIGHT // 8)).filter(ImageFilter.GaussianBlur(18)).resize(SIZE)
    mask = ImageChops.lighter(disc, glow.point(lambda strength: strength * 0.7))
    return Image.composite(Image.new("RGB", SIZE, landscape.light), picture, mask)


def _disc(centre: tuple[float, float], radius: float) -> Image.Image:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse(_box(centre, radius), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(1.5))


def _box(centre: tuple[float, float], radius: float) -> tuple[float, float, float, float]:
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


def _ridge(nearness: float, chance: random.Random) -> Image.Image:
    """The mask of a chain of mountains: a sum of waves, each shorter and lower than the one before."""
    level = (0.5 + 0.38 * nearness) * HEIGHT
    waves = [(chance.uniform(0, math.tau), 0.11 * HEIGHT / 2**octave, 1.3 * 2**octave) for octave in range(7)]
    skyline = [
        (x, level - sum(height * math.sin(phase + x / WIDTH * math.tau * times) for phase, height, times in waves))
        for x in range(0, WIDTH + 1, 2)
    ]
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon([(0, HEIGHT), *skyline, (WIDTH, HEIGHT)], fill=255)
    return mask


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(ImageColor.getrgb(one), ImageColor.getrgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
