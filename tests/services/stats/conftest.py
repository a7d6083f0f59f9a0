from hypothesis import settings

# machines that run tests are shared, so no deadline; 50 examples find what 100 did here, in half the time
settings.register_profile("stats", deadline=None, max_examples=50)
settings.load_profile("stats")
