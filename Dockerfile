# Wheel: built with tools that the lock file pins by hash, from nothing but the sources.
FROM python:3.13-slim AS wheel
WORKDIR /src
COPY requirements-build.lock ./
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE manifest.yml ./
COPY bot ./bot
COPY orchestration ./orchestration
RUN hatchling build -t wheel -d /wheel

# Environment: the locked dependencies and the wheel. It is copied whole, and has no installer of its own.
FROM python:3.13-slim AS environment
WORKDIR /src
RUN python -m venv --without-pip /opt/countersign
# With what COUNTERSIGN_RECORDS_STORE needs for S3 and Azure Blob Storage; requirements.lock is without.
ARG LOCK=requirements-stores.lock
COPY requirements.lock requirements-stores.lock ./
RUN pip --python /opt/countersign install --no-cache-dir --require-hashes -r "$LOCK"
COPY --from=wheel /wheel /wheel
RUN pip --python /opt/countersign install --no-cache-dir --no-deps /wheel/*.whl

# Run: no compiler, no cache, no root. It writes below /var/lib/countersign, and to /tmp where documents are moved or a
# query is large; the rest of its file system may be read-only.
FROM python:3.13-slim
RUN groupadd --system --gid 10001 countersign \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/countersign --create-home countersign \
    && chmod 700 /var/lib/countersign
COPY --from=environment /opt/countersign /opt/countersign
# The data directory is inside the volume, because the mode of a mounted volume is not ours to set.
ENV PATH=/opt/countersign/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    COUNTERSIGN_LISTEN=0.0.0.0:3000 \
    COUNTERSIGN_DATA_DIR=/var/lib/countersign/data
USER 10001:10001
WORKDIR /var/lib/countersign
VOLUME /var/lib/countersign
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, os\ncall = http.client.HTTPConnection('127.0.0.1', int(os.environ['COUNTERSIGN_LISTEN'].rpartition(':')[2]), timeout=3)\ncall.request('GET', '/healthz')\nraise SystemExit(call.getresponse().status != 200)"]
ENTRYPOINT ["countersign"]
CMD ["run"]
# Last, so that another version or commit changes no layer before it.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=https://github.com/countersign/countersign
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.description="Durable human approvals in Slack" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.documentation="$SOURCE/tree/main/docs"
