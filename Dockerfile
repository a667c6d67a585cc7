# Second Look for a team: docs/serve-a-team.md. The studies are a volume; nothing else is worth keeping.
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 looker && install --directory --owner looker /studies
COPY --from=wheel /wheel /source/constraints.txt /wheel/
# An index that pip asks besides its own, such as PyTorch's of builds for this machine's graphics card, or for none.
ARG PIP_EXTRA_INDEX_URL
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --constraint /wheel/constraints.txt /wheel/*.whl && rm -r /wheel
USER 1000
WORKDIR /studies
VOLUME /studies
# Within the container the dashboard listens to all; by which names it may be asked, XAI_ALLOW_HOSTS says.
ENV XAI_ADDRESS=0.0.0.0 XAI_PORT=8501 PYTHONUNBUFFERED=1
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['XAI_PORT'] + '/_stcore/health', timeout=4)"]
ENTRYPOINT ["xai"]
CMD ["demo"]
