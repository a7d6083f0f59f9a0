"""`python -m services.text` serves it."""

import structlog

from services.text.app import create_app, model_folder
from services.text.settings import TextSettings
from shared.app import App
from shared.onnx import ModelError
from shared.server import main


def create(settings: TextSettings) -> App:
    try:
        model_folder(settings)
    except ModelError as error:
        structlog.get_logger().error("cannot start", reason=str(error))
        raise SystemExit(1) from None
    return create_app(settings)


if __name__ == "__main__":
    main(TextSettings, create)
