from __future__ import annotations

import asyncio
import base64
import io
import tracemalloc
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from dashboard.drawing.tiles import Tile, Tiles, draw_heat, draw_picture, heat_tile, picture_tile
from dashboard.frame.context import Services
from dashboard.main import SecurityHeaders, tile
from xai_core.drawing.colours import heat_layer, sign_scale, strength_scale
from xai_core.drawing.looks import Fade, cells_layer, fade_of, faded, outline_layer
from xai_core.drawing.seen import seen_size
from xai_core.explainers import EXPLAINERS
from xai_core.models.preprocess import Preprocess
from xai_core.triage.looks import LOOKS, Look

SEES_CENTRE = {"height": 16, "width": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "crop"}


def decoded(drawn: Tile) -> Image.Image:
    return Image.open(io.BytesIO(drawn.content))


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def fetched(path: str) -> Answer:
    """What the server's route and headers answer, without a network."""
    app = Starlette(routes=[Route("/tiles/{name}", tile)], middleware=[Middleware(SecurityHeaders)])
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        answer.body += message.get("body", b"")

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(app({**scope, "http_version": "1.1", "scheme": "http"}, receive, send))
    return answer


def test_a_picture_comes_by_its_address_and_may_be_kept(served: Services) -> None:
    study = served.studies["pets"]
    answer = fetched(picture_tile(served.tiles, study, study.run("net"), 3))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert Image.open(io.BytesIO(answer.body)).size == (16, 16)


@pytest.mark.parametrize("name", ["", "0" * 40, "../../etc/passwd", "s003", "\0"])
def test_an_unknown_name_is_not_found(served: Services, name: str) -> None:
    assert fetched(f"/tiles/{name}").status == 404


def name_of(address: str) -> str:
    return address.rsplit("/", 1)[-1]


def test_addresses_differ_between_servers_and_are_stable_within_one(served: Services) -> None:
    study, one, other = served.studies["pets"], Tiles(), Tiles()
    address = picture_tile(one, study, None, 1)
    assert picture_tile(one, study, None, 1) == address
    assert len({address, *(picture_tile(one, study, study.run("net"), row) for row in (1, 2))}) == 3
    assert picture_tile(other, study, None, 1) != address
    assert other.draw(name_of(address)) is None


def test_an_address_cannot_be_changed(served: Services) -> None:
    name = name_of(picture_tile(served.tiles, served.studies["pets"], None, 1))
    for place in range(len(name)):
        changed = name[:place] + ("A" if name[place] != "A" else "B") + name[place + 1 :]
        same = base64.urlsafe_b64decode(changed + "==") == base64.urlsafe_b64decode(name + "==")  # bits at the end
        assert same or served.tiles.draw(changed) is None
    assert all(served.tiles.draw(name[:length]) is None for length in range(len(name)))


def test_a_tile_is_drawn_once(served: Services) -> None:
    name = name_of(picture_tile(served.tiles, served.studies["pets"], None, 1))
    assert served.tiles.draw(name) is served.tiles.draw(name)


def test_a_map_is_read_when_the_browser_asks(served: Services) -> None:
    study = served.studies["pets"]
    maps = study.run("net").maps("gradcam", EXPLAINERS["gradcam"].params(), create=True)
    assert maps is not None
    address = heat_tile(served.tiles, maps, 3, "1", signed=False, scale=1.0, seen=(24, 16))
    assert fetched(address).status == 404  # not there yet, and not remembered as missing
    maps.put([3], ["1"], np.ones((1, 7, 7), np.float32))
    assert decoded(Tile(fetched(address).body, "")).size == (224, 149)


def test_looking_at_many_tiles_leaves_nothing_behind(served: Services) -> None:
    study = served.studies["pets"]
    maps = study.run("net").maps("gradcam", EXPLAINERS["gradcam"].params(), create=True)
    assert maps is not None
    tracemalloc.start()
    for row in range(2000):
        picture_tile(served.tiles, study, None, row)
        heat_tile(served.tiles, maps, row, "1", signed=False, scale=row / 7, seen=(24, 16))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000


def test_large_pictures_are_reduced_and_small_ones_keep_their_pixels() -> None:
    large = draw_picture(Image.new("RGB", (2000, 1000), "red"), None, side=256)
    assert (decoded(large).size, large.media_type) == ((256, 128), "image/jpeg")
    pixels = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    small = draw_picture(Image.fromarray(pixels), None, side=256)
    assert small.media_type == "image/png"
    np.testing.assert_array_equal(np.asarray(decoded(small)), pixels)


def test_the_picture_shows_what_the_model_sees() -> None:
    picture = Image.new("RGB", (60, 20), "red")
    picture.paste("blue", (20, 0, 40, 20))
    drawn = np.asarray(decoded(draw_picture(picture, SEES_CENTRE, side=256)))
    assert drawn.shape[:2] == (20, 20)
    assert (drawn == (0, 0, 255)).all()


