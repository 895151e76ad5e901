package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/config"
)

const (
	// filesDirectory is where serve keeps files unless it is told otherwise.
	filesDirectory = "/var/lib/claimsmith/files"
	// filesTimeout is how long a bucket may take to show at the start that it can be written.
	filesTimeout = 20 * time.Second
)

// serveFiles opens the files of an installation. Without a setting a server does without files where it has no place for them.
func serveFiles(ctx context.Context, c *config.Serve, sealer *keys.Sealer, log *slog.Logger) (*records.Files, error) {
	if c.Files != "" {
		return openFiles(ctx, c.Files, sealer)
	}
	files, err := openFiles(ctx, filesDirectory, sealer)
	if err != nil {
		log.WarnContext(ctx, "no files are kept, and uploads are refused: give --files, or make this directory writable",
			"directory", filesDirectory, "error", err)
	}
	return files, nil
}

// devFiles opens those of dev, which are kept as long as what is in its Redis.
func devFiles(ctx context.Context, c *config.Dev, sealer *keys.Sealer) (*records.Files, error) {
	switch {
	case c.Files != "":
		return openFiles(ctx, c.Files, sealer)
	case c.RedisAddr == "":
		return openFiles(ctx, records.InMemory, sealer)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	return openFiles(ctx, filepath.Join(cache, "claimsmith", "files"), sealer)
}

func openFiles(ctx context.Context, place string, sealer *keys.Sealer) (*records.Files, error) {
	ctx, cancel := context.WithTimeout(ctx, filesTimeout)
	defer cancel()
	return records.OpenFiles(ctx, place, sealer.DeriveAll("addresses of pictures"))
}

// closeFiles is for what may not have been opened.
func closeFiles(files *records.Files, log *slog.Logger) {
	if files == nil {
		return
	}
	if err := files.Close(); err != nil {
		log.Warn("closing files", "error", err)
	}
}
