# One image for every role: the command says which. `python -m services.orders`, `python -m servicekit.migrate`, `chaoyangli …`
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app

COPY requirements.lock ./
RUN python3 -m pip install --no-cache-dir --require-hashes -r requirements.lock

COPY contracts/ contracts/
COPY eventstore/ eventstore/
COPY servicekit/ servicekit/
COPY services/ services/
COPY cli/ cli/
# The path of a file is its import path, so the tree itself is the installation.
ENV PYTHONPATH=/app
RUN printf '#!/bin/sh\nexec python3 -m cli "$@"\n' > /usr/local/bin/chaoyangli && chmod 0755 /usr/local/bin/chaoyangli \
    && python3 -m compileall -q contracts eventstore servicekit services cli \
    && groupadd --gid 10001 chaoyangli && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent chaoyangli
USER 10001:10001
CMD ["chaoyangli", "--help"]
