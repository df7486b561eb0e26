# Builds the guests and the runtime from source, and runs the runtime as a user of its own.
#
#   docker build -t openpact .
#   docker run -it --rm --read-only -v openpact:/data openpact chat

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add wasm32-wasip2
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package openpact \
    && install -D target/release/openpact /out/usr/local/bin/openpact \
    && install -d -m 0750 /out/data

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin openpact
COPY --from=build /out/usr/local/bin/openpact /usr/local/bin/openpact
COPY --from=build --chown=openpact:openpact /out/data /data
LABEL org.opencontainers.image.title="OpenPact" \
      org.opencontainers.image.description="A self-hosted AI assistant whose extensions cannot steal" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
ENV OPENPACT_DATA=/data
USER openpact
VOLUME /data
ENTRYPOINT ["/usr/local/bin/openpact"]
CMD ["start"]
