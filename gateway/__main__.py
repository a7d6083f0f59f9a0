"""`python -m gateway`"""

from gateway.app import create_app
from gateway.settings import GatewaySettings
from shared.server import main

if __name__ == "__main__":
    main(GatewaySettings, create_app)
