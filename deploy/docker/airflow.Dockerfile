# Airflow on the product's image: its packages are an environment of their own (deploy/airflow/requirements.lock), so
# that neither's versions bind the other's. Tasks call the `paywarden` command that is beside it.
#
#     docker build -f deploy/docker/airflow.Dockerfile --build-arg PRODUCT_IMAGE=paywarden:dev -t paywarden-airflow:dev .

ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG PRODUCT_IMAGE=paywarden:0.1.0

FROM ${PYTHON_IMAGE} AS packages
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir --root-user-action=ignore "uv==${UV_VERSION}"
COPY deploy/airflow/requirements.lock /build/
RUN uv venv /opt/airflow-venv \
    && uv pip sync --require-hashes --python /opt/airflow-venv/bin/python /build/requirements.lock

FROM ${PRODUCT_IMAGE}
LABEL org.opencontainers.image.title="Paywarden's Airflow" \
    org.opencontainers.image.description="Airflow, and the paywarden command that its tasks call" \
    org.opencontainers.image.licenses="Apache-2.0"
USER root
RUN install -d -o paywarden -g paywarden /opt/airflow /opt/airflow/logs && install -d /opt/airflow/dags
COPY --from=packages /opt/airflow-venv /opt/airflow-venv
ENV PATH=/opt/airflow-venv/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/airflow/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False
USER paywarden
WORKDIR /opt/airflow
CMD ["airflow", "version"]
