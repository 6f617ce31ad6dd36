# Build: the locked dependencies and the package, in an environment that is copied whole.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/countersign
# requirements-stores.lock has what COUNTERSIGN_RECORDS_STORE needs for S3 and Azure Blob Storage as well.
ARG LOCK=requirements.lock
COPY requirements.lock requirements-stores.lock ./
RUN /opt/countersign/bin/pip install --no-cache-dir --require-hashes -r "$LOCK"
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
COPY orchestration ./orchestration
RUN /opt/countersign/bin/pip install --no-cache-dir --no-deps .

# Run: no compiler, no cache, no root.
FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/countersign --create-home countersign \
    && chmod 700 /var/lib/countersign
COPY --from=build /opt/countersign /opt/countersign
ENV PATH=/opt/countersign/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    COUNTERSIGN_LISTEN=0.0.0.0:3000 \
    COUNTERSIGN_DATA_DIR=/var/lib/countersign
USER 10001
VOLUME /var/lib/countersign
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/healthz', timeout=2)"]
ENTRYPOINT ["countersign"]
CMD ["run"]
