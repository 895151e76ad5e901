package preview_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

// benchWorld has jane with ten claims, over a real server; laid down, twenty definitions, a group and inherited entries beside them.
func benchWorld(b *testing.B, laidDown bool) *world {
	w := newWorld(b, redistest.Backend{Client: redistest.NewClient(b, redistest.Server(b).Addr())})
	if laidDown {
		for n := range 20 {
			d := &metadata.Definition{Key: fmt.Sprintf("key%02d", n)}
			switch n % 4 {
			case 0:
				d.Places = []string{auth.InAccessToken, auth.InIDToken}
			case 1:
				d.Clients = []string{"web", "other"}
			}
			w.lay(metadata.SchemeChange{PutDefinition: d})
		}
		w.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: "g1", Slug: "staff"}})
		w.write(metadata.Owner{}, metadata.Patch{Set: []metadata.Put{claim("key00", `"hidden"`), claim("plan", `"basic"`)}})
		w.write(metadata.Owner{Group: "g1"}, metadata.Patch{Set: []metadata.Put{claim("plan", `"hidden"`), claim("key01", `1`)}})
	}
	var p metadata.Patch
	for n := range 10 {
		p.Set = append(p.Set, claim(fmt.Sprintf("key%02d", n), `"a value of some length"`))
	}
	if laidDown {
		p.Groups = &[]string{"g1"}
	} else { // the same token
		p.Set = append(p.Set, claim("plan", `"hidden"`))
	}
	w.write(metadata.Owner{User: userID}, p)
	return w
}

// BenchmarkMint issues an access token with one read and one signature.
func BenchmarkMint(b *testing.B) {
	for name, laidDown := range map[string]bool{"own entries": false, "20 definitions, one group, inherited entries": true} {
		b.Run(name, func(b *testing.B) {
			w := benchWorld(b, laidDown)
			client := *w.clients[0]
			client.ExchangeAudiences = []string{"https://api.example"}
			subject := &claims.Access{AccessToken: claims.AccessToken{
				Subject: userID, Org: org, SessionID: "s1", Scope: "orders", ExpiresAt: w.now.Add(time.Hour), ACR: "1", AMR: []string{"pwd"},
			}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.issuer.Exchange(context.Background(), &client, subject, "https://api.example", "", ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPreview(b *testing.B) {
	w := benchWorld(b, true)
	for name, change := range map[string]*metadata.Proposal{
		"now": nil, "a change": {Change: metadata.Change{Set: []metadata.Put{claim("key03", `"another value"`)}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := w.preview.Preview(context.Background(), auth.System(), preview.Request{
					Target: metadata.Target{Org: org, User: userID}, Client: "web", Change: change,
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
