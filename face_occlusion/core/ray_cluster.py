"""Connect to Ray, on this machine or on a running cluster; errors say what to do."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECT_TIMEOUT_S = 10.0  # time that a cluster has to accept a connection
# A head starts a process for each connection by ray://. With gRPC's fork support it may crash
# before it runs (https://github.com/grpc/grpc/issues/43055): Ray raises ConnectionAbortedError.
CONNECT_ATTEMPTS = 3


def require_ray(needed_by: str) -> Any:
    """Import Ray, which the extra `ray` installs; a ValueError names what needs it."""
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        install = "pip install 'face-occlusion[ray]'"
        raise ValueError(f"{needed_by}: ray is not installed; {install}") from error
    return ray


@contextlib.contextmanager
def ray_session(workers: int) -> Iterator[Any]:
    """Yield the package Ray, connected to the cluster that RAY_ADDRESS names or started here.

    `workers` are the CPUs that Ray uses where it is started here. ValueError if Ray is not
    installed, or the cluster cannot be used.
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
    """Connect to a cluster at an address: `auto`, `HOST:PORT`, `ray://HOST:PORT` or `local`.

    `named` is how the user gave the address. If no cluster answers there, or it refuses the token
    or fails to serve, that is a ValueError.
    """
    _check_reachable(address, named)
    for attempt in range(1, CONNECT_ATTEMPTS + 1):
        try:
            ray.init(address=address, log_to_driver=False)
            return
        except (ConnectionError, ray.exceptions.RayError) as error:
            crashed = isinstance(error, ConnectionAbortedError)
            if not crashed or attempt == CONNECT_ATTEMPTS:
                raise ValueError(f"{named}: {_explain(error)} (docs/running.md)") from error
            logging.warning("%s: the head could not start a server; trying again", named)


def _explain(error: Exception) -> str:
    """Say why a cluster could not be used, and what to do."""
    if isinstance(error, ConnectionAbortedError):
        return (
            f"the head failed {CONNECT_ATTEMPTS} times to start a server for this connection "
            f"({error}); start the head with `GRPC_ENABLE_FORK_SUPPORT=0 ray start --head`"
        )
    # Ray names the refusal only in the text of its error's cause, and behind ray:// not at all
    if any("AuthenticationError" in repr(link) for link in (error, error.__cause__)):
        return f"the cluster asks for its token: {_explain_token()}"
    return (
        f"no cluster answers ({error}); start one with `ray start --head`, "
        f"or if there is one that asks for its token: {_explain_token()}"
    )


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
