package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/config"
)

// inspection is what can be found out about a token.
type inspection struct {
	Header jsontext.Value `json:"header"`
	Claims jsontext.Value `json:"claims"`
	// Signature is "valid", or why it is not: what the header and the claims say is then anybody's word.
	Signature string `json:"signature"`
	// Active is what the server says of it now, null where it does not say.
	Active *bool `json:"active"`
	Size   int   `json:"size"`
}

func runTokensInspect(ctx context.Context, c *config.TokensInspect, stdin io.Reader, stdout io.Writer) error {
	token := c.Text
	if token == "" {
		var err error
		if token, err = secretFrom(stdin, "the token"); err != nil {
			return err
		}
	}
	token = strings.TrimSpace(token)
	found := inspection{Size: len(token)}
	parts := strings.Split(token, ".")
	const compactParts = 3
	if len(parts) == compactParts {
		found.Header, found.Claims = decodedPart(parts[0]), decodedPart(parts[1])
	}
	if found.Header == nil || found.Claims == nil {
		return errors.New("this is no JWT: three parts of base64url, of which the first two are JSON; refresh tokens and API tokens tell nothing")
	}
	found.Signature = signature(ctx, c.URL, token, found.Header)
	active, err := newOperator(c.API).introspect(ctx, token)
	if err != nil {
		return err
	}
	found.Active = active
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return errors.Join(printValue(stdout, c.Output, text), found.fault())
	}
	standing := "unknown: the server answers only for access tokens of organisations you may read"
	if active != nil {
		standing = yesNo(*active)
	}
	fmt.Fprintf(stdout, "signature  %s\nactive     %s\nsize       %d characters\nheader     %s\n\n",
		oneLine(found.Signature), standing, found.Size, oneLine(string(found.Header)))
	return errors.Join(printObject(stdout, c.Output, found.Claims), found.fault())
}

const notValid = "NOT VALID: "

// fault makes a token nobody signed a failure for scripts too.
func (i *inspection) fault() error {
	if strings.HasPrefix(i.Signature, notValid) {
		return errors.New("the token's signature is not valid")
	}
	return nil
}

func decodedPart(text string) jsontext.Value {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	value := jsontext.Value(bytes.TrimSpace(raw))
	if err != nil || value.Kind() != '{' || !value.IsValid() {
		return nil
	}
	return value
}

// signature says whether a token is what the issuer signed, by the keys it publishes.
func signature(ctx context.Context, issuer, token string, header jsontext.Value) string {
	verifier, err := claims.NewVerifier(claims.Config{Issuer: strings.TrimSuffix(issuer, "/"), Audience: issuer})
	if err != nil {
		return "not checked: " + err.Error()
	}
	var head struct {
		Type string `json:"typ"`
	}
	_ = json.Unmarshal(header, &head) // a header without a type is an ID token's, and verifying says the rest
	if head.Type == "at+jwt" {
		_, err = verifier.VerifyAnyAudience(ctx, token)
	} else {
		_, err = verifier.VerifyIDTokenHint(ctx, token)
	}
	if err != nil {
		return notValid + err.Error()
	}
	return "valid"
}

// introspect asks the server whether a token stands (RFC 7662), nil where it is none it answers for.
func (o *operator) introspect(ctx context.Context, token string) (*bool, error) {
	form := url.Values{"token": {token}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(o.api.URL, "/")+"/oauth/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+o.api.Token.Reveal())
	a, err := o.do(r)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	return answer.Active, nil
}
