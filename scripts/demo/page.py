"""The demo's page: one HTML file with everything in it, so that it opens without a network."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demo import pictures
from demo.check import SceneResult, Traffic
from prv2_ros.evaluation.frames import is_dense
from prv2_ros.geometry.depth_codec import add_scale, colourise, display_range, scale_ticks

HERE = Path(__file__).parent

PICTURE_WIDTH_PX = 1280
CLOSE_UP_PX = 160
CLOUD_POINTS = 36_000

INTRODUCTION = (
    "A ROS 2 node took these images over DDS from another process and published metric depth and a point cloud. "
    "What came back was recorded into a bag and is held here against the truth."
)

TABLE = (
    ("AbsRel, metric", "abs_rel", False),
    ("delta1, metric", "delta1", True),
    ("AbsRel, median scaled", "abs_rel_median", False),
    ("AbsRel, scale and shift", "abs_rel_affine", False),
    ("log-depth correlation", "log_depth_correlation", True),
    ("edge error within 3 px (m)", "edge_mae_m", False),
    ("soft edge error, SEE (m)", "soft_edge_error_m", False),
    ("boundary F1", "boundary_f1", True),
)
"""Label, score, and whether more is better."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One input on the page."""

    key: str
    title: str
    text: str
    result: SceneResult


def build_page(sections: Sequence[Section], counters: Mapping[str, str], facts: Mapping[str, str]) -> str:
    """Put the page together.

    Args:
        sections: the inputs, in order.
        counters: the node's own last diagnostics.
        facts: what the footer tells of this run.

    """
    body = [
        "<header><h1>Live depth from one camera</h1>",
        f"<p>{INTRODUCTION}</p></header>",
        _tiles(sections[-1].result),
        _traffic_table(sections),
        *(_section(section) for section in sections),
        _details("What the node said of itself (last message on /diagnostics)", counters),
        "<footer>" + " · ".join(f"{html.escape(k)}: {html.escape(v)}" for k, v in facts.items()) + "</footer>",
    ]
    style, script = (HERE / "style.css").read_text(), (HERE / "cloud.js").read_text()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Live depth from one camera</title><link rel="icon" href="data:,"><style>{style}</style></head>\n<body>'
        + "\n".join(body)
        + f"\n<script>{script}</script></body></html>\n"
    )


def overview(sections: Sequence[Section], height_px: int = 300) -> NDArray[np.uint8]:
    """One picture of the run for a README: image, depth with its scale, and points, a row for each input."""
    rows = []
    for section in sections:
        result = section.result
        near, far = _common_range(result.frame.truth_m, result.refined_m)
        depth = add_scale(colourise(result.refined_m, near, far), near, far)
        height, width = result.refined_m.shape
        view = pictures.cloud_view(result.points_xyz_m, result.points_rgb, width / height)
        rows.append(pictures.strip([result.frame.image, depth, pictures.draw_cloud(view, width, height)], height_px))
    widest = max(row.shape[1] for row in rows)
    padded = [pictures.pad_right(row, widest, below=8) for row in rows]
    return np.vstack(padded)[:-8]


