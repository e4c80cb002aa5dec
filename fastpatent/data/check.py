"""What is wrong with data sets, collected: missing, unreadable, duplicate, leaked and unmatched drawings."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from fastpatent.data.content import read_contents
from fastpatent.data.samples import unmatched_queries

STAGES = ("train", "val", "test")


@dataclass
class Finding:
    """One kind of fault: what it is called, whether a run would break on it, and a sentence for every case."""

    name: str
    breaks: bool
    cases: list


@dataclass
class Report:
    """What `check_dataset` found: `findings` in a fixed order, with empty ones; `drawings` is how many files were read."""

    findings: list
    drawings: int

    @property
    def breaks(self):
        """Whether something was found that would break a run."""
        return any(finding.breaks and finding.cases for finding in self.findings)


def check_dataset(sets, workers=0, progress=None):
    """Read every drawing of some data sets and collect what is wrong.

    Args:
        sets: list of (Splits read with verify=False, parts of it that are used). Queries and galleries are compared with
            each other over sets of one `stage`, and with other stages and all training drawings for leaks.
        workers: processes that read; 0 reads in this one.
        progress: function of (drawings read, drawings), or None.

    Returns:
        Report.
    """
    parts = [(splits, part, getattr(splits, part)) for splits, used in sets for part in used]
    places = _places(parts)
    contents = read_contents(sorted(places), workers, progress)
    readable = [content for content in contents if not content.missing and not content.fault]
    same_bytes, same_pixels = _same(readable)
    findings = [
        Finding("empty list", True, [f"{splits.name}: no {part} drawing" for splits, part, samples in parts if not samples]),
        Finding("missing drawing", True, [content.path for content in contents if content.missing]),
        Finding("unreadable drawing", True, [content.fault for content in contents if content.fault]),
        Finding("query without a match", True, _unmatched(sets)),
        Finding("drawing listed twice", False, _listed_twice(sets)),
        Finding("duplicate drawing, same bytes", False, _within_stage(same_bytes, places)),
        Finding("duplicate drawing, same pixels", False, _within_stage(same_pixels, places)),
        Finding("leaked drawing", False, _across_stages(same_bytes + same_pixels, places)),
        Finding("leaked identity", False, _leaked_identities(parts)),
        Finding("training identity with one drawing", False, _single(parts)),
        *(Finding(kind, False, cases) for kind, cases in _left_out(sets).items()),
    ]
    return Report(findings, len(contents))


def _stage(splits, part):
    return "train" if part == "train" else splits.stage


def _places(parts):
    """Return {path: set of stages that use it}."""
    places = defaultdict(set)
    for splits, part, samples in parts:
        for sample in samples:
            places[sample.path].add(_stage(splits, part))
    return places


def _same(contents):
    """Return groups of paths with the same bytes, and groups of the same pixels among files of different bytes."""
    by_bytes = defaultdict(list)
    for content in contents:
        by_bytes[content.data].append(content)
    by_pixels = defaultdict(list)
    for group in by_bytes.values():
        by_pixels[group[0].pixels].append(group[0].path)
    same_bytes = [[content.path for content in group] for group in by_bytes.values() if len(group) > 1]
    return same_bytes, [group for group in by_pixels.values() if len(group) > 1]


def _within_stage(groups, places):
    cases = []
    for group in groups:
        firsts = {}
        for path in group:
            first = next((firsts[stage] for stage in places[path] if stage in firsts), None)
            if first is not None:
                cases.append(f"{path} = {first}")
            for stage in places[path]:
                firsts.setdefault(stage, path)
    return cases


def _across_stages(groups, places):
    cases = [f"{path} in {_joined(stages)}" for path, stages in places.items() if len(stages) > 1]
    for group in groups:
        anchor = min(group, key=lambda path: min(map(STAGES.index, places[path])))
        for path in group:
            if not places[path] & places[anchor]:
                cases.append(f"{path} ({_joined(places[path])}) = {anchor} ({_joined(places[anchor])})")
    return cases


def _joined(stages):
    return " and ".join(sorted(stages, key=STAGES.index))


def _leaked_identities(parts):
    stages = defaultdict(set)
    for splits, part, samples in parts:
        for sample in samples:
            if sample.identity is not None:
                stages[sample.identity].add(_stage(splits, part))
    return [f"{identity} in {_joined(found)}" for identity, found in sorted(stages.items()) if len(found) > 1]


def _unmatched(sets):
    return [
        f"{splits.name}: {sample.path}"
        for splits, used in sets
        if "query" in used and "gallery" in used
        for sample in unmatched_queries(splits.query, splits.gallery)
    ]


def _listed_twice(sets):
    cases = []
    for splits, used in sets:
        counts = Counter(sample.path for part in used for sample in getattr(splits, part))
        cases += [f"{splits.name}: {path}, {count} times" for path, count in counts.items() if count > 1]
    return cases


def _left_out(sets):
    """Return {kind of fault: its cases} of what data sets left out as they were read; each case once."""
    found = defaultdict(dict)
    for splits, _ in sets:
        for kind, cases in splits.left_out.items():
            found[kind].update(dict.fromkeys(cases))
    return {kind: list(cases) for kind, cases in found.items()}


def _single(parts):
    counts = Counter(sample.identity for _, part, samples in parts if part == "train" for sample in set(samples))
    return [identity for identity, count in sorted(counts.items()) if count == 1]
