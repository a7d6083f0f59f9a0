"""`python -m services.stats` serves it."""

from services.stats.app import create_app
from services.stats.settings import StatsSettings
from shared.server import main

if __name__ == "__main__":
    main(StatsSettings, create_app)
