package zitadel_test

import (
	"maps"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/zitadel"
	"github.com/claimsmith/claimsmith/metadata"
)

// Every operation has words for what a service may say, whether or not it is meant to happen there.
func TestEveryOperationExplainsWhatIsNotThere(t *testing.T) {
	const notFound, noUser = "Metadata not found (QUERY-Rgh32)", "User could not be found (COMMAND-uXHNj)"
	for name, test := range map[string]struct {
		err  error
		want map[string]string
	}{
		"a user": {metadata.ErrUserNotFound, map[string]string{
			"none": notFound, "getting": notFound, "listing": notFound, "setting": noUser, "removing": noUser, "removing many": noUser,
			"listing v2": notFound, "setting v2": noUser, "removing many v2": noUser,
		}},
		"something else": {&metadata.Error{Code: metadata.NotFound, Detail: "no such organisation"}, map[string]string{
			"none": notFound, "getting": notFound, "listing": notFound, "setting": noUser,
			"removing": "Metadata not found (META-ncnw3)", "removing many": "One or more keys do not exist (META-2nnds)",
			"listing v2": notFound, "setting v2": noUser, "removing many v2": "One or more keys do not exist (META-2nnds)",
		}},
	} {
		if got := zitadel.Explained(test.err); !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// What is wrong with a whole request is not blamed on its key.
func TestOnlyKeysAreCalledInvalidMetadata(t *testing.T) {
	for field, want := range map[string]string{
		"":     "a document is changed twice (CLAIMSMITH-invalid)",
		"plan": "a document is changed twice (CLAIMSMITH-invalid)",
		"a\tb": "Metadata is invalid (META-2m00f)",
	} {
		err := &metadata.Error{Code: metadata.Invalid, Field: field, Detail: "a document is changed twice"}
		if got := zitadel.Explained(err)["setting"]; got != want {
			t.Errorf("%q: %s, want %s", field, got, want)
		}
	}
}
