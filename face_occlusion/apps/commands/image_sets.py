"""Commands about image sets: look, pack, unpack, verify, describe, compare and audit."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

OneSet = Annotated[Path, Argument(metavar="SET", help="folder of an image set")]
Workers = Annotated[int | None, Option(help="number of processes (default: one per CPU core)")]


def look(
    image_set: OneSet,
    out: Path | None = Option(None, "--out", "-o", help="PNG file (default: sheets/SET.png)"),
    num: int = Option(24, min=1, help="number of samples, evenly spaced in the set"),
    key: list[str] | None = Option(None, help="show this sample instead; may be repeated"),
    largest: str | None = Option(None, help="show those with the largest value of this field"),
    columns: int = Option(6, min=1, help="samples in a row"),
    thumb_px: int = Option(256, min=48, help="side of each picture in pixels"),
) -> None:
    """Draw a contact sheet: samples of a set with their masks and their records.

    The green line is the outline of the face mask. Orange is the original mask, where a set has
    both and they differ; magenta surrounds pixels that are ignored. Cut-outs lie on a
    checkerboard, and an arrow shows where a hand's fingers point. The same call draws the same
    sheet.

    SET may also be a folder of files that `occlude`, `unpack` or `align` wrote.

    Example: face-occlusion look data/sets/natocc_hand --num 12 --out hands.png
    """
    from face_occlusion.apps.folders import FileSet
    from face_occlusion.apps.viewing import contact_sheet
    from face_occlusion.core.files import atomic_write
    from face_occlusion.core.imageset import INDEX, ImageSet

    opened = ImageSet(image_set) if (image_set / INDEX).is_file() else FileSet(image_set)
    path = out or Path("sheets") / f"{image_set.resolve().name}.png"
    keys = key or contact_sheet.pick_keys(opened, num, largest)
    sheet = contact_sheet.draw_contact_sheet(opened, keys, columns=columns, thumb_px=thumb_px)
    atomic_write(path, sheet)
    shown = opened.absent or f"{len(keys)} of {len(opened)} samples"
    typer.echo(f"{path}: {shown}")


def pack(
    images: Path = Argument(..., help="folder of images: jpg, png, webp, tif, ..."),
    masks: Path = Argument(..., help="folder of masks, named like their images"),
    out: Path = Argument(..., help="new folder for the image set"),
    name: str | None = Option(None, help="name of the set (default: OUT's name)"),
    kind: Literal["faces", "benchmark"] = Option("faces", help="to train or to evaluate on"),
    licence: str | None = Option(None, help="licence of the images, stated on the set's card"),
    samples_per_shard: int = Option(256, min=1, help="images in one tar file"),
    jpeg_quality: int = Option(95, help="quality of images that are not JPEG yet"),
) -> None:
    """Pack your images and face masks into a set that training and evaluation read.

    An image and its mask have the same file name except for the suffix. Masks hold 0 and 1, or 0
    and 255, where the larger value is face; 0, 1 and 255 mean background, face, ignored. JPEG
    files are copied byte for byte with their metadata, unless they are rotated by EXIF or in
    CMYK. Nothing is written if an image has no mask, a mask no image, or their sizes differ.

    Example: face-occlusion pack photos/ masks/ data/benchmarks/mine --kind benchmark
    """
    from face_occlusion.apps.folders import pack_folder

    sources = [f"files packed from '{images.name}'"]
    info: dict[str, Any] = {"kind": kind, "name": name or out.resolve().name, "sources": sources}
    if licence:
        info["licence"] = licence
    form = {"samples_per_shard": samples_per_shard, "jpeg_quality": jpeg_quality}
    packed = pack_folder(images, masks, out, info=info, **form)
    typer.echo(f"{out}: {len(packed)} samples in {len(packed.shards)} shards")


def unpack(
    image_set: OneSet,
    out: Path = Argument(..., help="new folder for images/, masks/, records/"),
    ids: bool = Option(
        False, "--ids", help="masks of ids 0, 1, 255 (ignored), with a palette, for MMSegmentation"
    ),
) -> None:
    """Write the samples of an image set as files that any program opens.

    images/KEY.jpg has the same bytes as in the set, masks/KEY.png shows the face as 255 (ignored
    pixels in grey), records/KEY.json is the sample's record; masks_original/ and cutouts/ are
    written where the set has them. `face-occlusion pack OUT/images OUT/masks NEW` packs the
    files again.

    Example: face-occlusion unpack data/sets/randocc_1 randocc_1_files
    """
    from face_occlusion.apps.folders import OR_PALETTE, unpack_image_set
    from face_occlusion.core.imageset import ImageSet

    opened = ImageSet(image_set)
    unpack_image_set(opened, out, ids=ids)
    values = "class ids, with a palette" if ids else OR_PALETTE
    shown = f"; masks/: {values}" if (out / "masks").is_dir() else ""
    typer.echo(f"{out}: {len(opened)} samples{shown}")


def verify(
    image_sets: list[Path] | None = Argument(None, metavar="SET", help="folders of image sets"),
    cache: Path | None = Option(None, help="DVC's cache to check too, usually .dvc/cache"),
    lock: Path = Option(Path("dvc.lock"), help="names the outputs that cached objects are of"),
) -> None:
    """Check that image sets, and DVC's cache, still hold what was written.

    The shards and cards of each set are hashed again and compared with the set's index. This
    finds a file that was changed in place, which DVC does not look for in its cache or on a
    remote. Ends with an error at the first shard that differs, or after listing the damaged
    objects of the cache: delete those, then `dvc pull` or `dvc repro` restores them.

    Example: face-occlusion verify data/faces/wo data/sets/natocc_hand

    Example: face-occlusion verify --cache .dvc/cache
    """
    from face_occlusion.apps.running.cache import find_damaged
    from face_occlusion.core.imageset import ImageSet

    if not image_sets and cache is None:
        raise ValueError("nothing to verify: name image sets, or --cache .dvc/cache")
    for folder in image_sets or ():
        opened = ImageSet(folder)
        opened.verify()
        typer.echo(f"{folder}: {len(opened)} samples in {len(opened.shards)} shards, as written")
    if cache is not None:
        count, damaged = find_damaged(cache, lock)
        for path, output in damaged.items():
            typer.echo(f"damaged: {path} ({output or f'of no output in {lock}'})")
        if damaged:
            raise ValueError(
                f"{cache}: {len(damaged)} of {count} objects do not match their hashes; delete "
                "them and the outputs listed, then `dvc pull` or `dvc repro`"
            )
        typer.echo(f"{cache}: {count} objects match their hashes")


def card(image_sets: list[Path] = Argument(..., metavar="SET", help="image sets")) -> None:
    """Write README.md and croissant.json of image sets again, from their index.

    Every new set gets both: its content, sources, licence, parameters and hashes. croissant.json
    holds them for data catalogues and `mlcroissant`. Use this command for sets that an earlier
    version wrote; for sets that DVC made, use `dvc repro` instead.

    Example: face-occlusion card data/benchmarks/mine
    """
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.core.imageset.cards import CARD, CROISSANT, write_cards

    for folder in image_sets:
        opened = ImageSet(folder)
        write_cards(folder, opened.shards, opened.info)
        typer.echo(f"{folder}: {CARD} and {CROISSANT} of {len(opened)} samples")


def overlap(
    image_sets: list[Path] = Argument(..., metavar="SET SET", help="image sets"),
    max_bits: int = Option(48, help="most bits, of 256, in which hashes of a pair differ"),
    show: int = Option(20, help="pairs to list for each two of the sets"),
    workers: Workers = None,
) -> None:
    """List images of several sets that seem to show the same photograph, closest first.

    Images are compared by perceptual hashes, whole and around the face, mirrored and turned, and
    by the identities that their records name. The pairs listed are suspected copies: look at
    them. docs/provenance.md says how many copies are found at which limit, and how many pairs are
    suspected wrongly.

    Example: face-occlusion overlap data/faces/wo data/benchmarks/mine
    """
    from face_occlusion.core.imageset import ImageSet
    from face_occlusion.overlap.compare import find_overlap

    opened = {str(folder): ImageSet(folder) for folder in image_sets}
    if len(opened) < 2:
        raise ValueError("name at least two image sets, each once")
    found = find_overlap({}, opened, max_bits=max_bits, num_closest=1, workers=workers)
    for one in found.comparisons:
        nearest = f"; closest: {one.closest[0].bits} bits" if one.closest else ""
        typer.echo(
            f"{one.first} and {one.second}: {len(one.suspected)} pairs suspected{nearest}; "
            f"identities in both: {one.identities}"
        )
        for pair in one.suspected[:show]:
            typer.echo(f"  {pair.first} {pair.second} {pair.bits}")


def audit(
    image_set: Path = Argument(..., metavar="SET", help="image set of faces"),
    out: Path = Option(Path("audit"), help="new folder for page and LabelMe project"),
    part: str = Option("png", help="masks to judge: png, or original.png for the uncorrected ones"),
    reference: list[Path] | None = Option(None, help="set of faces with good masks; repeatable"),
    num: int = Option(100, min=1, help="number of masks to show"),
    folds: int = Option(
        3, help="networks to train, each judging the fold it did not see; 1: on references only"
    ),
    iterations: int = Option(200, help="training steps of each network, 16 faces a step"),
    seed: int = Option(0, help="the same seed gives the same ranking"),
) -> None:
    """Rank masks that probably include something that is not face, worst first.

    A small pretrained network learns from the other masks and from the references, and each mask
    is scored by how much of its face the network disputes. OUT gets index.html to correct
    the masks on, audit.csv with all scores, and labelme/ for those who prefer that tool. Where
    most masks of a set are suspicious, train on references only: --folds 1.

    Example: face-occlusion audit data/faces/o --part original.png --folds 1
    --reference data/faces/wo --reference data/sets/natocc_hand --reference data/sets/randocc_1
    """
    from face_occlusion.apps.auditing.audit import audit_masks
    from face_occlusion.apps.auditing.crossvalidation import AuditParams

    params = AuditParams(folds=folds, iterations=iterations, seed=seed)
    findings = audit_masks(image_set, out, params, part=part, references=reference or [], num=num)
    shown = min(num, len(findings))
    typer.echo(f"{out / 'index.html'}: {shown} of {len(findings)} masks, worst first")
