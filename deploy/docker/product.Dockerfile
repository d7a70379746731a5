# The product: every `paywarden` command, the MLflow server, Spark's master, workers and driver. Nothing is fetched at
# the start of a container: Java, Python's packages (of uv.lock) and Spark's Kafka connector are inside. Layers are
# ordered by how seldom they change, and need no BuildKit.
#
#     docker build -f deploy/docker/product.Dockerfile -t paywarden:dev .

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/paywarden
RUN pip install --no-cache-dir --root-user-action=ignore "uv==${UV_VERSION}"
WORKDIR /build
COPY pyproject.toml uv.lock ./
# NCCL is for training on several GPUs, and a sixth of the image; empty this argument to have it.
ARG LEFT_OUT="--no-install-package nvidia-nccl-cu12 --no-install-package nvidia-nccl-cu13"
RUN uv sync --frozen --no-dev --extra platform --no-install-project ${LEFT_OUT}

FROM ${PYTHON_IMAGE} AS runtime
ARG JRE_PACKAGE=openjdk-17-jre-headless
RUN apt-get update \
    && apt-get install --yes --no-install-recommends "${JRE_PACKAGE}" libgomp1 procps \
    && rm -rf /var/lib/apt/lists/*
# Airflow's usual user id, so that files of volumes are owned alike in all containers.
RUN groupadd --gid 50000 paywarden \
    && useradd --uid 50000 --gid 50000 --home-dir /var/lib/paywarden --shell /usr/sbin/nologin paywarden \
    && for name in stream manifests snapshots producer monitoring api spark; do \
        install -d -o paywarden -g paywarden "/var/lib/paywarden/$name"; done \
    && chown paywarden:paywarden /var/lib/paywarden
COPY --from=packages /opt/paywarden /opt/paywarden
ENV PATH=/opt/paywarden/bin:$PATH \
    PAYWARDEN_CACHE_DIR=/opt/paywarden-jars \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=passive
# Only what fetches jars, so that another change of the product does not fetch them again.
COPY src/paywarden/__init__.py src/paywarden/errors.py /tmp/fetch/paywarden/
COPY src/paywarden/adapters/__init__.py /tmp/fetch/paywarden/adapters/
COPY src/paywarden/adapters/local/__init__.py src/paywarden/adapters/local/ivy.py \
    src/paywarden/adapters/local/java.py /tmp/fetch/paywarden/adapters/local/
RUN PYTHONPATH=/tmp/fetch python -m paywarden.adapters.local.ivy "${PAYWARDEN_CACHE_DIR}" spark-kafka \
    && rm -rf /tmp/fetch

FROM packages AS product
COPY README.md LICENSE ./
COPY src/ src/
RUN uv build --wheel --out-dir /wheels

FROM runtime
LABEL org.opencontainers.image.title="Paywarden" \
    org.opencontainers.image.description="Real-time payment-fraud detection: commands, MLflow and Spark" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=product /wheels /tmp/wheels
RUN /usr/local/bin/pip --python /opt/paywarden/bin/python install --no-cache-dir --no-deps --no-index \
    --root-user-action=ignore /tmp/wheels/*.whl
# Compiled here for the processor at hand; on another one it is compiled anew, half a minute at the first use.
RUN install -d -o paywarden -g paywarden /opt/paywarden-compiled
ENV NUMBA_CACHE_DIR=/opt/paywarden-compiled
USER paywarden
WORKDIR /var/lib/paywarden
RUN python -c "from paywarden.features.replay import replay; \
from paywarden.features.templates import full_catalogue; \
from paywarden.simulation.world import World; \
world = World(1, cards=50); day = next(world.days(0, 1)); \
replay(day.transactions, day.labels, full_catalogue(world.schema))"
CMD ["paywarden", "--help"]
