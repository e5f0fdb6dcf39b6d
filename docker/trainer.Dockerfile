# The trainer: torch, and the service's code, because the trainer measures with the code that serves.
#   docker build -f docker/trainer.Dockerfile -t faqtual/trainer .
# PyPI's wheel of torch carries CUDA. For a machine without a GPU, smaller by gigabytes:
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH_VERSION=2.13.0
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /venv
# Only torch comes from that index, pip's own if it is empty; its dependencies come from PyPI with the rest.
RUN pip --python /venv/bin/python install --no-deps ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} torch==${TORCH_VERSION}
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; e = p['optional-dependencies']; \
print(*p['dependencies'], *e['base'], *e['postgres'], *e['trainer'], sep='\n')" > requirements.txt \
 && pip --python /venv/bin/python install -c constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY app app
COPY data/faq.jsonl data/faq.jsonl
COPY trainer trainer
RUN pip --python /venv/bin/python install --no-deps .
# Nothing is missing: a training, a publication and a database need no other library.
RUN cd /tmp && MPLCONFIGDIR=/tmp /venv/bin/python -c "import trainer.fit, trainer.publish, trainer.generation.generate, psycopg"

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="faqtual-trainer" \
      org.opencontainers.image.description="Fine-tunes, measures, calibrates and publishes what Faqtual serves." \
      org.opencontainers.image.licenses="Apache-2.0"
# The same user as the service: they share /data.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin faqtual \
 && install -d -o faqtual -g faqtual /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    FAQ_HOME=/data \
    HF_HOME=/data/cache/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor
USER 10001:10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["python", "-m", "trainer"]
CMD ["--help"]
