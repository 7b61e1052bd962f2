"""Connect to Ray, on this machine or on a running cluster; errors say what to do."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECT_TIMEOUT_S = 10.0  # time that a cluster has to accept a connection


def require_ray(needed_by: str) -> Any:
    """Import Ray, which the extra `ray` installs.

    Raises:
        ValueError: If it is not installed; names what needs it.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(
            f"{needed_by}: ray is not installed; pip install 'face-occlusion[ray]'"
        ) from (error)
    return ray


@contextlib.contextmanager
def ray_session(workers: int) -> Iterator[Any]:
    """Yield the package Ray, connected to the cluster that RAY_ADDRESS names or started here.

    Args:
        workers: CPUs that Ray uses where it is started here.

    Raises:
        ValueError: If Ray is not installed, or the cluster cannot be used.
    """
    ray = require_ray("executor: ray")
    started = not ray.is_initialized()
    if started:
        if address := os.environ.get("RAY_ADDRESS"):
            connect(ray, address, f"RAY_ADDRESS={address}")
        else:
            ray.init(num_cpus=workers, log_to_driver=False)
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def connect(ray: Any, address: str, named: str) -> None:
    """Connect to a cluster.

    Args:
        ray: The package.
        address: As `ray.init` takes it: `auto`, `HOST:PORT`, `ray://HOST:PORT`, `local`.
        named: How the user gave the address, for errors.

    Raises:
        ValueError: If no cluster answers or it refuses the token.
    """
    _check_reachable(address, named)
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ray.exceptions.RayError) as error:
        # Ray names the refusal only in the text of its error's cause, and behind ray:// not at all
        if any("AuthenticationError" in repr(link) for link in (error, error.__cause__)):
            answer = "the cluster asks for its token"
        else:
            answer = (
                f"no cluster answers ({error}); start one with `ray start --head`, "
                "or if there is one that asks for its token"
            )
        raise ValueError(f"{named}: {answer}: {_explain_token()} (docs/running.md)") from error


def _check_reachable(address: str, named: str) -> None:
    """Check that something listens at HOST:PORT; Ray itself would retry for 14 minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return  # auto, local: Ray's own names
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ValueError(
            f"{named}: nothing answers at this address ({error}); start a cluster with "
            "`ray start --head`, and check that no firewall blocks the connection (docs/running.md)"
        ) from error


def _explain_token() -> str:
    """Say what to set for Ray to send the cluster's token, by what is set so far.

    Ray takes the first of RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH and ~/.ray/auth_token, and sends it
    to an address only with RAY_AUTH_MODE=token:
    https://docs.ray.io/en/latest/ray-security/token-auth.html
    """
    steps = []
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        steps.append("export RAY_AUTH_MODE=token")
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or str(Path.home() / ".ray/auth_token")
    kept = "RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else path
    if kept == path and not Path(path).is_file():
        steps.append(f"copy the head's ~/.ray/auth_token to {path} here")
    elif not steps:
        steps.append(f"{kept} here is not the head's token; copy the head's ~/.ray/auth_token")
    return " and ".join(steps)