def _tiles(result: SceneResult) -> str:
    traffic, refined = result.traffic, result.scores["refined"]
    tiles = [
        (f"{traffic.sent}", "frames of the drive sent at 10 Hz"),
        (f"{traffic.answered}", "depth images back"),
        (f"{traffic.dropped}", "dropped for a newer one"),
        (_ms(np.median(traffic.latencies_ms)), "median latency, image out to depth in"),
        (f"{refined['abs_rel']:.3f}", "AbsRel of the drive, metric"),
        (f"{refined['delta1']:.1%}", "of its pixels within a factor of 1.25"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{n}</b><span>{t}</span></div>' for n, t in tiles)
        + "</div>"
    )


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def _traffic_table(sections: Sequence[Section]) -> str:
    def row(title: str, traffic: Traffic) -> str:
        latencies = traffic.latencies_ms
        times = [_ms(float(f(latencies))) for f in (np.min, np.median, np.max)]
        cells = [str(traffic.sent), str(traffic.answered), str(traffic.dropped), *times]
        return f"<tr><th>{html.escape(title)}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"

    return (
        '<p class="note">Frames and latency, counted by the client. The newest frame '
        "wins: while one is worked on, only the latest waits.</p>"
        '<div class="scroll"><table><thead><tr><th>input</th><th>in</th><th>out</th><th>dropped</th>'
        "<th>latency, least</th><th>median</th><th>most</th></tr></thead><tbody>"
        + "".join(row(section.title, section.result.traffic) for section in sections)
        + "</tbody></table></div>"
    )


def _section(section: Section) -> str:
    result = section.result
    near, far = _common_range(result.frame.truth_m, result.refined_m)
    depths = {"refined": result.refined_m, "coarse": result.coarse_m, "truth": result.frame.truth_m}
    coloured = {name: colourise(np.asarray(depth, np.float32), near, far) for name, depth in depths.items()}
    errors = {name: pictures.error_picture(depths[name], result.frame.truth_m) for name in ("refined", "coarse")}
    width, height = result.frame.camera.width, result.frame.camera.height
    photo = _img(result.frame.image, f"{section.title}: the image that was sent")
    size = f"{width}x{height} px, focal length {result.frame.camera.fx:.0f} px"
    figures = [
        f"<figure>{photo}<figcaption><strong>Image</strong> as published, {size}</figcaption></figure>",
        _choice_figure(
            f"{section.key}-depth",
            coloured,
            {"refined": "refined (from the node)", "coarse": "coarse network alone", "truth": "truth"},
            _depth_legend(near, far)
            + "<figcaption><strong>Depth</strong> along the optical axis, in metres</figcaption>",
        ),
        _cloud_figure(result, section.title),
        _choice_figure(
            f"{section.key}-error",
            errors,
            {"refined": "refined (from the node)", "coarse": "coarse network alone"},
            _error_legend()
            + "<figcaption><strong>Error</strong> relative to the truth; grey where it is not known</figcaption>",
        ),
    ]
    return (
        f"<section><h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>"
        f'<div class="grid">{"".join(figures)}</div>'
        + (_close_ups(result, coloured) if is_dense(result.frame.truth_m) else "")
        + _score_table(result)
        + "</section>"
    )


def _img(picture: NDArray[np.uint8], alt: str, attributes: str = "") -> str:
    shown = pictures.fit(picture, PICTURE_WIDTH_PX)
    data = base64.b64encode(pictures.jpeg(shown)).decode()
    size = f'width="{shown.shape[1]}" height="{shown.shape[0]}"'
    return f'<img {attributes} {size} alt="{html.escape(alt)}" src="data:image/jpeg;base64,{data}">'


def _choice_figure(key: str, sheets: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, str], below: str) -> str:
    inputs = "".join(
        f'<input class="choice" type="radio" name="{key}" id="{key}-{name}"{" checked" if k == 0 else ""}>'
        for k, name in enumerate(sheets)
    )
    shown = "".join(_img(picture, labels[name], 'class="sheet"') for name, picture in sheets.items())
    tabs = "".join(f'<label for="{key}-{name}">{labels[name]}</label>' for name in sheets)
    return f'<figure>{inputs}<div class="sheets">{shown}</div><div class="tabs">{tabs}</div>{below}</figure>'


def _legend(colours: NDArray[np.uint8], ticks: Sequence[tuple[float, str]]) -> str:
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in colours.reshape(-1, 3).tolist())
    marks = "".join(f'<span class="{_tick_class(at)}" style="left:{100 * at:.2f}%">{text}</span>' for at, text in ticks)
    return f'<div class="bar" style="background:linear-gradient(90deg,{stops})"></div><div class="ticks">{marks}</div>'


def _tick_class(at: float) -> str:
    """Labels at the very ends stay inside the bar; those between an end and the middle give way on a phone."""
    return "first" if at < 0.03 else "last" if at > 0.97 else "between" if at in (0.25, 0.75) else ""


def _common_range(*depths_m: np.ndarray) -> tuple[float, float]:
    """One range of colours for truth and answer, or an answer of the wrong scale would show as one flat colour."""
    ranges = [display_range(np.asarray(depth, np.float32)) for depth in depths_m]
    return min(near for near, _ in ranges), max(far for _, far in ranges)


def _depth_legend(near: float, far: float) -> str:
    depths = np.geomspace(near, far, 33, dtype=np.float32)[None]
    ticks = [(math.log(t / near) / math.log(far / near), f"{t:g} m") for t in scale_ticks(near, far, most=7)]
    return _legend(colourise(depths, near, far), ticks)


