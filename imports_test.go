package claimsmith_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const modulePath = "github.com/claimsmith/claimsmith"

// Third-party modules by what they are here for.
const (
	cliLibrary    = "github.com/alecthomas/kong"
	webLibrary    = "github.com/labstack/echo/v4"
	redisLibrary  = "github.com/redis/go-redis/v9"
	rateLibrary   = "github.com/go-redis/redis_rate/v10"
	jwtLibrary    = "github.com/golang-jwt/jwt/v5"
	jwkLibrary    = "github.com/go-jose/go-jose/v4"
	jsonLibrary   = "github.com/go-json-experiment/json"
	hashLibrary   = "github.com/go-crypt/crypt"
	blakeLibrary  = "golang.org/x/crypto" // digests that the standard library lacks
	schemaLibrary = "github.com/santhosh-tekuri/jsonschema/v6"
	metricLibrary = "github.com/prometheus/client_golang"
	pageLibrary   = "github.com/swaggest/swgui"       // what /docs shows the API with
	yamlLibrary   = "go.yaml.in/yaml/v4"              // what the API is described in
	textLibrary   = "golang.org/x/text"               // the canonical form of user names
	waitLibrary   = "golang.org/x/sync"               // the queue of password hashing
	otpLibrary    = "github.com/pquerna/otp"          // one-time passwords
	passLibrary   = "github.com/go-webauthn/webauthn" // passkeys
	rpcLibrary    = "connectrpc.com/connect"          // gRPC, gRPC-Web and Connect
	protoLibrary  = "google.golang.org/protobuf"      // the messages of these
	blobLibrary   = "gocloud.dev"                     // files, in a directory or by S3
	imageLibrary  = "golang.org/x/image"              // draws pictures anew
	mailLibrary   = "github.com/wneessen/go-mail"     // SMTP
	smtpLibrary   = "github.com/emersion/go-smtp"     // a mail server in tests
	loginLibrary  = "github.com/emersion/go-sasl"     // its logins
	fakeRedis     = "github.com/alicebob/miniredis/v2"
	codeLibrary   = "github.com/boombuler/barcode" // QR codes for authenticator apps
	htmlLibrary   = "golang.org/x/net"             // reads pages in tests
	diffLibrary   = "github.com/google/go-cmp"
	checkLibrary  = "pgregory.net/rapid"
	orderLibrary  = "github.com/anishathalye/porcupine"
	specLibrary   = "github.com/getkin/kin-openapi"
)

// rule says what one package may import. A package that no rule is for may not exist.
type rule struct {
	own   []string // packages of this module; "x/..." is x and all below it
	third []string // modules
	http  bool     // net/http
}

var anything = rule{own: []string{"..."}, third: []string{"..."}, http: true}

