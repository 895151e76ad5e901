package records

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"gocloud.dev/blob"
)

// PublicIDs returns the ids of everything that everybody may see of a user. named, if not "", is one of them: it leads also to what was put
// there when the server had another key, of which nothing else tells where it is.
func (f *Files) PublicIDs(ctx context.Context, user, named string) ([]string, error) {
	// What a bucket that is not there lists is nothing.
	if err := f.accessible(ctx); err != nil {
		return nil, err
	}
	folders := map[string]bool{}
	for _, key := range f.keys {
		folders[pseudonym(key, user)] = true
	}
	if publicID.MatchString(named) {
		folder, _, _ := strings.Cut(named, ".")
		folders[folder] = true
	}
	ids := map[string]bool{}
	for folder := range folders {
		prefix := "public/" + folder + "/"
		files := f.bucket.List(&blob.ListOptions{Prefix: prefix})
		for {
			file, err := files.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, unavailable(err)
			}
			random, _, _ := strings.Cut(strings.TrimPrefix(file.Key, prefix), "/")
			ids[folder+"."+random] = true
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
