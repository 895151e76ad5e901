package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

//go:embed static
var staticFiles embed.FS

// staticFile is a file that never changes under its name, which has a hash of it in it.
type staticFile struct {
	mediaType string
	text      []byte
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// PathStatic is where Asset is to be mounted, below the issuer.
const PathStatic = "/static"

// assets are the files by the names they are served under, AssetNames these by the names of the files.
var assets, AssetNames = readAssets()

func readAssets() (files map[string]staticFile, names map[string]string) {
	files, names = make(map[string]staticFile), make(map[string]string)
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // the files are in the binary
	}
	for _, e := range entries {
		text, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			panic(err) // as above
		}
		sum := sha256.Sum256(text)
		extension := path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), extension) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + extension
		files[hashed] = staticFile{mediaTypes[extension], text}
		names[e.Name()] = hashed
	}
	return files, names
}

// Unchanging is how long a browser may keep what never changes under its address.
const Unchanging = "public, max-age=31536000, immutable"

// Asset serves the files of this package at PathStatic/:asset.
func Asset(c echo.Context) error {
	name, err := request.PathValue(c, "asset")
	if err != nil {
		return err
	}
	file, known := assets[name]
	if !known {
		return problem.New(problem.NotFound, "")
	}
	c.Response().Header().Set("Cache-Control", Unchanging)
	return c.Blob(http.StatusOK, file.mediaType, file.text)
}
