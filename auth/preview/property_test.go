package preview_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

// cases is how many random cases are tried: CLAIMSMITH_TEST_CASES, by default what takes a second or two.
func cases(t testing.TB, few int) int {
	t.Helper()
	text := os.Getenv("CLAIMSMITH_TEST_CASES")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// What differs from one token to the next, or rests on it.
var (
	identifiers = regexp.MustCompile(`"(jti|sid|at_hash|jkt)":"[^"]*"`)
	moments     = regexp.MustCompile(`"(iat|exp|auth_time)":[0-9]+`)
)

// masked hides that, of the members that the server writes; metadata claims come before them.
func masked(t testing.TB, payload string) string {
	t.Helper()
	at := max(strings.LastIndex(payload, `"iss":`), 0)
	mask := func(text string) string {
		name, value, _ := strings.Cut(text, ":")
		return name + ":" + strings.Repeat("*", len(value))
	}
	return payload[:at] + moments.ReplaceAllStringFunc(identifiers.ReplaceAllStringFunc(payload[at:], mask), mask)
}

// random is a source of everything a token can depend on.
type random struct{ *rand.Rand }

var claimKeys = []string{"plan", "Plan", "b2", "B2", "k1", "K1", "tags", "user-theme", "a.b", "z_9", "ContractNumber", "sub", "metadata_x"}

// otherKeys are those of entries that are no claims.
var otherKeys = []string{"Zürich", `a "b"\ <&>`, "\u2028", "hidden:key", "9"}

func (r random) text() string {
	parts := []string{"a", "Zürich", "日本", "😀", `\"`, `\\`, `\n`, `\u0000`, `\u00e9`, `\ud83d\ude00`, "\u2028", `\/`, "<b>&", `\"iss\":`, " "}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(pick(r, parts...))
	}
	return `"` + b.String() + `"`
}

