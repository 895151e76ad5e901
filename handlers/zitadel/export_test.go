package zitadel

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/claimsmith/claimsmith/auth"
)

// Encode is for tests, as what is below.
var Encode = encode

func Decode(r *http.Request, into proto.Message) error { return decode(r, long, into) }

// Explained is what an administrator is told of an error in every operation, by its name.
func Explained(err error) map[string]string {
	of, told := &call{caller: auth.System()}, map[string]string{}
	for name, op := range map[string]operation{
		"none": {}, "getting": getting, "listing": listing, "setting": setting, "removing": removing, "removing many": removingMany,
		"listing v2": listingV2, "setting v2": settingV2, "removing many v2": removingManyV2,
	} {
		told[name] = explain(err, of, op).message()
	}
	return told
}
