package zitadel

// The generator and its plugins are fetched by version, and belong to no module here.
//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
