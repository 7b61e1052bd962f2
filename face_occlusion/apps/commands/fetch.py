"""`face-occlusion fetch`: the files of the releases, before the pipeline asks for them."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="keys of `sources` (default: all)"),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="only say what is there; fetch nothing")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="compare the checksums of what is there, too")
    ] = False,
    params: Annotated[Path, typer.Option(help="the parameter file")] = Path("params.yaml"),
) -> None:
    """Fetch the files of the profile's releases into `download.archives_dir`.

    `dvc repro` fetches them as well, source by source; this fetches those of all sources at once
    and lists each file: whether it is there, whether its checksum is known, how to get it.
    Ends with an error while a file is missing that the pipeline needs.

    Example: face-occlusion profile paper && face-occlusion fetch --list
    """
    from face_occlusion.core.params import load_params, read_section
    from face_occlusion.releases.gather import (
        MissingFilesError,
        SourceParams,
        check_state,
        fetch_missing,
        report_state,
        survey,
    )
    from face_occlusion.releases.settings import DownloadParams

    names = list(read_section(params, "sources"))
    if unknown := sorted(set(sources or ()) - set(names)):
        raise ValueError(f"{params}: sources has no {unknown}; known: {', '.join(names)}")
    profile = {name: load_params(params, f"sources.{name}", SourceParams) for name in names}
    chosen = {name: profile[name] for name in sources or names}
    shelf = load_params(params, "download", DownloadParams).shelf(profile)
    failures = {} if list_only else fetch_missing(survey(chosen, shelf), shelf)
    states = survey(chosen, shelf)
    refused = []
    for state in states:
        if wrong := check_state(state, shelf) if check else None:
            refused.append(state.file.name)
        typer.echo(report_state(state, wrong, failures.get((state.source, state.file.name))))
    for name in chosen.keys() - {state.source for state in states}:
        typer.echo(f"{name}: nothing to fetch (origin: {chosen[name].origin})")
    if refused:
        raise ValueError(f"other files than those published or used first: {', '.join(refused)}")
    missing = [state.file.name for state in states if state.path is None and state.needed]
    if missing:
        raise MissingFilesError(
            f"{len(missing)} of {len(states)} files are missing in '{shelf.archives_dir}' "
            f"(download.archives_dir): {', '.join(missing)}"
        )
