package operate

import (
	"encoding/base64"
	"strings"

	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

func jsonValue(text string) (metadata.Value, error) { return metadata.JSON([]byte(text)) }

// shownValue is a value as it is read in a line.
func shownValue(v metadata.Value) string {
	switch v.Kind() {
	case metadata.KindJSON:
		return page.Readable(v.Raw())
	case metadata.KindBytes:
		return base64.StdEncoding.EncodeToString([]byte(v.Raw()))
	}
	return ""
}

// listed are the lines of a field, without the empty ones.
func listed(text string) []string {
	all := []string{}
	for line := range strings.SplitSeq(page.Lines(text), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
