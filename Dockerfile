# The one image of a team's stack: Airflow's programs, MLflow's server and the prediction service start from it.
# Python is the release that the locks are resolved for.

FROM python:3.11.15-slim-bookworm AS packages
# As in the Makefile.
ARG UV_VERSION=0.13.8
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR=/var/cache/uv
RUN pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}
WORKDIR /opt/build
COPY requirements-team.txt ./
RUN --mount=type=cache,target=/var/cache/uv \
    uv venv /opt/venv \
    && uv pip install --python /opt/venv/bin/python --no-deps --require-hashes --requirements requirements-team.txt
# Last in this stage, so that a change of what is left out does not install everything again.
COPY scripts/trim_packages.py ./
RUN /opt/venv/bin/python trim_packages.py /opt/venv/lib/python3.11/site-packages

FROM python:3.11.15-slim-bookworm
# What a deployment needs beside: git, where the bundle is a GitDagBundle.
ARG DEBIAN_PACKAGES=
# LightGBM is linked with the system's OpenMP library.
# hadolint ignore=DL3008,SC2086
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 ${DEBIAN_PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 50000 --user-group --create-home mltrain \
    && install --directory --owner=mltrain --group=mltrain --mode=0750 \
        /opt/airflow /var/lib/mltrain /var/lib/mlflow /var/log/airflow
# Python's images hold none of its bytecode, and no program can write it: each start and each health check would compile
# what it imports.
RUN python -m compileall -q -x 'site-packages|/tests?/' /usr/local/lib/python3.11
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/mltrain
# requirements.txt is what a model's record names its libraries by.
COPY .airflowignore .env requirements.txt ./
COPY dags dags
COPY include include
COPY plugins plugins
RUN /opt/venv/bin/python -m compileall -q dags include plugins
# The commit that lineage tells of; the image holds no repository to ask.
ARG GIT_COMMIT
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/mltrain \
    AIRFLOW_HOME=/opt/airflow \
    MLTRAIN_HOME=/var/lib/mltrain \
    MPLCONFIGDIR=/tmp/matplotlib \
    GIT_COMMIT=${GIT_COMMIT}
USER 50000:50000
ENTRYPOINT ["python", "-m", "include.team.start"]
CMD ["airflow", "version"]
