"""Places to run in: how many stages at once, and which GPUs each of them sees."""

from __future__ import annotations

import os
from dataclasses import dataclass

from face_occlusion.core.parallel import num_workers

# What stages.train reads: it starts that many processes for one run.
_GPUS_PER_RUN = "FACE_OCCLUSION_GPUS_PER_RUN"


@dataclass(frozen=True)
class Slot:
    """A place for one stage at a time.

    Attributes:
        number: From 0.
        environment: Variables that a stage in it gets.
    """

    number: int
    environment: dict[str, str]


def make_slots(
    jobs: int | None, gpus: list[str], gpus_per_job: int, *, elsewhere: bool = False
) -> list[Slot]:
    """Share GPUs and cores among jobs.

    Each job sees its own `gpus_per_job` GPUs; with fewer GPUs than that, jobs take turns on them.
    Without GPUs the variable CUDA_VISIBLE_DEVICES stays as it is. Libraries that would start a
    thread a core are held to a job's share of the cores, unless OMP_NUM_THREADS is set.

    Args:
        jobs: How many at once; None for as many as the GPUs allow, one without GPUs.
        gpus: Numbers or UUIDs, as CUDA_VISIBLE_DEVICES takes them.
        gpus_per_job: For each job.
        elsewhere: Whether other machines have the GPUs, and hand them out themselves.

    Raises:
        ValueError: If a number is not positive, a GPU is named twice, or they cannot be shared.
    """
    if elsewhere and gpus:
        raise ValueError("--gpus are this machine's; with --ray leave it out, Ray shares out GPUs")
    if gpus_per_job < 1 or (jobs is not None and jobs < 1):
        raise ValueError(
            f"--jobs and --gpus-per-job must be positive; got {jobs} and {gpus_per_job}"
        )
    if len(set(gpus)) < len(gpus):
        raise ValueError(f"--gpus names a GPU twice: {','.join(gpus)}")
    if gpus_per_job > 1 and not elsewhere and (not gpus or len(gpus) % gpus_per_job):
        raise ValueError(
            f"--gpus must name a multiple of --gpus-per-job {gpus_per_job} GPUs; got {len(gpus)}"
        )
    sets = [gpus[at : at + gpus_per_job] for at in range(0, len(gpus), gpus_per_job)]
    count = jobs or len(sets) or 1
    slots = []
    for number in range(count):
        environment = {}
        if not elsewhere and "OMP_NUM_THREADS" not in os.environ:
            environment["OMP_NUM_THREADS"] = str(max(1, num_workers() // count))
        if sets:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(sets[number % len(sets)])
        if gpus_per_job > 1:
            environment[_GPUS_PER_RUN] = str(gpus_per_job)
        slots.append(Slot(number, environment))
    return slots
