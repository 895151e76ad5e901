package request

import (
	"net/http"
	"net/url"
)

// Bounds of what is not a file in an upload.
const (
	maxUploadFields = 20
	maxUploadField  = 64 << 10
)

// DecodeUpload reads a form with files (multipart/form-data, RFC 7578): its fields as DecodeLargeForm does, each of at most 64 KiB, and the
// contents of its files by the names of their fields, one each, of at most limit bytes together. An empty file is left out. Names that
// files had at home are not looked at.
func DecodeUpload(r *http.Request, limit int64) (fields url.Values, files map[string][]byte, err error) {
	if r.URL.RawQuery != "" {
		return nil, nil, malformed("", "fields must be sent in the body, not in the address")
	}
	parts, err := NewParts(r)
	if err != nil {
		return nil, nil, err
	}
	return parts.readForm(maxUploadFields, maxUploadField, limit)
}