// rules are the arrows between the packages, by directory; "x/..." is for all below x that have no rule of their own.
// Nothing is about test files: they may import what they need.
var rules = map[string]rule{
	"cmd/...":        anything,
	"internal/e2e":   anything,
	"internal/bench": anything,

	"config": {third: []string{cliLibrary}},

	// The leaves. Downstream services import claims; HTTP is there to fetch keys and to wrap their handlers.
	"claims":   {third: []string{jwtLibrary, jwkLibrary, jsonLibrary}, http: true},
	"metadata": {own: []string{"internal/audit"}, third: []string{jsonLibrary, schemaLibrary, textLibrary}},

	"auth": {
		own:   []string{"auth/keys", "auth/ticket", "claims", "internal/audit"},
		third: []string{jwtLibrary, jsonLibrary, hashLibrary, blakeLibrary, textLibrary, waitLibrary},
	},
	"auth/ticket":  {},
	"auth/keys":    {own: []string{"claims", "internal/audit"}, third: []string{jwtLibrary, jwkLibrary, jsonLibrary}},
	"auth/session": {own: []string{"auth", "auth/ticket", "internal/audit"}},
	"auth/factor": {
		own:   []string{"auth", "auth/keys", "internal/audit"},
		third: []string{jsonLibrary, otpLibrary, passLibrary},
	},
	"auth/authorize": {
		own:   []string{"auth", "auth/factor", "auth/keys", "auth/session", "auth/ticket", "claims", "internal/audit"},
		third: []string{jsonLibrary},
	},
	"auth/backchannel": { // HTTP is there to speak to clients
		own:  []string{"auth", "auth/keys", "auth/session", "claims", "internal/audit"},
		http: true,
	},
	"auth/preview": {own: []string{"auth", "claims", "metadata", "internal/audit"}, third: []string{jsonLibrary}},
	"auth/people": {
		own: []string{"auth", "auth/career", "auth/factor", "auth/memory", "auth/preview", "auth/profile", "auth/records", "auth/session",
			"claims", "metadata", "internal/audit"},
		third: []string{jsonLibrary},
	},
	"auth/records": {own: []string{"auth"}, third: []string{blobLibrary, jsonLibrary}},
	"auth/profile": {
		own:   []string{"auth", "auth/records", "claims", "metadata", "internal/audit"},
		third: []string{jsonLibrary, imageLibrary, textLibrary},
	},
	"auth/career": {own: []string{"auth", "auth/records", "auth/ticket", "internal/audit"}, third: []string{jsonLibrary}},
	"auth/memory": {own: []string{"auth", "auth/records", "metadata", "internal/audit"}, third: []string{jsonLibrary}},
	"auth/grant":  {own: []string{"auth", "auth/keys", "auth/session", "claims", "internal/audit"}, third: []string{jsonLibrary}},

	// The adapters to Redis, and what all of them need.
	"metadata/redisstore": {own: []string{"metadata", "internal/keyspace", "internal/durable"}, third: []string{redisLibrary}},
	"auth/redisstore": {
		own: []string{"auth", "auth/factor", "auth/keys", "auth/grant", "auth/records", "auth/session", "internal/audit", "internal/keyspace",
			"internal/durable"},
		third: []string{redisLibrary, rateLibrary, jsonLibrary},
	},
	"internal/keyspace": {},
	"internal/durable":  {third: []string{redisLibrary}},
	"internal/audit":    {},
	"internal/mail":     {third: []string{mailLibrary}},

	// HTTP. A dialect knows no other dialect.
	"handlers": {
		own: []string{"handlers/problem", "handlers/request", "auth", "auth/grant", "auth/keys", "auth/session",
			"metadata", "claims", "internal/audit"},
		third: []string{webLibrary, jsonLibrary, metricLibrary},
		http:  true,
	},
	"handlers/problem": {own: []string{"handlers/request", "auth", "metadata", "claims"}, third: []string{webLibrary, jsonLibrary}, http: true},
	"handlers/request": {own: []string{"auth", "metadata"}, third: []string{webLibrary, jsonLibrary}, http: true},
	"handlers/openapi": {
		own:   []string{"handlers/problem", "handlers/request"},
		third: []string{webLibrary, jsonLibrary, pageLibrary, yamlLibrary},
		http:  true,
	},
	"handlers/native": {
		own: []string{"handlers", "handlers/problem", "handlers/request", "auth", "auth/authorize", "auth/factor", "auth/people", "auth/preview",
			"auth/session", "claims", "metadata", "internal/audit"},
		third: []string{webLibrary, jsonLibrary},
		http:  true,
	},
	"handlers/console": {
		own: []string{"handlers", "handlers/console/page", "handlers/problem", "handlers/request", "auth", "auth/authorize", "auth/factor",
			"auth/career", "auth/memory", "auth/people", "auth/preview", "auth/profile", "auth/records", "auth/session", "claims", "metadata",
			"internal/audit"},
		third: []string{webLibrary, jsonLibrary, codeLibrary, textLibrary},
		http:  true,
	},
	"handlers/console/operate": {
		own: []string{"handlers", "handlers/console/page", "handlers/problem", "handlers/request", "auth", "auth/career", "auth/factor", "auth/grant",
			"auth/keys", "auth/people", "auth/preview", "auth/profile", "auth/session", "claims", "metadata", "internal/audit"},
		third: []string{webLibrary, jsonLibrary},
		http:  true,
	},
	"handlers/console/page": {
		own:   []string{"handlers/problem", "auth", "claims", "metadata", "handlers/request", "internal/audit"},
		third: []string{webLibrary, jsonLibrary, textLibrary},
		http:  true,
	},
	"handlers/origin": {own: []string{"auth"}, third: []string{webLibrary}, http: true},
	"handlers/oidc": {
		own:   []string{"handlers/origin", "handlers/problem", "handlers/request", "auth", "auth/authorize", "auth/grant", "auth/keys", "claims"},
		third: []string{webLibrary, jsonLibrary},
		http:  true,
	},
	"handlers/iblai": {
		own: []string{"handlers", "handlers/origin", "handlers/problem", "handlers/request", "auth", "auth/career", "auth/memory", "auth/profile",
			"auth/records", "metadata"},
		third: []string{webLibrary, jsonLibrary}, http: true,
	},
	"handlers/sentinel": {
		own:   []string{"handlers", "handlers/origin", "handlers/problem", "handlers/request", "auth", "auth/grant", "metadata"},
		third: []string{webLibrary, jsonLibrary}, http: true,
	},
	"handlers/zitadel": {
		own:   []string{"handlers", "handlers/origin", "handlers/zitadel/...", "handlers/problem", "handlers/request", "auth", "metadata"},
		third: []string{webLibrary, jsonLibrary, rpcLibrary, protoLibrary}, http: true,
	},
	"handlers/zitadel/...": {own: []string{"handlers/zitadel/..."}, third: []string{rpcLibrary, protoLibrary}, http: true}, // generated
	"handlers/...": {
		own: []string{"handlers", "handlers/problem", "handlers/request", "auth", "auth/grant", "auth/keys", "auth/session",
			"metadata", "claims", "internal/audit"},
		third: []string{webLibrary, jsonLibrary},
		http:  true,
	},

	// Test kits: no rule above names them, so only test files import them.
	"internal/mail/mailtest": {third: []string{smtpLibrary, loginLibrary}},
	"internal/testkit":       {own: []string{"internal/audit"}},
	"internal/redistest":     {third: []string{redisLibrary, fakeRedis}},
	"metadata/storetest": { // writes the users that entries belong to as auth/redisstore would
		own:   []string{"metadata", "internal/audit", "internal/keyspace"},
		third: []string{redisLibrary, diffLibrary, checkLibrary, orderLibrary},
	},
	"auth/storetest":     {own: []string{"auth/...", "claims", "internal/audit"}, third: []string{diffLibrary, checkLibrary, orderLibrary}},
	"auth/keys/keystest": {own: []string{"auth/keys", "internal/audit"}, third: []string{diffLibrary, checkLibrary, orderLibrary}},

	"handlers/console/page/pagetest": {
		own: []string{"handlers/console/page"}, third: []string{jsonLibrary, diffLibrary, htmlLibrary}, http: true,
	},
	"handlers/openapi/openapitest": {own: []string{"handlers/openapi"}, third: []string{specLibrary, schemaLibrary}, http: true},
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	packages, err := imports(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 2 {
		t.Fatalf("only found %v", packages)
	}
	for _, violation := range violations(packages) {
		t.Error(violation)
	}
}

func TestViolationsAreNoticed(t *testing.T) {
	own := func(dirs ...string) (paths []string) {
		for _, dir := range dirs {
			paths = append(paths, modulePath+"/"+dir)
		}
		return paths
	}
	packages := map[string][]string{
		"util":                  {"fmt"},
		"claims":                append(own("metadata"), webLibrary, "net/http", jwkLibrary+"/json"),
		"metadata":              append(own("claims", "auth"), "net/http", "net/http/httptest", redisLibrary),
		"metadata/redisstore":   append(own("metadata", "auth", "internal/keyspace"), redisLibrary, "github.com/redis/go-redis/v9x"),
		"auth":                  own("metadata", "auth/grant", "config", "internal/durable"),
		"auth/grant":            append(own("auth"), webLibrary+"/middleware"),
		"auth/redisstore":       append(own("auth/keys", "internal/redistest"), rateLibrary),
		"config":                append(own("auth"), cliLibrary),
		"handlers":              own("auth/redisstore", "handlers/native", "auth/session", "metadata/redisstore", "cmd/claimsmith"),
		"handlers/native":       append(own("handlers/problem", "handlers/oidc", "auth", "internal/keyspace"), webLibrary, redisLibrary),
		"handlers/new/dialect":  own("handlers/new", "metadata"),
		"cmd/claimsmith":        append(own("config", "auth/redisstore"), redisLibrary, "net/http"),
		"cmd/another/below/cmd": {"net/http"},
	}
	want := []string{
		"auth imports auth/grant",
		"auth imports config",
		"auth imports internal/durable",
		"auth imports metadata",
		"auth/grant imports github.com/labstack/echo/v4/middleware",
		"auth/redisstore imports internal/redistest",
		"claims imports github.com/labstack/echo/v4",
		"claims imports metadata",
		"config imports auth",
		"handlers imports auth/redisstore",
		"handlers imports cmd/claimsmith",
		"handlers imports handlers/native",
		"handlers imports metadata/redisstore",
		"handlers/native imports github.com/redis/go-redis/v9",
		"handlers/native imports handlers/oidc",
		"handlers/native imports internal/keyspace",
		"handlers/new/dialect imports handlers/new",
		"metadata imports auth",
		"metadata imports claims",
		"metadata imports github.com/redis/go-redis/v9",
		"metadata imports net/http",
		"metadata imports net/http/httptest",
		"metadata/redisstore imports auth",
		"metadata/redisstore imports github.com/redis/go-redis/v9x",
		"util has no rule in imports_test.go",
	}
	if diff := cmp.Diff(want, violations(packages)); diff != "" {
		t.Error(diff)
	}
}

// violations are the imports that no rule allows, sorted.
func violations(packages map[string][]string) []string {
	var found []string
	for dir, paths := range packages {
		rule, ok := ruleFor(dir)
		if !ok {
			found = append(found, dir+" has no rule in imports_test.go")
			continue
		}
		for _, imported := range paths {
			own, isOwn := strings.CutPrefix(imported, modulePath+"/")
			first, _, _ := strings.Cut(imported, "/")
			allowed := true
			switch {
			case isOwn:
				allowed = slices.ContainsFunc(rule.own, func(pattern string) bool { return matches(pattern, own) })
				imported = own
			case strings.Contains(first, "."):
				allowed = slices.ContainsFunc(rule.third, func(module string) bool { return matches(module+"/...", imported) || module == "..." })
			case matches("net/http/...", imported):
				allowed = rule.http
			}
			if !allowed {
				found = append(found, fmt.Sprintf("%s imports %s", dir, imported))
			}
		}
	}
	slices.Sort(found)
	return found
}

// ruleFor returns the rule of the directory itself or else of the nearest directory above it.
func ruleFor(dir string) (rule, bool) {
	if r, ok := rules[dir]; ok {
		return r, true
	}
	for above := dir; above != "."; above = path.Dir(above) {
		if r, ok := rules[above+"/..."]; ok {
			return r, true
		}
	}
	return rule{}, false
}

func matches(pattern, name string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	if !ok {
		return name == pattern
	}
	return strings.HasPrefix(name+"/", tree)
}

// imports returns what the files below root import, by directory, but for test files. It reads the files itself: a test
// that asked the go command would stay cached when they change.
func imports(root string) (map[string][]string, error) {
	sets := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && name != root && (base[0] == '.' || base == "testdata" || base == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(relative)
		if sets[dir] == nil {
			sets[dir] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			sets[dir][imported] = true
		}
		return nil
	})
	packages := map[string][]string{}
	for dir, set := range sets {
		packages[dir] = slices.Sorted(maps.Keys(set))
	}
	return packages, err
}
