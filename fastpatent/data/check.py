"""Check data sets for missing, unreadable, duplicate, leaked and unmatched drawings."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastpatent.data.appearance import BLANK, INVERTED, PAGES, STRIP
from fastpatent.data.confinement import OUTSIDE
from fastpatent.data.digests import Content, read_contents
from fastpatent.data.image import MOST_PIXELS
from fastpatent.data.quarantine import most_broken
from fastpatent.data.records import PHOTO, Sample, Splits, add_skipped, unmatched_queries

STAGES = ("train", "val", "test")

UsedSets = Sequence[tuple[Splits, Collection[str]]]  # data sets, each with the parts that are used
UsedParts = Sequence[tuple[Splits, str, list[Sample]]]  # data set, part, its samples


@dataclass
class Finding:
    """One kind of fault: its name, whether it breaks a run, and a message per case."""

    name: str
    breaks: bool
    cases: list[str]


@dataclass
class Report:
    """The result of `check_dataset`: `findings` in a fixed order, empty ones included; `drawings`: number of files read."""

    findings: list[Finding]
    drawings: int

    @property
    def breaks(self) -> bool:
        """Whether a finding breaks a run."""
        return any(finding.breaks and finding.cases for finding in self.findings)


def check_dataset(
    sets: UsedSets,
    workers: int = 0,
    progress: Callable[[int, int], object] | None = None,
    max_broken: float = 0.0,
    most: int = MOST_PIXELS,
) -> Report:
    """Read every drawing of some data sets and collect all faults.

    Args:
        sets: (Splits read with verify=False, its used parts). Queries and galleries are compared with each other across
            sets of one `stage`, and with other stages and all training drawings for leaks.
        workers: processes that read; 0 reads in this one.
        progress: function of (drawings read, total), or None.
        max_broken: share of the drawings that may be unreadable, DATALOADER.MAX_BROKEN.
        most: how many pixels a drawing may have, INPUT.MAX_PIXELS.
    """
    parts = [(splits, part, getattr(splits, part)) for splits, used in sets for part in used]
    places = _places(parts)
    contents = read_contents(sorted(places), workers, progress, most)
    faults = [content.fault for content in contents if content.fault]
    readable = [content for content in contents if not content.missing and not content.fault]
    same_bytes, same_pixels = _same(readable)
    skipped: dict[str, list[str]] = {}
    for splits, _ in sets:
        add_skipped(skipped, splits.skipped)
    findings = [
        Finding("empty list", True, [f"{splits.name}: no {part} drawing" for splits, part, samples in parts if not samples]),
        Finding("missing drawing", True, [content.path for content in contents if content.missing]),
        Finding("unreadable drawing", len(faults) > most_broken(max_broken, len(contents)), faults),
        *(Finding(kind, False, _odd(kind, readable, parts)) for kind in (INVERTED, BLANK, STRIP, PAGES)),
        Finding("query without a match", False, _unmatched(sets)),  # where none has a match, train refuses the set
        Finding("drawing listed twice", False, _listed_twice(sets)),
        Finding("duplicate drawing, same bytes", False, _within_stage(same_bytes, places)),
        Finding("duplicate drawing, same pixels", False, _within_stage(same_pixels, places)),
        Finding("leaked drawing", False, _across_stages(same_bytes + same_pixels, places)),
        Finding("leaked identity", False, _leaked_identities(parts)),
        Finding("training identity with one drawing", False, _single(parts)),
        *(Finding(kind, kind == OUTSIDE, cases) for kind, cases in skipped.items()),
    ]
    return Report(findings, len(contents))


def _stage(splits: Splits, part: str) -> str:
    return "train" if part == "train" else splits.stage


def _places(parts: UsedParts) -> dict[str, set[str]]:
    """Return {path: set of stages that use it}."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for splits, part, samples in parts:
        for sample in samples:
            places[sample.path].add(_stage(splits, part))
    return places


def _same(contents: Iterable[Content]) -> tuple[list[list[str]], list[list[str]]]:
    """Return groups of paths with the same bytes, and groups with the same pixels among files with different bytes."""
    by_bytes: defaultdict[bytes, list[Content]] = defaultdict(list)
    for content in contents:
        by_bytes[content.data].append(content)
    by_pixels: defaultdict[bytes, list[str]] = defaultdict(list)
    for group in by_bytes.values():
        by_pixels[group[0].pixels].append(group[0].path)
    same_bytes = [[content.path for content in group] for group in by_bytes.values() if len(group) > 1]
    return same_bytes, [group for group in by_pixels.values() if len(group) > 1]


def _within_stage(groups: Iterable[Sequence[str]], places: Mapping[str, set[str]]) -> list[str]:
    cases = []
    for group in groups:
        firsts: dict[str, str] = {}
        for path in group:
            first = next((firsts[stage] for stage in places[path] if stage in firsts), None)
            if first is not None:
                cases.append(f"{path} = {first}")
            for stage in places[path]:
                firsts.setdefault(stage, path)
    return cases


def _across_stages(groups: Iterable[Sequence[str]], places: Mapping[str, set[str]]) -> list[str]:
    cases = [f"{path} in {_joined(stages)}" for path, stages in places.items() if len(stages) > 1]
    for group in groups:
        anchor = min(group, key=lambda path: min(map(STAGES.index, places[path])))
        for path in group:
            if not places[path] & places[anchor]:
                cases.append(f"{path} ({_joined(places[path])}) = {anchor} ({_joined(places[anchor])})")
    return cases


def _joined(stages: Iterable[str]) -> str:
    return " and ".join(sorted(stages, key=STAGES.index))


def _odd(kind: str, contents: Iterable[Content], parts: UsedParts) -> list[str]:
    """Return the images of which `oddities` names `kind`; a photograph may be dark."""
    photos = {sample.path for *_, samples in parts for sample in samples if kind == INVERTED and sample.domain == PHOTO}
    return [content.path + content.odd[kind] for content in contents if kind in content.odd and content.path not in photos]


def _leaked_identities(parts: UsedParts) -> list[str]:
    stages: defaultdict[str, set[str]] = defaultdict(set)
    for splits, part, samples in parts:
        for sample in samples:
            if sample.identity is not None:
                stages[sample.identity].add(_stage(splits, part))
    return [f"{identity} in {_joined(found)}" for identity, found in sorted(stages.items()) if len(found) > 1]


def _unmatched(sets: UsedSets) -> list[str]:
    return [
        f"{splits.name}: {sample.path}"
        for splits, used in sets
        if "query" in used and "gallery" in used
        for sample in unmatched_queries(splits.query, splits.gallery)
    ]


def _listed_twice(sets: UsedSets) -> list[str]:
    cases: list[str] = []
    for splits, used in sets:
        counts = Counter(sample.path for part in used for sample in getattr(splits, part))
        cases += [f"{splits.name}: {path}, {count} times" for path, count in counts.items() if count > 1]
    return cases


def _single(parts: UsedParts) -> list[str]:
    counts = Counter(
        sample.identity
        for _, part, samples in parts
        if part == "train"
        for sample in set(samples)
        if sample.identity is not None
    )
    return [identity for identity, count in sorted(counts.items()) if count == 1]
