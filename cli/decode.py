"""`nwb-mtm decode`: trial columns and behaviour from spikes, rates, latents and the clock."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import build_config, build_sources, plain_sources, selection_options, source_options, window_options

if TYPE_CHECKING:
    from nwb_mtm.decoding.results import Decoding, LabelDecoding, SeriesDecoding

S = TypeVar("S")
EPILOG = """\b
Examples:
  nwb-mtm decode runs/session session.nwb
  nwb-mtm decode runs/session session.nwb --target choice --target wheel
  nwb-mtm decode counts session.nwb --align stim_on_time --after 0.3
"""


@click.command("decode", epilog=EPILOG)
@click.argument("model")
@click.argument("sources", nargs=-1, required=True)
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Trial column or series; may be repeated.")
@click.option("--published", is_flag=True, help="Labels from every bin as it is, as in the paper.")
@click.option("--permutations", type=click.IntRange(0), default=200, show_default=True, help="Draws of the null.")
@click.option("--no-regions", is_flag=True, help="Leave out single regions.")
@click.option("--no-sliding", is_flag=True, help="Leave out sliding windows.")
@click.option("--split", metavar="KIND", help="blocks, random, tail or column:NAME, without a model.")
@click.option("--json", "as_json", is_flag=True, help="As under `decoding` in scores.json.")
@source_options
@window_options
@selection_options
def command(model: str, sources: tuple[str, ...], **chosen: Any) -> None:
    """Decode trial columns and behaviour of SOURCES.

    MODEL is a run folder or a .safetensors file; the word `counts` in its place
    decodes the spikes alone. Every figure stands beside what the clock reaches:
    time in the session and in the trial, and the labels before. Exit code 1
    when nothing can be decoded.
    """
    from nwb_mtm.decoding.results import Decoding
    from nwb_mtm.road.decoding import decode_sources
    from nwb_mtm.road.gathering import Said

    from .reading import watch
    from .show import console, show_warning

    found = []
    events: Iterator[Said | Decoding] = watch(
        decode_sources(
            model,
            plain_sources(sources),
            targets=chosen["targets"] or None,
            config=_config(chosen),
            source_options=build_sources(chosen),
            strict=bool(chosen["strict"]),
            settings=build_config(chosen) if model == "counts" else _changed(model, chosen),
        )
    )
    for event in events:
        if isinstance(event, Decoding):
            found.append(event)
            if not chosen["as_json"]:
                _show(event)
        elif event.warning:
            show_warning(event.text)
        else:
            console(stderr=True).print(event.text)
    if chosen["as_json"]:
        click.echo(json.dumps({one.session: one.to_json() for one in found}, indent=1))
    if not any(one.is_decoded for one in found):
        sys.exit(1)


def _config(chosen: Mapping[str, Any]) -> Any:
    from nwb_mtm.decoding.decoder import DecodingConfig
    from nwb_mtm.decoding.features import PUBLISHED, TrialFeatures

    return DecodingConfig(
        permutations=chosen["permutations"],
        regions=not chosen["no_regions"],
        sliding_width=0.0 if chosen["no_sliding"] else DecodingConfig.sliding_width,
        trial_features=PUBLISHED if chosen["published"] else TrialFeatures(),
    )


def _changed(model: str, chosen: Mapping[str, Any]) -> Any:
    """The model's own settings, with what was asked for."""
    from nwb_mtm.checkpoint import load

    return build_config(chosen, load(model).config)


def _show(found: "Decoding") -> None:
    from .show import console, show_warning

    for label in found.labels.values():
        _show_label(found.session, label)
    for series in found.series.values():
        _show_series(found.session, series)
    for name, reason in found.left.items():
        console(stderr=True).print(f"{name} is not decoded: {reason}")
    for warning in found.warnings:
        show_warning(warning)


def _show_label(session: str, found: "LabelDecoding") -> None:
    from nwb_mtm.decoding.results import verdict
    from nwb_mtm.decoding.sentences import in_words

    from .show import console, short, table

    out = console()
    title = f"{session}  {found.name}: {', '.join(found.classes)}  ({found.status})"
    columns = ("from", "balanced acc.", "AUC", "in words")
    rows = [
        (kind, short(s.balanced_accuracy, 2), f"{s.auc.value:.2f}", in_words(s.p, verdict(s.gain_over_clock)))
        for kind, s in _named(found.scores, found.regions)
    ]
    out.print(table(title, columns, rows))
    out.print(f"chance {found.chance:.2f}; {_null(found.null, found.p_floor)}")
    plain = ", ".join(f"{kind} {s.accuracy.value:.2f}" for kind, s in found.scores.items())
    out.print(
        f"plain accuracy: {plain}; {found.majority:.2f} by always saying the commonest label of training, "
        "which may be a rare one among the test windows"
    )
    for kind, sliding in found.sliding.items():
        when = "at no time" if sliding.first is None else f"from {sliding.first:+.2f} s"
        out.print(f"{kind}, {sliding.width:g} s at a time and nothing later: above chance {when}")
    out.print()


def _show_series(session: str, found: "SeriesDecoding") -> None:
    from nwb_mtm.decoding.results import verdict
    from nwb_mtm.decoding.sentences import in_words

    from .show import console, short, table

    title = f"{session}  {found.name}  ({found.status})"
    columns = ("from", "R2", "after average", "after clock", "r", "in words")
    rows = [
        (
            kind,
            short(s.r2, 2),
            f"{s.r2_after_average.value:.2f}",
            f"{s.r2_after_clock.value:.2f}",
            f"{s.correlation.value:.2f}",
            in_words(s.p, verdict(s.gain_over_clock)),
        )
        for kind, s in _named(found.scores, found.regions)
    ]
    console().print(table(title, columns, rows))
    console().print(f"after average, clock: R2 of what these leave; {_null(found.null, found.p_floor)}")
    console().print()


def _named(scores: Mapping[str, S], regions: Mapping[str, Mapping[str, S]]) -> list[tuple[str, S]]:
    """All units first, then region by region."""
    inner = [(f"{kind}, {name}", s) for name, found in regions.items() for kind, s in found.items()]
    return [*scores.items(), *inner]


def _null(rule: str, floor: float | None) -> str:
    return f"null: {rule}, smallest p {floor:.3f}" if floor is not None else "no null"
