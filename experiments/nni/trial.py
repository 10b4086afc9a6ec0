"""A trial of ``experiments/nni/config.yml``: trains the architecture that the tuner hands out, reports each epoch."""

import argparse

import nni
import torch

from tart_nas.images import IMAGE_DATASETS, load_images
from tart_nas.networks import build_network
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import cell_architecture
from tart_nas.training import EpochMetrics, TrainingRecipe, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", choices=IMAGE_DATASETS, default="cifar10-sample")
    parser.add_argument("--data-dir", help="where CIFAR-10 is, if all of it is wanted; default: it is downloaded once")
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--train-images", type=int, help="default: all")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sample = nni.get_next_parameter()
    architecture = cell_architecture(sample, arguments.cells, arguments.channels)
    # Of the architecture at the size of the predictor's labels, which is the default, not at that of the training.
    predicted = float(Predictor.from_pretrained("darts-cifar10").predict([cell_architecture(sample)])[0])
    images = load_images(
        arguments.dataset, arguments.data_dir, seed=arguments.seed, train_images=arguments.train_images
    )
    torch.manual_seed(arguments.seed)
    network = build_network(architecture, len(images.classes), images.image_size)
    recipe = TrainingRecipe(epochs=arguments.epochs, batch_size=arguments.batch_size, lr=0.1)

    def report(epoch: EpochMetrics) -> None:
        nni.report_intermediate_result({"default": epoch.validation_accuracy, "predicted": predicted})

    result = train(network, images, recipe, seed=arguments.seed, on_epoch=report)
    nni.report_final_result({"default": result.validation_accuracy, "predicted": predicted})


if __name__ == "__main__":
    main()
