"""`python -m gateway.jobs`"""

from gateway.jobs.settings import JobsSettings
from gateway.jobs.worker import create_app
from shared.server import main

if __name__ == "__main__":
    main(JobsSettings, create_app)
