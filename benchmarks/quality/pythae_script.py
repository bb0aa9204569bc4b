"""Trains pythae's default VAE; runs in an interpreter that has pythae (and PyTorch), and needs nothing else of ours.

    python -I pythae_script.py IMAGES.npz OUT.npz LATENT EPOCHS FOLDER

IMAGES.npz holds `train` and `validation`, (n, 1, 28, 28), 0 or 1. OUT.npz gets the weights that pythae's own trainer
found best on the validation images. All else is pythae's default, but for the loss, which is that of a Bernoulli.
"""

import importlib.metadata
import sys
import time
from pathlib import Path

import numpy as np
from pythae.models import VAE, AutoModel, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback


class Losses(TrainingCallback):
    """Remembers the loss on the validation images after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def on_log(self, training_config: object, logs: dict[str, float], **kwargs: object) -> None:
        self.found.append(float(logs["eval_epoch_loss"]))


def main(images: str, out: str, latent: str, epochs: str, folder: str) -> None:
    with np.load(images, allow_pickle=False) as arrays:
        train, validation = arrays["train"], arrays["validation"]
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=int(latent), reconstruction_loss="bce"))
    pipeline = TrainingPipeline(
        model=model, training_config=BaseTrainerConfig(output_dir=folder, num_epochs=int(epochs))
    )
    losses, begun = Losses(), time.process_time()
    pipeline(train_data=train, eval_data=validation, callbacks=[losses])
    minutes = (time.process_time() - begun) / 60
    best = AutoModel.load_from_folder(str(Path(pipeline.trainer.training_dir) / "final_model"))
    weights = {name: value.numpy() for name, value in best.state_dict().items()}
    np.savez(out, losses=losses.found, cpu_minutes=minutes, version=importlib.metadata.version("pythae"), **weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
