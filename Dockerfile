# The decision service (target `service`, the last) and an MLflow of the pinned version (target `mlflow`).
#   docker build -t agv2-service .
# No container engine has built this yet: docs/operations.md says what was checked without one.

FROM python:3.12.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATH=/opt/venv/bin:$PATH
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin agv2 \
    && install -d -o 10001 -g 10001 -m 0700 /data

FROM base AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY constraints.txt ops/service-requirements.txt ./
# A layer of its own, that a change of AGV2's source leaves as it is.
RUN pip install -r service-requirements.txt -c constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY src src
# What AGV2 imports only to train is left out, hence --no-deps; the build backend stays outside of the image.
RUN python -m venv /opt/backend && /opt/backend/bin/pip install hatchling -c constraints.txt \
    && /opt/backend/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip install --no-deps /wheels/agv2-*.whl

FROM base AS mlflow-build
RUN python -m venv /opt/venv
COPY constraints.txt ./
RUN pip install mlflow "psycopg[binary]" -c constraints.txt

FROM base AS mlflow
COPY --from=mlflow-build /opt/venv /opt/venv
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 5000
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5000"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=3)"]

FROM base AS service
ENV AGV2_HOME=/data AGV2_KERNEL_CACHE=/data/cache/kernels OMP_NUM_THREADS=1
COPY --from=build /opt/venv /opt/venv
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8321
STOPSIGNAL SIGTERM
ENTRYPOINT ["agv2"]
# 0.0.0.0 is the container's own network; publish the port at 127.0.0.1, as compose.yaml does, or set TLS.
CMD ["serve", "--bundle", "/bundle", "--host", "0.0.0.0", "--port", "8321", "--insecure", "--json-log"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8321/health', timeout=3)"]
