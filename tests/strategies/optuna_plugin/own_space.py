"""A space of networks that a function builds: small, and with suggestions that depend on each other."""

from torch import nn

from tart_nas.search_spaces import TrialSpace


def build(trial):
    width = trial.suggest_int("width", 4, 64, step=4)
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for i in range(trial.suggest_int("depth", 0, 2)):
        kernel = trial.suggest_categorical(f"kernel{i}", [1, 3, 5])
        layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


OWN = TrialSpace(build, input_size=8)
