# One file, an image a component: --build-arg IMAGE=risk-manager, or IMAGE=operator --target operator. `make images` makes all.
# See docs/decisions/0088-an-image-is-a-part-of-the-lock.md.
ARG BASE=python:3.12-slim
ARG HELM_VERSION=3.22.0
ARG HELM=alpine/helm:${HELM_VERSION}

# The program itself, and nothing that it needs: the same for every image.
FROM ${BASE} AS program
WORKDIR /src
RUN python3 -m venv /tool && python3 -m venv --without-pip /opt/tradingmesh
COPY requirements/lock.txt requirements/images.py requirements/images.txt requirements/
RUN python3 requirements/images.py build > build.txt \
    && /tool/bin/pip install --no-cache-dir --no-deps --require-hashes -r build.txt
COPY pyproject.toml README.md ./
COPY services services
COPY operator operator
RUN /tool/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /tool/bin/pip --python /opt/tradingmesh/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

# What one image needs, in a virtual environment without pip. What all need comes first, for it is installed once.
FROM ${BASE} AS packages
WORKDIR /src
RUN python3 -m venv /tool && python3 -m venv --without-pip /opt/tradingmesh
COPY requirements/lock.txt requirements/images.py requirements/images.txt requirements/
RUN python3 requirements/images.py common > common.txt \
    && /tool/bin/pip --python /opt/tradingmesh/bin/python install --no-cache-dir --no-deps --require-hashes -r common.txt
ARG IMAGE
RUN python3 requirements/images.py "${IMAGE:?name the image: --build-arg IMAGE=risk-manager}" > packages.txt \
    && /tool/bin/pip --python /opt/tradingmesh/bin/python install --no-cache-dir --no-deps --require-hashes -r packages.txt

# A root file system that may be read-only, and nobody's rights: what is written goes to /tmp and to the data volume.
FROM ${BASE} AS component
COPY --from=packages /opt/tradingmesh /opt/tradingmesh
# A layer of its own, for it changes most often: what a new version brings to a node is this alone.
COPY --from=program /opt/tradingmesh /opt/tradingmesh
ENV PATH=/opt/tradingmesh/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["tradingmesh"]
# Last, for the revision is another each time: what is above need not be made again.
ARG IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tradingmesh ${IMAGE}" \
      org.opencontainers.image.description="An algorithmic trading system as a mesh of small services: ${IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM ${HELM} AS helm

FROM packages AS charts
COPY --from=program /opt/tradingmesh /opt/tradingmesh
COPY charts charts
RUN /opt/tradingmesh/bin/python -m tradingmesh_operator.charts --into /charts

# The operator: what a component has, and helm with the charts that it renders.
FROM component AS operator
COPY --from=helm /usr/bin/helm /usr/local/bin/helm
COPY --from=charts /charts /usr/share/tradingmesh/charts
ENTRYPOINT ["python", "-m", "tradingmesh_operator"]

# What is built where no target is named.
FROM component
