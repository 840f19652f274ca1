"""References for a machine with no network: packed into one tar file, and installed from it.

The first member is a manifest of all others, by path. Nothing is put in its place before
its size and sha256 are those of the manifest. A file that the user's cache has already,
under whatever name, is linked from there and not read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from aqueduct.core.errors import MissingReferenceError, ReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.io.atomic import atomic
from aqueduct.references import contexts, manifest
from aqueduct.references.cache import Layout
from aqueduct.references.manifest import Entry
from aqueduct.references.models import OFFICIAL
from aqueduct.references.provider import References, astrometric_catalog
from aqueduct.references.rules import writing

MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 22
_HINT: Final = "copy the bundle again"


def bundle(
    references: References,
    metas: Iterable[Mapping[str, Any]],
    out: str | Path,
    *,
    everything: bool = False,
) -> list[str]:
    """Put the rules, and every file they choose for some exposures, into a tar file.

    Files that the user named are left out: they are not the rules' choice. The astrometric
    catalog is put in where there is one.

    Parameters
    ----------
    references : References
    metas : iterable of mapping
        Metadata of the exposures.
    out : path-like
    everything : bool
        Put in the types too that only official tools use.

    Returns
    -------
    list of str
        Names of the reference files.

    Raises
    ------
    MissingReferenceError
        If there is no context, or a chosen file is not in the cache.
    OutputError
        If the tar file can't be written.
    """
    layout = Layout(references.root)
    files = {layout.mapping(name) for name in references.mappings()}
    files |= _chosen(references, layout, metas, everything)
    catalog = astrometric_catalog(layout.root)
    if catalog.is_file():
        files.add(catalog)
    files |= {path for path in (layout.config / "ref_cache_subdir_mode",) if path.is_file()}
    members = {path.relative_to(layout.root).as_posix(): path for path in files}
    about = {name: manifest.entry(path) for name, path in sorted(members.items())}
    with atomic(Path(out)) as temporary, tarfile.open(temporary, "w") as tar:
        text = manifest.text(about).encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size = len(text)
        head.pax_headers = {"comment": references.context}
        tar.addfile(head, io.BytesIO(text))
        for name in about:
            tar.add(members[name], name, recursive=False)
    return [path.name for path in sorted(files) if path.is_relative_to(layout.references)]


def _chosen(
    references: References, layout: Layout, metas: Iterable[Mapping[str, Any]], everything: bool
) -> set[Path]:
    """The files the rules choose."""
    names = {
        row.name
        for meta in metas
        for row in references.listing(meta)
        if row.source == references.context
        and (everything or row.reftype in OFFICIAL or row.reftype.startswith("pars-"))
    }
    paths = {layout.reference(name) for name in names}
    for path in sorted(paths):
        if not path.is_file():
            raise MissingReferenceError(
                "chosen by the rules, but not here", where=str(path), hint="sync the CRDS cache"
            )
    return paths


def install(path: str | Path, root: str | Path) -> str:
    """Unpack a bundle into a root, and put its context into use there.

    Parameters
    ----------
    path : path-like
        A tar file that :func:`bundle` wrote.
    root : path-like
        A new or existing folder laid out like a CRDS cache.

    Returns
    -------
    str
        Name of the context.

    Raises
    ------
    ReferenceError
        If it is no bundle, damaged, or has another file under a name that is taken.
    OutputError
        If the root can't be written to.
    """
    layout = Layout(Path(root))
    try:
        with writing(layout), tarfile.open(path) as tar:
            return _install(tar, layout, Path(path))
    except (tarfile.TarError, EOFError, FileNotFoundError) as error:
        raise ReferenceError(f"no bundle: {error}", where=str(path), hint=_HINT) from error


def _install(tar: tarfile.TarFile, layout: Layout, path: Path) -> str:
    about, context = _head(tar, path)
    missing = dict(about)
    for member in tar:
        if member.name == MANIFEST:
            continue
        stream = tar.extractfile(member) if member.isfile() else None
        entry = missing.pop(member.name, None)
        place = layout.root / PurePosixPath(member.name)
        if stream is None or entry is None or ".." in place.parts:
            raise ReferenceError(f"{member.name} is not in its list", where=str(path), hint=_HINT)
        _receive(stream, entry, place, f"{path}: {member.name}")
    if missing:
        raise ReferenceError(f"lacks {', '.join(missing)}", where=str(path), hint=_HINT)
    folder = layout.references.relative_to(layout.root).as_posix()
    arrived = {name: row for name, row in about.items() if name.startswith(folder)}
    manifest.add(layout, {PurePosixPath(name).name: row for name, row in arrived.items()})
    if context:
        contexts.add(layout, context, f"installed from {path.name}")
    return context


def _head(tar: tarfile.TarFile, path: Path) -> tuple[dict[str, Entry], str]:
    """The manifest, and the context the bundle is of."""
    head = tar.next()
    stream = tar.extractfile(head) if head is not None and head.name == MANIFEST else None
    if head is None or stream is None:
        raise ReferenceError("no bundle: it has no manifest", where=str(path), hint=_HINT)
    try:
        return manifest.parse(stream.read()), head.pax_headers.get("comment", "")
    except ValueError as error:
        raise ReferenceError(f"no bundle: {error}", where=str(path), hint=_HINT) from error


def _receive(stream: IO[bytes], entry: Entry, place: Path, where: str) -> None:
    """Put one file in its place once it is known to be what it should be."""
    if place.exists():
        if manifest.entry(place) == entry:
            return
        raise ReferenceError(
            "another file of this name is here", where=str(place), hint="choose another --root"
        )
    known = stored(entry.sha256)
    with atomic(place) as temporary:
        if not (known.is_file() and _linked(known, temporary)):
            with temporary.open("wb") as copy:
                found = _copy(stream, copy)
            if found != entry:
                raise ReferenceError(
                    f"is damaged: {found.size} bytes, sha256 {found.sha256[:12]}..., should be "
                    f"{entry.size} bytes, sha256 {entry.sha256[:12]}...",
                    where=where,
                    hint=_HINT,
                )
            keep(temporary, entry.sha256)


def _copy(stream: IO[bytes], copy: IO[bytes]) -> Entry:
    size, running = 0, hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        copy.write(chunk)
        running.update(chunk)
        size += len(chunk)
    return Entry(size, running.hexdigest())


def stored(sha256: str) -> Path:
    """Where the user's cache keeps the file with this digest, if it does."""
    return cache_home() / "files" / sha256[:2] / sha256


def keep(path: Path, sha256: str) -> None:
    """Keep a verified file in the user's cache too, where that takes no space: as a link."""
    with contextlib.suppress(OSError):
        stored(sha256).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, stored(sha256))


def _linked(known: Path, path: Path) -> bool:
    """Link a file of the cache, if it is still what it was."""
    try:
        if manifest.entry(known).sha256 != known.name:
            known.unlink()
            return False
        try:
            os.link(known, path)
        except OSError:
            shutil.copyfile(known, path)
    except (OSError, ReferenceError):
        return False
    return True
