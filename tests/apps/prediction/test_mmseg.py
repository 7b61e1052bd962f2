"""Runs as MMSegmentation configs, and stock configs on unpacked sets, in MMEngine's own Runner."""

import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.apis import inference_model, init_model

from face_occlusion.apps.folders import unpack_image_set
from face_occlusion.apps.prediction.mmseg import export_mmseg
from face_occlusion.core.imageset import ImageSet
from face_occlusion.evaluation.inference import load_model
from face_occlusion.evaluation.metrics import confusion_counts, mean_iou
from face_occlusion.transforms import mmseg
from tests.apps.pictures import save
from tests.apps.prediction.conftest import photograph, write_run
from tests.conftest import ROOT
from tests.generation.drawn import draw_hand
from tests.training.conftest import LITE, drawn_data

TWO_CHANNELS = {"ohem_thresh": 0.7, "ohem_min_kept": 100, "divide_by": "kept", "aux_ohem": True}


@pytest.mark.parametrize(
    ("model", "params", "loss"),
    [
        ("segformer", {}, {"out_channels": 1}),
        ("pspnet", {}, {"out_channels": 2}),
        ("deeplabv3plus", {}, {"out_channels": 1}),
        ("deeplabv3plus", LITE, {"out_channels": 2}),
    ],
)
def test_the_config_predicts_as_the_run_and_needs_nothing_of_ours(
    tmp_path, monkeypatch, invoke, model, params, loss
):
    run = write_run(tmp_path / "run", model, params, input_px=64, loss=TWO_CHANNELS | loss)
    monkeypatch.chdir(tmp_path)
    printed = invoke("export", run, "--to", "mmseg")
    assert "exports/run.py, exports/run.pth: logits differ by" in printed
    text = Path("exports/run.py").read_text()
    ours = re.findall(r"^[^#\n]*face_occlusion.*", text, re.MULTILINE)
    assert len(ours) == (params == LITE) and ("is not among" in text) == (params == LITE)
    stock = init_model("exports/run.py", "exports/run.pth", device="cpu")
    segmenter = load_model(run)
    for size in ((64, 64), (130, 96), (70, 128)):
        image = photograph(*size, seed=3)
        found = inference_model(stock, image[..., ::-1].copy()).seg_logits.data
        probability = found[0] if loss["out_channels"] == 1 else found.softmax(0)[1]
        np.testing.assert_allclose(probability, segmenter.predict(image), atol=1e-4)


def run_stock(config: Config, folder: Path) -> tuple[float, float]:
    """Train for two steps on an unpacked set of faces; the mIoU before and after, per cent."""
    unpack_image_set(ImageSet(drawn_data() / "faces/wo"), folder / "unpacked", ids=True)
    config.work_dir = str(folder / "work")
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.train_dataloader.batch_size = 2
    for name in ("train_dataloader", "val_dataloader"):
        config[name].num_workers = 0
        config[name].dataset.data_root = str(folder / "unpacked")
    runner = Runner.from_cfg(config)
    before = runner.val()["mIoU"]
    runner.train()
    assert runner.iter == 2
    return before, runner.message_hub.get_scalar("val/mIoU").current()


def test_the_exported_config_trains_on_from_the_run_with_the_stock_runner(tmp_path):
    run = write_run(tmp_path / "run", "segformer", input_px=32)
    export_mmseg(run, load_model(run), tmp_path / "run.py")
    segmenter, faces = load_model(run), ImageSet(drawn_data() / "faces/wo")
    samples = map(faces.sample, faces.keys)
    tallies = [confusion_counts(segmenter.predict(one) >= 0.5, mask) for one, mask in samples]
    miou = 100 * float(mean_iou(np.sum(tallies, axis=0)))
    before, after = run_stock(Config.fromfile(tmp_path / "run.py"), tmp_path)
    assert before == pytest.approx(miou, abs=0.1) and after != before


def test_the_documented_stock_config_trains_with_occlusions_drawn_meanwhile(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "mmsegmentation.md").read_text()
    (text,) = re.findall(r"```python\n(default_scope.*?)```", page, re.DOTALL)
    quick = text.replace("256, 256", "64, 64").replace("p=0.5", "p=1")
    (tmp_path / "stock.py").write_text(quick)
    hand = draw_hand((235, 200, 175), height=60, width=40)
    save(tmp_path / "data/occluders/hands/hand.png", hand)
    monkeypatch.chdir(tmp_path)
    drawn, transform = [], mmseg.NatOcc.transform

    def noted(self, results):
        before = results["gt_seg_map"].copy()
        results = transform(self, results)
        drawn.append((before != results["gt_seg_map"]).any())
        return results

    monkeypatch.setattr(mmseg.NatOcc, "transform", noted)
    _, after = run_stock(Config.fromfile("stock.py"), tmp_path)
    assert 0 < after < 100
    assert len(drawn) == 4 and any(drawn)  # two steps of two images