@pytest.mark.parametrize("size", [(60, 24), (24, 60), (300, 500)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_padded_picture_is_drawn_as_the_model_sees_it_and_a_map_lies_on_it(
    size: tuple[int, int], channels: int
) -> None:
    """What is around the picture is drawn too, in its colour; a patch and the map of it are at one place."""
    preprocess = Preprocess(48, 48, channels, (0.0,) * channels, (1.0,) * channels, "pad", fill=(114,) * channels)
    left, top, side = size[0] // 2, size[1] // 4, min(size) // 4
    picture = Image.new("RGB", size)
    picture.paste("white", (left, top, left + side, top + side))
    drawn = np.asarray(decoded(draw_picture(picture, preprocess.as_dict(), side=256)).convert("L"))
    assert drawn.shape == pytest.approx((min(max(size), 256),) * 2, abs=2)
    assert drawn[0, -1] == pytest.approx(114, abs=3)
    heat = (preprocess.pixels(picture)[..., 0] > 200).astype(np.float32)
    layer = decoded(draw_heat(heat, signed=False, scale=1, seen=seen_size(preprocess.as_dict(), *size)))
    alpha = np.asarray(layer.convert("RGBA").resize(drawn.T.shape))[..., 3]
    middles = [np.argwhere(shown).mean(axis=0) for shown in (drawn > 200, alpha > alpha.max() / 2)]
    np.testing.assert_allclose(*middles, atol=1.5 * len(drawn) / 48)


def test_a_coarse_map_is_interpolated_in_the_shape_of_the_picture() -> None:
    heat = np.zeros((7, 7), np.float32)
    heat[3, 3] = 1
    drawn = decoded(draw_heat(heat, signed=False, scale=1, seen=(200, 100)))
    assert drawn.size == (224, 112)
    alpha = np.asarray(drawn.convert("RGBA"))[..., 3]
    assert alpha[56, 112] > 200
    assert alpha[5, 5] == 0


def test_a_fine_map_keeps_its_pixels_exactly() -> None:
    heat = np.linspace(-1, 1, 28 * 28, dtype=np.float32).reshape(28, 28)
    drawn = np.asarray(decoded(draw_heat(heat, signed=True, scale=1, seen=(28, 28))).convert("RGBA"))
    shown = heat_layer(heat, signed=True, scale=1)
    visible = shown[..., 3] > 0
    np.testing.assert_array_equal(drawn[visible], shown[visible])


def test_zero_is_transparent_and_signs_have_their_own_hue() -> None:
    layer = heat_layer(np.array([[-2.0, 0.0, 2.0, np.nan]], np.float32), signed=True, scale=2)[0]
    assert layer[:, 3].tolist() == [255, 0, 255, 0]
    assert layer[0, 2] > layer[0, 0]  # against: blue
    assert layer[2, 0] > layer[2, 2]  # for: red
    rectified = heat_layer(np.array([[-2.0, 2.0]], np.float32), signed=False, scale=2)[0]
    assert rectified[:, 3].tolist() == [0, 255]


def test_lightness_runs_straight() -> None:
    luminance = strength_scale().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -1.5).all()
    both = sign_scale().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert abs(both[:128] - both[:127:-1]).max() < 26
    assert both[127] > 240


def test_a_picture_whose_file_is_gone_is_not_found(served: Services) -> None:
    study = served.studies["pets"]
    for file in study.data.rglob("*.png"):
        file.unlink()
    assert fetched(picture_tile(served.tiles, study, study.run("net"), 3)).status == 404


LOOK_MAPS = {
    "fine": np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32),
    "coarse": np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32),
    "negative": np.full((30, 30), -1, np.float32),
    "missing": np.full((30, 30), np.nan, np.float32),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("heat", LOOK_MAPS)
@pytest.mark.parametrize("seen", [(300, 200), (1, 400)])
def test_every_look_has_the_shape_of_the_picture(look: Look, heat: str, seen: tuple[float, float]) -> None:
    drawn = decoded(draw_heat(LOOK_MAPS[heat], signed=True, scale=1, seen=seen, look=look))
    assert drawn.width / drawn.height == pytest.approx(seen[0] / seen[1], abs=0.05)


def test_looks_have_addresses_of_their_own(served: Services) -> None:
    maps = served.studies["pets"].run("net").maps("gradcam", EXPLAINERS["gradcam"].params(), create=True)
    assert maps is not None
    maps.put([3], ["1"], np.random.default_rng(0).random((1, 7, 7), np.float32))
    common: dict[str, Any] = {"signed": False, "scale": 1.0, "seen": (24, 16)}
    bodies = [fetched(heat_tile(served.tiles, maps, 3, "1", **common, look=look)).body for look in LOOKS]
    assert len(set(bodies)) == 3  # alone is the same layer, without the picture
    assert fetched(heat_tile(served.tiles, maps, 3, "1", **common)).body == bodies[0]


def test_blocks_are_flat_and_lines_close_around_the_spot() -> None:
    heat = np.zeros((40, 40), np.float32)
    heat[16:24, 16:24] = 1
    blocks = cells_layer(heat, (80, 80), signed=True, scale=25)
    assert (blocks[30:40, 30:40] == blocks[30, 30]).all()
    assert blocks[0, 0, 3] == 0
    line = outline_layer(heat, (160, 160))[..., 3] > 0
    assert line[80].sum() > 0
    assert not line[80, 80]
    assert not line[:40].any()
    assert not outline_layer(-heat, (160, 160)).any()


@pytest.mark.parametrize("to", ["light", "dark"])
def test_fading_keeps_shapes_and_loses_colour(to: Fade) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    before, after = np.asarray(picture.convert("L"), float), np.asarray(faded(picture, to), float)
    assert np.ptp(after, axis=2).max() == 0
    assert np.corrcoef(before.ravel(), after[..., 0].ravel())[0, 1] > 0.999
    assert after.min() > 150 if to == "light" else after.max() < 100
    assert len(np.unique(np.asarray(faded(picture, to, 0)))) == 1


def test_only_what_is_lost_on_a_coloured_picture_fades_it() -> None:
    assert fade_of("heat", signed=False, fine=False) is None
    assert fade_of("outline", signed=True, fine=True) is None
    assert fade_of("heat", signed=True, fine=True) == "light"
    assert fade_of("heat", signed=False, fine=True) == "dark"
    assert fade_of("alone", signed=False, fine=False) == "dark"
