import scipy.linalg  # noqa: F401 - its threads are limited too
from hypothesis import settings
from threadpoolctl import threadpool_limits

threadpool_limits(1)  # as in the service: small systems wait for the threads of large ones

# machines that run tests are shared, so no deadline; 50 examples find what 100 did here, in half the time
settings.register_profile("stats", deadline=None, max_examples=50)
settings.load_profile("stats")