func (r random) json(depth int) string {
	kinds := 7
	if depth == 0 {
		kinds = 5
	}
	switch r.IntN(kinds) {
	case 0:
		return pick(r, "0", "-0", "1.0", "1e2", "9007199254740993", "-12345678901234567890", "1E-400", "1e400", "0.1000", "3.141592653589793238")
	case 1:
		return pick(r, "true", "false", "null")
	case 2, 3, 4:
		return r.text()
	case 5:
		var elements []string
		for range r.IntN(4) {
			elements = append(elements, r.json(depth-1))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	default:
		var members []string
		for n := range r.IntN(4) {
			members = append(members, fmt.Sprintf("\"%d%s\" : %s", n, pick(r, "", "x", "é", `\u0041`), r.json(depth-1)))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
}

func (r random) value(t testing.TB) metadata.Value {
	v, err := metadata.JSON([]byte(r.json(3)))
	check(t, err)
	return v
}

// patch is a change of some keys; most entries are claims.
func (r random) patch(t testing.TB) (p metadata.Patch) {
	named := map[string]bool{}
	for range 1 + r.IntN(4) {
		key := pick(r, claimKeys...)
		if named[key] {
			continue
		}
		named[key] = true
		if r.IntN(4) == 0 {
			p.Delete = append(p.Delete, key)
			continue
		}
		p.Set = append(p.Set, metadata.Put{Key: key, Value: r.value(t), ProfileClaim: r.IntN(5) > 0})
	}
	if key := pick(r, otherKeys...); r.IntN(3) == 0 {
		length := pick(r, 0, 1, 20, 1500, 3000, 3040, 3066)
		p.Set = append(p.Set, metadata.Put{Key: key, Value: metadata.Bytes(bytes.Repeat([]byte{0xff, '"', 0}, length/3))})
	}
	p.Replace = r.IntN(10) == 0
	return p
}

func (r random) definition(t testing.TB) *metadata.Definition {
	subset := func(of ...string) (some []string) {
		if r.IntN(2) == 0 {
			return nil
		}
		some = []string{}
		for _, v := range of {
			if r.IntN(3) > 0 {
				some = append(some, v)
			}
		}
		return some
	}
	d := &metadata.Definition{
		Key: pick(r, append(otherKeys, claimKeys...)...), Clients: subset("web", "short", "picky", "other"), Places: subset(metadata.Places...),
		Claim: pick(r, "", metadata.ClaimOptional, metadata.ClaimAlways, metadata.ClaimNever), Sensitive: r.IntN(4) == 0,
		Read:  pick(r, "", metadata.ForServices, metadata.ForServices, metadata.ForServices, metadata.ForSelf, metadata.ForOperators),
		Write: pick(r, "", metadata.ForOperators, metadata.ForSelf),
	}
	if r.IntN(2) == 0 {
		d.Default = r.value(t).Raw()
	}
	return d
}

// disturb changes one thing that tokens depend on.
func (w *world) disturb(r random) {
	w.t.Helper()
	scheme := w.scheme()
	switch r.IntN(9) {
	case 0, 1:
		d := r.definition(w.t)
		same := slices.IndexFunc(scheme.Definitions, func(o metadata.Definition) bool { return strings.EqualFold(o.Key, d.Key) })
		var version uint64
		if same >= 0 {
			d.Key, version = scheme.Definitions[same].Key, scheme.Definitions[same].Version
		}
		if same >= 0 && r.IntN(3) == 0 {
			w.lay(metadata.SchemeChange{DeleteDefinition: d.Key, IfVersion: version})
			return
		}
		w.lay(metadata.SchemeChange{PutDefinition: d, IfVersion: version})
	case 2:
		w.disturbGroups(r, scheme)
	case 3:
		w.write(metadata.Owner{}, r.patch(w.t))
	case 4:
		if len(scheme.Groups) > 0 {
			w.write(metadata.Owner{Group: pick(r, scheme.Groups...).ID}, r.patch(w.t))
		}
	case 5:
		w.write(metadata.Owner{User: userID, App: pick(r, w.clients...).ID}, r.patch(w.t))
	case 6:
		groups := []string{}
		for i := range scheme.Groups {
			if r.IntN(2) == 0 {
				groups = append(groups, scheme.Groups[i].ID)
			}
		}
		groups = sorted(groups)
		w.write(metadata.Owner{User: userID}, metadata.Patch{Groups: &groups})
	default:
		w.write(metadata.Owner{User: userID}, r.patch(w.t))
	}
}

func (w *world) disturbGroups(r random, scheme *metadata.Scheme) {
	w.t.Helper()
	if len(scheme.Groups) > 0 && r.IntN(2) == 0 {
		g := pick(r, scheme.Groups...)
		if r.IntN(3) == 0 {
			w.write(metadata.Owner{Group: g.ID}, metadata.Patch{Replace: true})
			w.lay(metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: g.Version})
			return
		}
		version := g.Version
		g.Order = r.IntN(3)
		w.lay(metadata.SchemeChange{PutGroup: &g, IfVersion: version})
		return
	}
	if len(scheme.Groups) < 4 {
		id := fmt.Sprintf("g%x", r.Uint64())
		w.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: id, Slug: id, Order: r.IntN(3)}})
	}
}

func refused(err error, fault **metadata.Error) bool { return errors.As(err, fault) }

// compare holds a preview against what was issued.
func compare(t testing.TB, p *preview.Tokens, got issued) {
	t.Helper()
	for place, token := range map[string]preview.Token{
		auth.InAccessToken: p.AccessToken, auth.InIDToken: p.IDToken, auth.InUserInfo: p.UserInfo, auth.InIntrospection: p.Introspection,
	} {
		real, there := got.payloads[place]
		if there != (token.Claims != nil) {
			t.Fatalf("%s for %s with %q: issued %t, previewed %t", place, got.client, got.scope, there, token.Claims != nil)
		}
		if diff := cmp.Diff(masked(t, real), masked(t, string(token.Claims))); diff != "" {
			t.Fatalf("%s for %s with %q (-issued +previewed):\n%s", place, got.client, got.scope, diff)
		}
		if token.Bytes != len(real) || token.Size != got.sizes[place] {
			t.Fatalf("%s for %s: %d bytes, %d encoded, previewed %d and %d",
				place, got.client, len(real), got.sizes[place], token.Bytes, token.Size)
		}
	}
}

// shown are the candidates of a place that nothing keeps out, as claims.
func shown(p *preview.Preview, place string) map[string]string {
	all := map[string]string{}
	for _, c := range p.Entries {
		if c.ProfileClaim && c.HiddenBy == "" && c.Why[place] == "" {
			all["metadata_"+c.Key] = c.JSON
		}
	}
	return all
}

// metadataOf are the metadata claims of a payload.
func metadataOf(t testing.TB, payload string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, value := range preview.Members([]byte(payload)) {
		if strings.HasPrefix(name, "metadata_") {
			all[name] = string(value)
		}
	}
	return all
}

