"""`python -m services.text` serves it."""

import structlog

from services.text.app import create_app
from services.text.settings import TextSettings
from shared.app import App
from shared.onnx import ModelError
from shared.server import main


def create(settings: TextSettings) -> App:
    try:
        return create_app(settings)
    except ModelError as error:
        structlog.get_logger().error("cannot start", reason=str(error))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(TextSettings, create)
