package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The browser flows of the comparison. Codes of one user are rationed, so there are many users.
const (
	codesPerUser = 20
	people       = 120
	proofs       = 6000

	webClient   = "bench-web"
	boundClient = "bench-bound"
	redirect    = "https://app.example/callback"
	verifier    = "a-code-verifier-of-at-least-43-characters-for-bench"
)

// flowRows compares the redemption of authorization codes and refreshing with DPoP.
func (b *bench) flowRows(ctx context.Context) ([]row, error) {
	var web struct {
		Secret string `json:"client_secret"`
	}
	if err := b.call(ctx, http.MethodPost, "/api/client", map[string]any{
		"client_id": webClient, "preset": "web", "redirect_uris": []string{redirect}, "require_consent": false,
		"scopes": []string{"openid", "profile"},
	}, &web); err != nil {
		return nil, err
	}
	if err := b.call(ctx, http.MethodPost, "/api/client", map[string]any{
		"client_id": boundClient, "public": true, "first_party": true, "require_dpop": true,
		"grant_types": []string{"password", "refresh_token"}, "scopes": []string{"profile"},
	}, nil); err != nil {
		return nil, err
	}
	browsers, err := b.people(ctx)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	token, base := "http://"+b.addr+"/oauth/token", "http://"+b.base
	chains, err := b.chains(ctx, key, token)
	if err != nil {
		return nil, err
	}
	common := "grant_type=authorization_code&client_id=" + webClient + "&client_secret=" + web.Secret + "&code_verifier=" + verifier +
		"&redirect_uri=" + url.QueryEscape(redirect)
	redeem := func(ctx context.Context) (volley, error) {
		codes, err := b.codes(ctx, browsers)
		v := volley{URL: token}
		for _, code := range codes {
			v.Bodies = append(v.Bodies, common+"&code="+code)
		}
		return v, err
	}
	refresh := func(target string, chains []string) func(context.Context) (volley, error) {
		return func(context.Context) (volley, error) {
			v := volley{URL: target, Chains: chains}
			for range proofs {
				proof, err := proofOf(key, target)
				if err != nil {
					return v, err
				}
				v.Bodies = append(v.Bodies, "grant_type=refresh_token&client_id="+boundClient)
				v.Proofs = append(v.Proofs, proof)
			}
			return v, nil
		}
	}
	return []row{
		{
			name:    "authorization_code grant",
			product: load{volley: redeem},
			baseline: load{volley: func(context.Context) (volley, error) {
				v := volley{URL: base + "/oauth/code"}
				for range codesPerUser * people {
					v.Bodies = append(v.Bodies, common+"&code=any")
				}
				return v, nil
			}},
		}, {
			name:     "refresh_token grant with DPoP",
			product:  load{volley: refresh(token, chains)},
			baseline: load{volley: refresh(base+"/oauth/dpop", make([]string, connections))},
		},
	}, nil
}

// fire has a volley sent by a process of its own, on the core of the load.
func (b *bench) fire(ctx context.Context, server *process, l load) (sample, error) {
	v, err := l.volley(ctx)
	if err != nil {
		return sample{}, err
	}
	file := b.dir + "/volley"
	if err := writeJSON(file, v); err != nil {
		return sample{}, err
	}
	s, err := b.load(ctx, server, b.self, "send", file)
	if err != nil || v.Chains == nil {
		return s, err
	}
	var after volley
	err = readJSON(file, &after)
	copy(v.Chains, after.Chains)
	return s, err
}

var flowField = regexp.MustCompile(`name="flow" value="([^"]+)"`)

// people makes users and signs each in with a browser of his own.
func (b *bench) people(ctx context.Context) ([]*http.Client, error) {
	var browsers []*http.Client
	for n := range people {
		name := "bench" + strconv.Itoa(n)
		if err := b.call(ctx, http.MethodPost, "/api/user", map[string]any{"username": name, "password": password}, nil); err != nil {
			return nil, err
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), redirect) {
				return http.ErrUseLastResponse
			}
			return nil
		}}
		page, err := get(ctx, browser, b.authorizeURL(""))
		if err != nil {
			return nil, err
		}
		flow := flowField.FindStringSubmatch(page.body)
		if flow == nil {
			return nil, fmt.Errorf("no sign-in page: %s", page.body)
		}
		form := url.Values{"flow": {flow[1]}, "username": {name}, "password": {password}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.addr+"/signin", strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+b.addr)
		response, err := browser.Do(r)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		if response.Header.Get("Location") == "" {
			return nil, fmt.Errorf("signing in: %s", response.Status)
		}
		browsers = append(browsers, browser)
	}
	return browsers, nil
}

// authorizeURL is the address of an authorization request.
func (b *bench) authorizeURL(prompt string) string {
	sum := sha256.Sum256([]byte(verifier))
	values := url.Values{
		"response_type": {"code"}, "client_id": {webClient}, "redirect_uri": {redirect}, "scope": {"openid profile"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if prompt != "" {
		values.Set("prompt", prompt)
	}
	return "http://" + b.addr + "/oauth/authorize?" + values.Encode()
}

// codes has every browser obtain its share of codes.
func (b *bench) codes(ctx context.Context, browsers []*http.Client) ([]string, error) {
	var mu sync.Mutex
	var codes []string
	var failure error
	var tasks sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, browser := range browsers {
		tasks.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			for range codesPerUser {
				page, err := get(ctx, browser, b.authorizeURL("none"))
				location, parseErr := url.Parse(page.location)
				code := ""
				if parseErr == nil {
					code = location.Query().Get("code")
				}
				mu.Lock()
				if code == "" {
					failure = errors.Join(failure, err, fmt.Errorf("no code: %s %s", page.location, page.body))
					mu.Unlock()
					return
				}
				codes = append(codes, code)
				mu.Unlock()
			}
		})
	}
	tasks.Wait()
	return codes, failure
}

// chains logs in as often as there are connections, each time bound to the key.
func (b *bench) chains(ctx context.Context, key *ecdsa.PrivateKey, token string) ([]string, error) {
	var chains []string
	for range connections {
		proof, err := proofOf(key, token)
		if err != nil {
			return nil, err
		}
		form := url.Values{"grant_type": {"password"}, "client_id": {boundClient}, "username": {user}, "password": {password}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, token, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return nil, err
		}
		_, rest, found := strings.Cut(string(text), `"refresh_token":"`)
		if !found {
			return nil, fmt.Errorf("logging in with DPoP: %s", text)
		}
		refresh, _, _ := strings.Cut(rest, `"`)
		chains = append(chains, refresh)
	}
	return chains, nil
}

// proofOf is a DPoP proof for a request to a token endpoint (RFC 9449 §4.2).
func proofOf(key *ecdsa.PrivateKey, target string) (string, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	proof := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"jti": rand.Text(), "htm": http.MethodPost, "htu": target, "iat": time.Now().Unix(),
	})
	proof.Header["typ"] = "dpop+jwt"
	proof.Header["jwk"] = map[string]string{
		"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	return proof.SignedString(key)
}

type page struct{ location, body string }

func get(ctx context.Context, browser *http.Client, target string) (page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return page{}, err
	}
	response, err := browser.Do(r)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return page{response.Header.Get("Location"), string(body)}, err
}