def _error_legend() -> str:
    limit = round(100 * pictures.ERROR_LIMIT)
    ticks = [(0, f"{limit}% too near"), (0.25, f"-{limit // 2}%"), (0.5, "right"), (0.75, f"+{limit // 2}%")]
    return _legend(np.array(pictures.ERROR_COLOURS, np.uint8), [*ticks, (1, f"{limit}% too far")])


def _cloud_figure(result: SceneResult, title: str) -> str:
    camera = result.frame.camera
    width = min(PICTURE_WIDTH_PX, camera.width)
    height = round(width * camera.height / camera.width)
    view = pictures.cloud_view(result.points_xyz_m, result.points_rgb, width / height)
    still = _img(pictures.draw_cloud(view, width, height), f"{title}: the received points from the side")
    step = max(1, len(view.xyz) // CLOUD_POINTS)
    chosen = slice(step // 2, None, step)
    unit = float(np.abs(view.xyz[chosen]).max()) / 32767
    points = np.round(view.xyz[chosen] / unit).astype("<i2")
    data = base64.b64encode(points.tobytes() + np.ascontiguousarray(view.rgb[chosen]).tobytes()).decode()
    settings = {
        "points": data, "count": len(points), "unit": f"{unit:.9g}", "distance": f"{view.distance_m:.6g}",
        "focal": view.focal, "yaw": math.radians(pictures.VIEW_YAW_DEG), "pitch": math.radians(pictures.VIEW_PITCH_DEG),
    }  # fmt: skip
    attributes = " ".join(f'data-{name}="{value}"' for name, value in settings.items())
    rows, columns = result.points_xyz_m.shape[:2]
    return (
        f'<figure><div class="cloud">{still}<canvas width="{width // 2}" height="{height // 2}" tabindex="0" '
        f'aria-label="Point cloud; turn it with the arrow keys" {attributes}></canvas></div><figcaption><strong>Points'
        f"</strong> as received ({columns}x{rows}, organised), seen from above and the side; drag to turn"
        "</figcaption></figure>"
    )


def _close_ups(result: SceneResult, coloured: Mapping[str, NDArray[np.uint8]]) -> str:
    side = min(CLOSE_UP_PX, *result.frame.truth_m.shape)
    x, y = pictures.close_up_box(result.frame.truth_m, side)
    window = result.frame.truth_m[y : y + side, x : x + side]
    near, far = _common_range(window, result.refined_m[y : y + side, x : x + side])
    sheets = {"image": result.frame.image}
    labels = {"image": "image", "coarse": "coarse", "refined": "refined", "truth": "truth"}
    depths = {"coarse": result.coarse_m, "refined": result.refined_m, "truth": result.frame.truth_m}
    sheets |= {name: colourise(np.asarray(depth, np.float32), near, far) for name, depth in depths.items()}
    figures = "".join(
        f"<figure>{_img(pictures.crop(sheets[name], x, y, side, 2 * side), f'close-up: {label}')}"
        f"<figcaption>{label}</figcaption></figure>"
        for name, label in labels.items()
    )
    return f'<h3>Edges close up, {side} px of the image across</h3><div class="crops">{figures}</div>'


def _score_table(result: SceneResult) -> str:
    rows = []
    for label, key, more_is_better in TABLE:
        coarse, refined = (result.scores[variant].get(key, math.nan) for variant in ("coarse", "refined"))
        if not (math.isfinite(coarse) and math.isfinite(refined)):
            continue
        change = refined / coarse - 1 if coarse else math.copysign(math.inf, refined) if refined else 0.0
        verdict = "" if abs(change) < 0.005 else "better" if (change > 0) == more_is_better else "worse"
        shown = f"{change:+.1%}" if math.isfinite(change) else "none before,"
        rows.append(
            f"<tr><th>{label}</th><td>{coarse:.3f}</td><td>{refined:.3f}</td>"
            f'<td class="{verdict}">{shown} {verdict}</td></tr>'
        )
    frames = "1 frame" if result.scored_frames == 1 else f"mean of {result.scored_frames} frames"
    return (
        f'<h3>Against the truth</h3><p class="note">{frames}; refined is what the node published, '
        "coarse was computed while checking.</p>"
        '<div class="scroll"><table><thead><tr><th></th><th>coarse</th><th>refined</th><th>change</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _details(title: str, values: Mapping[str, str]) -> str:
    if not values:
        return ""
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in values.items())
    return (
        f"<details><summary>{html.escape(title)}</summary>"
        f'<div class="scroll"><table><tbody>{rows}</tbody></table></div></details>'
    )