func TestThePreviewIsTheTokenIssuedNext(t *testing.T) {
	newWorld(t, redistest.Embedded(t)).previewAndIssue(cases(t, 300))
}

func TestThePreviewIsTheTokenIssuedNextOverEveryRedis(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) { newWorld(t, b).previewAndIssue(25) })
}

// previewAndIssue changes the world at random and compares previews, also of changes that are then made, with what is issued next, and
// what is told of the past with what was issued then.
func (w *world) previewAndIssue(cases int) {
	t, ctx := w.t, context.Background()
	var past []issued
	for seed := range uint64(cases) {
		r := random{rand.New(rand.NewPCG(seed, 10))}
		for range 1 + r.IntN(4) {
			w.disturb(r)
		}
		client := pick(r, w.clients...)
		scope, err := auth.NarrowScope(client, pick(r, "", "orders", strings.Join(client.Scopes, " ")))
		check(t, err)
		request := preview.Request{
			Target: metadata.Target{Org: org, User: pick(r, userID, "jane", "jane@example.com")}, Client: client.ID, Scope: scope,
		}
		if scope == "" {
			request.Scope = "orders"
			scope = "orders"
		}
		if r.IntN(2) == 0 {
			patch := r.patch(t)
			request.Change = &metadata.Proposal{
				Change: metadata.Change{Set: patch.Set, Delete: patch.Delete, Replace: patch.Replace}, App: r.IntN(3) == 0,
			}
			if !request.Change.App && r.IntN(3) == 0 {
				request.Change.Groups = &[]string{}
				for _, g := range w.scheme().Groups {
					if r.IntN(2) == 0 {
						*request.Change.Groups = append(*request.Change.Groups, g.Slug)
					}
				}
			}
		}
		caller := auth.System()
		if request.Change == nil && r.IntN(2) == 0 {
			caller = auth.Person(userID, org)
		}
		p, err := w.preview.Preview(ctx, caller, request)
		var fault *metadata.Error
		if refused(err, &fault) && request.Change != nil {
			err = w.carryOut(request)
			var same *metadata.Error
			if !refused(err, &same) || same.Code != fault.Code || same.Detail != fault.Detail || same.Field != fault.Field {
				t.Fatalf("seed %d: thought of, a change is refused with %v; made, it is %v", seed, fault, err)
			}
			continue
		}
		check(t, err)
		if request.Change != nil {
			compare(t, p.Before, w.login(client, scope))
			check(t, w.carryOut(request))
		}
		got := w.login(client, scope)
		compare(t, &p.After, got)
		for place, payload := range got.payloads {
			if diff := cmp.Diff(metadataOf(t, payload), shown(&p, place)); diff != "" {
				t.Fatalf("seed %d: the explanation of %s (-issued +told):\n%s", seed, place, diff)
			}
		}
		if past = append(past, got); len(past) > 50 {
			past = past[1:]
		}
		w.lookBack(pick(r, past...))
	}
}

// carryOut makes the change a preview was asked about.
func (w *world) carryOut(r preview.Request) error {
	if r.Change.App {
		r.Target.App = r.Client
	}
	_, err := w.metadata.Make(context.Background(), auth.System(), r.Target, r.Change.Change, r.Change.Groups, metadata.Precondition{}, false)
	return err
}

// lookBack asks what a token showed that was issued a while ago.
func (w *world) lookBack(then issued) {
	w.t.Helper()
	token := then.payloads[auth.InAccessToken]
	at := metadata.Point{
		Revision: revision(w.t, token, "claims_rev"), AppRevision: revision(w.t, token, "claims_app_rev"),
		OrgRevision: revision(w.t, token, "claims_org_rev"),
	}
	p, err := w.preview.Preview(context.Background(), auth.System(), preview.Request{
		Target: metadata.Target{Org: org, User: userID}, Client: then.client, Scope: then.scope, At: at,
	})
	check(w.t, err)
	compare(w.t, &p.After, then)
}

// revision reads a claim that counts, absent as 0.
func revision(t testing.TB, payload, claim string) *uint64 {
	t.Helper()
	var n uint64
	if value, ok := preview.Members([]byte(payload))[claim]; ok {
		var err error
		n, err = strconv.ParseUint(string(value), 10, 64)
		check(t, err)
	}
	return &n
}
