"""`python -m services.speed` serves it."""

from services.speed.app import create_app
from services.speed.settings import SpeedSettings
from shared.memory import reuse
from shared.server import main

IMAGES = 4 << 20, 16 << 20
"""Bytes of one buffer of an image reduced to 640 pixels, its slopes included, and of a pair's buffers."""

if __name__ == "__main__":
    reuse(*IMAGES)
    main(SpeedSettings, create_app)
