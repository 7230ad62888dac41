"""Trains a scene network (Table 5): `python -m vision.scene CONFIG --seed K`."""

from data.common.errors import run_command
from vision.scenes.train import main

if __name__ == "__main__":
    run_command(main)
