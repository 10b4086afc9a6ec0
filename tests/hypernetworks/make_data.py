"""Makes tests/data/ghn from a folder of reference values: ``python -m tests.hypernetworks.make_data FOLDER``."""

import json
import shutil
import sys
from pathlib import Path

from tart_nas.experiments.ghn_reference_values import ReferenceValues

OUT = Path(__file__).resolve().parents[1] / "data/ghn"

NETWORKS = {
    "ghn1_tiny": ("val60", "resnet18", "custom_fc"),
    "ghn2_tiny": ("test41", "dense1", "squeezenet1_0", "convnext_tiny", "resnet18_100classes_no_class_layers"),
    "mlp_tiny": ("dense1", "resnet18"),
    "ghn2_mlpdecoder_tiny": ("val60", "custom_fc"),
    "ghn3_tiny": ("val60", "test41", "wide17", "squeezenet1_0", "vit_b_32", "mobilenet_v3_small"),
}
"""The predictions that are kept: the small ones, and what each kind of network alone needs."""

FILES = (
    *(f"checkpoints/{name}.pt" for name in ("ghn1_tiny", "ghn2_tiny", "ghn3_tiny", "ghn3_tiny_hf")),
    *(f"checkpoints/{name}.safetensors" for name in ("mlp_tiny", "ghn2_mlpdecoder_tiny")),
    *(f"checkpoints/{name}.json" for name in NETWORKS),
    "nets/deepnets1m_eval.hdf5",
    "nets/deepnets1m_eval_meta.json",
    "training/batch.npz",
    "training/steps.json",
    "training/post_processing.npz",
)


def main(folder: Path) -> None:
    values = ReferenceValues(folder)
    shutil.rmtree(OUT, ignore_errors=True)
    files, keys = [*FILES], []
    for checkpoint, networks in NETWORKS.items():
        for network in networks:
            key = values.key(checkpoint, network)
            keys.append(key)
            files += [f"predictions/{checkpoint}/{network}.npz", f"graphs/{key.replace('/', '_')}.npz"]
    keys += ["ppuda/test41", "ppuda/dense1", "ppuda/val60"]  # of the training steps
    for name in files:
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, OUT / name)
    kept = {key: content for key, content in values.architectures.items() if key in keys}
    (OUT / "architectures.json").write_text(json.dumps(kept, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
