# The same source makes the same binary, byte for byte: the toolchain is pinned, and no path, time or commit gets in.
FROM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /claimsmith ./cmd/claimsmith
RUN install -d -m 0700 -o 65532 -g 65532 /files

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /claimsmith /claimsmith
# What people upload; a new volume there belongs to the user of the image.
COPY --from=build --chown=65532:65532 /files /var/lib/claimsmith/files
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/claimsmith"]
CMD ["serve"]
