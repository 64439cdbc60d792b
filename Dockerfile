# docker build -t gatehouse . && docker run -p 8000:8000 -v gatehouse:/data gatehouse
FROM debian:13-slim AS build
WORKDIR /gatehouse
COPY dev meson.build meson.options ./
COPY include include
COPY src src
COPY sql sql
COPY bench/peers bench/peers
COPY tests tests
RUN ./dev build && strip build/gatehouse

FROM debian:13-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
       libcrypt1 libhiredis1.1.0 libllhttp9.2 libmaxminddb0 libmbedcrypto16 libpq5 libsqlite3-0 libuv1t64 libyyjson0 \
       zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home gatehouse
COPY --from=build /gatehouse/build/gatehouse /usr/local/bin/gatehouse

USER gatehouse
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
VOLUME /data
EXPOSE 8000
# Ask /health/live and /health/ready from outside: the image has no client to ask with.
ENTRYPOINT ["gatehouse"]
CMD ["serve"]
