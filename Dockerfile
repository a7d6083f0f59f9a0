# One image a process: `docker build --target gateway|speed|text|stats|redis .`
#
# A service's image holds its own dependency group, shared/ and its own folder; jobs are run out of the gateway's.
# Packages are installed and compiled to bytecode in a stage that is left behind, pip with it.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG REDIS_IMAGE=redis:7-bookworm

FROM ${PYTHON_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY pyproject.toml constraints.txt ./
RUN python -m venv /opt/pip && /opt/pip/bin/pip install --quiet -c constraints.txt pip \
 && python -m venv --without-pip /opt/venv \
 && printf '%s\n' '#!/bin/sh -e' \
    '/opt/pip/bin/pip --python /opt/venv/bin/python install --quiet --group "$1" -c constraints.txt' \
    'find /opt/venv -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +' \
    >/usr/local/bin/install-group && chmod +x /usr/local/bin/install-group

FROM packages AS gateway-packages
RUN install-group gateway

FROM packages AS speed-packages
RUN install-group speed

FROM packages AS stats-packages
RUN install-group stats

FROM packages AS text-packages
RUN install-group text

# The published sentence model becomes ONNX here; what that takes stays here.
FROM text-packages AS text-model
RUN install-group text-build && /opt/pip/bin/pip --python /opt/venv/bin/python install --quiet -c constraints.txt pip
COPY shared shared
COPY services/__init__.py services/
COPY services/text services/text
RUN /opt/venv/bin/python -m services.text.build_model --out /models

FROM ${PYTHON_IMAGE} AS process
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 VERNIER_HOST=0.0.0.0
WORKDIR /app
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
  CMD ["python", "-IS", "-c", "import os, urllib.request as r; \
       r.urlopen('http://127.0.0.1:' + os.environ['VERNIER_PORT'] + '/readyz', timeout=3)"]
COPY shared shared
RUN python -m compileall -q --invalidation-mode unchecked-hash shared

FROM process AS gateway
COPY --from=gateway-packages /opt/venv /opt/venv
COPY gateway gateway
RUN python -m compileall -q --invalidation-mode unchecked-hash gateway
ENV VERNIER_PORT=8080
EXPOSE 8080
USER 10001:10001
CMD ["python", "-m", "gateway"]

FROM process AS speed
COPY --from=speed-packages /opt/venv /opt/venv
COPY services/__init__.py services/
COPY services/speed services/speed
RUN python -m compileall -q --invalidation-mode unchecked-hash services
ENV VERNIER_PORT=8101
EXPOSE 8101
USER 10001:10001
CMD ["python", "-m", "services.speed"]

FROM process AS text
COPY --from=text-packages /opt/venv /opt/venv
COPY --from=text-model /models services/text/models
COPY services/__init__.py services/
COPY services/text services/text
RUN python -m compileall -q --invalidation-mode unchecked-hash services
ENV VERNIER_PORT=8102
EXPOSE 8102
USER 10001:10001
CMD ["python", "-m", "services.text"]

FROM process AS stats
COPY --from=stats-packages /opt/venv /opt/venv
COPY services/__init__.py services/
COPY services/stats services/stats
RUN python -m compileall -q --invalidation-mode unchecked-hash services && python -m services.stats.compile
ENV VERNIER_PORT=8103 MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 8103
USER 10001:10001
CMD ["python", "-m", "services.stats"]

# What may expire is cache and goes when memory is short; what may not is state, and is on the volume within a second.
FROM ${REDIS_IMAGE} AS redis
RUN mkdir -p /data && chown 10001:10001 /data
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
  CMD ["sh", "-c", "redis-cli ping | grep -q PONG"]
CMD ["redis-server", "--dir", "/data", "--appendonly", "yes", "--save", "", "--protected-mode", "no", \
     "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru", "--loglevel", "warning"]
