"""Which of a subject's files are taken as its image, its labels and its mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pmrnet.data.draft.look import Look
from pmrnet.data.draft.naming import STAR, Named
from pmrnet.data.draft.roles import tells_role, tells_space, tokens
from pmrnet.data.subject_files import SubjectFiles

# Alike files are told of together, and of so many kinds.
_TOLD = 20

Files = Mapping[str, Mapping[str, Named]]


@dataclass(frozen=True)
class Choice:
    """The files taken.

    Attributes
    ----------
    subjects
        Files by subject, for those with an image.
    notes
        What was found, guessed and left out, and why: a sentence each.
    """

    subjects: dict[str, SubjectFiles]
    notes: list[str]


def choose_files(files: Files, looks: Mapping[str, Look]) -> Choice:
    """Take an image of each subject, and labels and a mask on its grid if there are any.

    Parameters
    ----------
    files
        For each subject, its files by pattern.
    looks
        What the files of each pattern are.
    """
    return _Chooser(files, looks).choose()


class _Chooser:
    def __init__(self, files: Files, looks: Mapping[str, Look]) -> None:
        self.files, self.looks = files, looks
        self.coverage = Counter(pattern for patterns in files.values() for pattern in patterns)
        self.images = self._ranked(lambda look: look.role == "image")
        self.labels = self._ranked(lambda look: look.labels > 0)
        self.masks = self._ranked(lambda look: look.role == "mask")

    def _ranked(self, wanted: Callable[[Look], bool]) -> list[str]:
        """Patterns that can be used, the best first, apart from what depends on the image."""
        usable = [p for p, look in self.looks.items() if look.problem is None and wanted(look)]
        return sorted(
            usable,
            key=lambda p: (
                not self._common(p),
                -self.looks[p].suits,
                -self.looks[p].labels,
                -self.coverage[p],
                len(p),
                p,
            ),
        )

    def _common(self, pattern: str) -> bool:
        return 2 * self.coverage[pattern] >= len(self.files)

    def _fits(self, pattern: str, image: str) -> bool:
        return pattern == image or self.looks[pattern].same_grid(self.looks[image]) is not False

    def _order(self, candidates: Sequence[str], image: str) -> list[str]:
        """Of labels or masks those on the image's grid, the best for this image first."""
        # Stable, so that what was ranked before decides among equals.
        return sorted(
            (p for p in candidates if self._fits(p, image)),
            key=lambda p: (not self._common(p), p != image, _apart(p, image)),
        )

    def choose(self) -> Choice:
        labelled = [p for p in self.labels if self._common(p)]
        # An image whose grid has labels, such as one of two spaces, before one without.
        self.images.sort(
            key=lambda i: (
                not self._common(i),
                bool(labelled) and not any(self._fits(p, i) for p in labelled),
            )
        )
        taken: dict[str, dict[str, str]] = {}
        for subject, patterns in self.files.items():
            image = next((p for p in self.images if p in patterns), None)
            if image is None:
                continue
            taken[subject] = {"image": image}
            for kind, candidates in (("labels", self.labels), ("mask", self.masks)):
                if kind == "mask" and not self.looks[image].whole_head:
                    continue
                found = next((p for p in self._order(candidates, image) if p in patterns), None)
                if found is not None:
                    taken[subject][kind] = found
        subjects = {
            subject: SubjectFiles(
                **{kind: self.files[subject][p].file.path for kind, p in kinds.items()}
            )
            for subject, kinds in taken.items()
        }
        return Choice(subjects, self._notes(taken))

    def _notes(self, taken: Mapping[str, Mapping[str, str]]) -> list[str]:
        notes = []
        used: dict[str, Counter[str]] = {}
        for kind in ("image", "labels", "mask"):
            counts = Counter(kinds[kind] for kinds in taken.values() if kind in kinds)
            used[kind] = counts
            for pattern, count in counts.most_common():
                seen = self._seen(kind, self.looks[pattern])
                notes.append(f"{kind}: {pattern} ({_number(count, 'subject')}{seen})")
                if assumed := self.looks[pattern].assumed:
                    notes.append(
                        f"{pattern}: {assumed}; look whether left and right are right after the "
                        "preparation"
                    )
        heads = [s for s, kinds in taken.items() if self.looks[kinds["image"]].whole_head]
        if bare := [s for s in heads if "mask" not in taken[s]]:
            notes.append(
                f"WHOLE HEADS without a brain mask: {_some(bare)}; the preparation will refuse "
                "them, so strip them first (mri_synthstrip, HD-BET, BET) or add `mask:` lines"
            )
        if without := [subject for subject in self.files if subject not in taken]:
            notes.append(f"left out, since no image was found: {_some(without)}")
        patterns = set().union(*used.values())
        left = [p for p in self.looks if p not in patterns]
        chosen = {kind: max(counts, key=counts.get, default=None) for kind, counts in used.items()}
        notes += [f"left out: {self._left_out(p, chosen)}" for p in left[:_TOLD]]
        if len(left) > _TOLD:
            notes.append(f"left out: {len(left) - _TOLD} more kinds of files")
        return notes

    def _seen(self, kind: str, look: Look) -> str:
        """What the file looked at shows, of an image or of labels."""
        if kind == "image":
            return "; a whole head" if look.whole_head else "; skull-stripped"
        return f"; {_number(look.labels, 'label')} in that of {look.subject}" if look.labels else ""

    def _left_out(self, pattern: str, chosen: Mapping[str, str | None]) -> str:
        look = self.looks[pattern]
        what = f"{pattern} ({_number(self.coverage[pattern], 'file')})"
        if look.problem is not None:
            return f"{what}: cannot be used ({look.problem.rstrip('.')})"
        if look.role == "other":
            return f"{what}: by its name neither a T1 image nor labels nor a brain mask"
        image, instead = chosen["image"], chosen[look.role]
        if look.role != "image" and image is not None and not self._fits(pattern, image):
            return f"{what}: {look.role} on another grid than {image}; resample to use it"
        if look.role == "mask" and image is not None and not self.looks[image].whole_head:
            return f"{what}: a mask, not needed, since {image} is no whole head"
        return f"{what}: {look.role} too, but {instead} was taken"


def _apart(pattern: str, image: str) -> int:
    """Number of words, those that tell roles aside, in only one of two patterns."""
    return len(_naming_words(pattern) ^ _naming_words(image))


def _naming_words(pattern: str) -> set[str]:
    # Which space or session they are of matters, what they are does not.
    words = tokens(pattern.replace(STAR, " "))
    return {word for word in words if tells_space(word) or not tells_role(word)}


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{', '.join(names[:8])}{more}"
