# Debian with Node.js of a release with long-term support, and npm to build with.
ARG BASE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim
FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
ARG SOURCE_DATE_EPOCH
ARG BUILD_HOST
RUN npm run build && node scripts/release-checks.js dist/sbom.cdx.json 'bill of materials'

# What the last stage has of Debian: node and env, the libraries that these and the packages load, and what tells scanners
# which releases they are.
WORKDIR /image
RUN mkdir -p srv/kask var/lib/dpkg/status.d; \
    cp -r /build/dist /build/package.json /build/package-lock.json srv/kask; \
    npm --prefix srv/kask ci --omit dev --ignore-scripts; \
    find srv/kask/node_modules -name '*.glibc.node' -exec ldd "$(command -v node)" /usr/bin/env {} + \
      | grep -o '/[^ ]*\.so[^ ]*' | sort -u \
      | xargs cp --parents --dereference --target-directory . \
          "$(command -v node)" /usr/bin/env /etc/os-release; \
    for package in coreutils libc6 libgcc-s1 libstdc++6; do \
      dpkg-query --status "$package" > "var/lib/dpkg/status.d/$package"; \
      cp --parents --dereference "/usr/share/doc/$package/copyright" .; \
    done; \
    echo 'kask:x:65533:65533::/:' > etc/passwd; \
    echo 'kask:x:65533:' > etc/group; \
    echo 'hosts: files dns' > etc/nsswitch.conf; \
    ln -s dist/main.js srv/kask/kask; \
    mkdir -m 1777 tmp

FROM scratch
COPY --from=build /image /
COPY LICENSE /srv/kask/
COPY openapi /srv/kask/openapi
COPY config /srv/kask/config
ENV PATH=/srv/kask:/usr/local/bin:/usr/bin
WORKDIR /srv/kask
# By number: `runAsNonRoot` of Kubernetes does not believe in names.
USER 65533:65533
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["./kask"]
CMD ["--config", "/etc/kask/config.yaml"]
ARG VERSION=2.0.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="kask" \
      org.opencontainers.image.description="Session storage over Apache Cassandra" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.wikimedia.kask.sbom="/srv/kask/dist/sbom.cdx.json"
