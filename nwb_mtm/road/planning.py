"""What a fit will cost, found out before it is begun."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nwb_mtm.config import Config
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.scoring import evaluate_session
from nwb_mtm.evaluation.tallies import smallest_gain
from nwb_mtm.model.sizes import enough_steps
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.road.decoding import session_parts
from nwb_mtm.road.finishing import sample
from nwb_mtm.road.gathering import Gathered, Said, gather, read_options
from nwb_mtm.road.preparation import Prepared, Session, check_training, prepare
from nwb_mtm.schema import seconds
from nwb_mtm.sources.reading import Progress
from nwb_mtm.sources.resolution import SourceOptions, resolve_all
from nwb_mtm.sources.traffic import Estimate, estimate
from nwb_mtm.training import Training

TIMED_SECONDS = 20.0  # at most, for warm steps


@dataclass(frozen=True)
class Plan:
    """Bytes, windows, steps and seconds of a fit; seconds are timed on this machine."""

    traffic: Estimate
    sessions: int
    units: int
    windows: int
    memory: int  # bytes of counts
    steps: int  # of every model
    train_seconds: float
    evaluate_seconds: float
    smallest_gain: float  # bits per spike that the test windows can show, at 80 % power

    @property
    def worth_scoring(self) -> bool:
        """Whether a usual gain could be told from none."""
        return self.smallest_gain <= 0.1


def plan(
    sources: Sequence[str],
    config: Config,
    options: SourceOptions | None = None,
    *,
    strict: bool = False,
    tuning: bool = False,
) -> Iterator[Said | Progress | Plan]:
    """Read the sources (from the cache where they are), time real steps and one evaluation, and add up.

    With `tuning` the fit would start from a model, which a few windows are enough for.
    """
    items = resolve_all(sources, options).items
    traffic = estimate(items, selection=read_options(config), options=options)
    yield Said(f"{traffic.files} files; {traffic.to_move / 1e6:.1f} MB to move")
    prepared: Prepared | None = None
    for event in gather(sources, config, options, strict=strict):
        if isinstance(event, Gathered):
            prepared = prepare(event.recordings, config, listed=event.listed)
        else:
            yield event
    assert prepared is not None
    if not tuning:
        check_training(prepared, config.split.folds)
    yield Said("timing steps and one evaluation")
    yield timed(prepared, config, traffic)


def timed(prepared: Prepared, config: Config, traffic: Estimate) -> Plan:
    """The plan of prepared sessions."""
    training = Training(prepared.part("train"), prepared.part("valid"), config, prepared.vocabulary)
    models = config.split.folds
    budget = seconds(config.train.budget)
    pace = training.measure(min(TIMED_SECONDS, 0.1 * budget))
    looks = pace.looks(training.config, budget / models)
    fitting = min(pace.steps(training.config, budget / models, looks), enough_steps(config, training.windows))
    steps = config.train.steps or fitting
    scored = {"none": (), "all": prepared.sessions, "sample": sample(prepared.sessions)}[config.evaluate.sessions]
    windows = [s.windows for s in prepared.sessions]
    return Plan(
        traffic=traffic,
        sessions=len(windows),
        units=sum(len(one.units) for one in windows),
        windows=sum(len(one) for one in windows),
        memory=sum(one.counts.nbytes for one in windows),
        steps=steps,
        train_seconds=models * (steps * pace.step + pace.looking(training.config, looks)),
        evaluate_seconds=models * len(scored) * _one_evaluation(training, scored[0], config) if scored else 0.0,
        smallest_gain=max((_smallest(session) for session in prepared.sessions), default=float("nan")),
    )


def _one_evaluation(training: Training, session: Session, config: Config) -> float:
    predictor = ModelPredictor(training.checkpoint())
    options = Options(folds=config.evaluate.folds or None, strict=config.units.strict_regions)
    began = time.perf_counter()
    try:
        evaluate_session(predictor, session.windows, options, recording=session.recording)
        if config.evaluate.decode:
            session_parts(session.windows, predictor.checkpoint)
    except NwbMtmError:
        return 0.0
    return time.perf_counter() - began


def _smallest(session: Session) -> float:
    test = session.windows if len(session.splits) > 1 else session.windows.only("test")
    spikes = np.where(test.valid, test.counts, 0)[:, :, test.units.scored].sum(dtype=np.float64)
    return smallest_gain(float(spikes))
