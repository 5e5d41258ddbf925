"""Where numbers come from: data, scale, commit, machine and time of a set of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kerasref.data import SOURCES
from kerasref.harness import formatting
from kerasref.harness.records import Record
from kerasref.harness.spec import DEFAULT_PROFILE, Experiment

# The tags that reports use and the published record keeps.
TAGS = (
    "commit",
    "data",
    "data_fingerprint",
    "surrogate",
    "fallback_for",
    "device",
    "strategy",
    "versions",
    "finished",
    "wall_seconds",
)


def surrogate_label(experiment: Experiment, records: Iterable[Record]) -> str:
    """`the book used MNIST; these runs used Fashion-MNIST`, or empty."""
    standing_in = [record for record in records if record.tags.get("surrogate")]
    if not standing_in:
        return ""
    asked = sorted({record.tags["surrogate"] for record in standing_in})
    user = "the book used" if asked == [experiment.source.data] else "the experiment asks for"
    used = sorted({_data(record) for record in standing_in})
    return f"{user} {' and '.join(map(_title, asked))}; these runs used {' and '.join(used)}"


def scale_label(experiment: Experiment, records: Iterable[Record]) -> str:
    """`reduced scale: profile laptop`, or empty.

    Reduced are runs of a profile with settings of its own, and any but those of `paper` where
    that has some: an experiment without profiles is the same at every scale.
    """
    has_settings = {profile for profile, settings in experiment.profiles.items() if settings}
    profiles = sorted(
        {
            record.profile
            for record in records
            if record.profile != "paper" and has_settings & {record.profile, "paper"}
        }
    )
    return f"reduced scale: profile `{'`, `'.join(profiles)}`" if profiles else ""


def describe(experiment: Experiment, records: Sequence[Record], profile: str) -> dict[str, str]:
    """What the reader needs to judge and repeat the runs: heading -> text, empty ones left out."""
    seconds = [float(r.tags["wall_seconds"]) for r in records if r.tags.get("wall_seconds")]
    seeds = sorted({record.seed for record in records})
    finished = _tag(records, "finished")
    command = f"kerasref run {experiment.id}"
    if profile != DEFAULT_PROFILE:
        command += f" --profile {profile}"
    facts = {
        "scale": scale_label(experiment, records) or _full_scale(records),
        "data": ", ".join(sorted({_data(r) for r in records if r.tags.get("data")})),
        "data fingerprint": ", ".join(_tag(records, "data_fingerprint")),
        "seeds": ", ".join(map(str, seeds)),
        "commit": ", ".join(_commit(commit) for commit in _tag(records, "commit")),
        "wall time": (
            f"{formatting.duration(sum(seconds))} over {formatting.count(len(seconds), 'run')}"
            if seconds
            else ""
        ),
        "device": ", ".join(_tag(records, "device")),
        "strategy": ", ".join(_tag(records, "strategy")),
        "versions": "; ".join(_tag(records, "versions")),
        "finished": " to ".join(dict.fromkeys([finished[0], finished[-1]])) if finished else "",
        "command": f"`{command}`, or `{make_target(experiment.section_id, profile)}` "
        "for the whole section",
    }
    return {heading: text for heading, text in facts.items() if text}


def make_target(section_id: str, profile: str) -> str:
    """`make reproduce-dlnotes-1.1`."""
    command = f"make reproduce-{section_id.replace('/', '-')}"
    return command if profile == DEFAULT_PROFILE else f"{command} PROFILE={profile}"


def _full_scale(records: Sequence[Record]) -> str:
    if any(record.profile == "paper" for record in records):
        return "the book's: profile `paper`"
    return "the same in every profile" if records else ""


def _tag(records: Sequence[Record], name: str) -> list[str]:
    return sorted({record.tags[name] for record in records if record.tags.get(name)})


def _title(source: str) -> str:
    return SOURCES[source].title if source in SOURCES else source


def _data(record: Record) -> str:
    text = _title(record.tags.get("data") or "other data")
    instead = record.tags.get("fallback_for")
    return f"{text} (fallback for {_title(instead)})" if instead else text


def _commit(commit: str) -> str:
    clean = commit.removesuffix("-dirty")
    return f"`{clean}`" if clean == commit else f"`{clean}` (dirty: with uncommitted changes)"
