# One image for every role, which the command names: `python3 -m services.orders`, `python3 -m servicekit.migrate`, …
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE}

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app

# What changes seldom comes first: a build after a change of code takes seconds.
COPY requirements.lock ./
RUN python3 -m pip install --no-cache-dir --require-hashes -r requirements.lock
RUN groupadd --gid 10001 chaoyangli \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent chaoyangli \
    # A new volume takes over whose its directory is: a witness writes its own.
    && mkdir /witness && chown 10001:10001 /witness

# .dockerignore lists what belongs here. The path of a file is its import path: the tree itself is the installation.
COPY . ./
ENV PYTHONPATH=/app
RUN python3 -m compileall -q . \
    && printf '#!/bin/sh\nexec python3 -m cli "$@"\n' > /usr/local/bin/chaoyangli \
    && chmod 0755 /usr/local/bin/chaoyangli
USER 10001:10001
CMD ["chaoyangli", "--help"]
