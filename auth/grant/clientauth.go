package grant

import (
	"context"
	"crypto/rand"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// Credentials are how a client says who it is (RFC 6749 §2.3, RFC 7521 §4.2). Empty means absent.
type Credentials struct {
	ClientID     string
	ClientSecret string
	// AuthMethod is how the client sent its secret: auth.AuthSecretBasic, auth.AuthSecretPost, or "" if it sent none.
	AuthMethod string
	// ClientAssertion is a signed statement in place of a secret.
	ClientAssertion     string
	ClientAssertionType string
}

// assertionType is the only type of client assertion there is here (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// onceAssertion is the kind of use OnceStore remembers for assertions.
const onceAssertion = "assertion"

var errClient = &auth.Error{Code: auth.InvalidClient, Detail: "client authentication failed"}

// Authenticate checks the credentials of a client that wants something else than tokens, in the way the client is registered for. A
// failure is recorded, a success by what the client then does.
func (d *Dispatcher) Authenticate(ctx context.Context, c Credentials) (*auth.Client, error) {
	client, err := d.authenticate(ctx, c)
	if err != nil {
		actor, home := d.actor(ctx, c)
		e := auth.Outcome("client.authenticate", actor, err)
		e.Org = home
		d.Audit.Record(ctx, e)
	}
	return client, err
}

// Prove checks the proof of possession an authenticated client has sent with something else than a token request (RFC 9449 §10.1),
// and returns the thumbprint of its key, "" for no proof.
func (d *Dispatcher) Prove(ctx context.Context, proof auth.Proof) (keyThumbprint string, err error) {
	return d.Proofs.Check(ctx, proof, "")
}

func (d *Dispatcher) authenticate(ctx context.Context, c Credentials) (*auth.Client, error) {
	if c.ClientAssertion != "" || c.ClientAssertionType != "" {
		return d.byAssertion(ctx, c)
	}
	if c.ClientID == "" {
		return nil, &auth.Error{Code: auth.InvalidClient, Detail: "client authentication is required"}
	}
	client, err := d.Registry.Client(ctx, c.ClientID)
	if err != nil {
		return nil, err
	}
	// A client that authenticates by another method than its own is taken for an impostor, whatever it knows.
	switch registered := client.AuthMethod; {
	case client.Public() && c.ClientSecret == "":
		return client, nil
	case registered != "" && registered != c.AuthMethod:
		return nil, errClient
	case client.SecretIs(c.ClientSecret):
		return client, nil
	}
	return nil, errClient
}

// byAssertion checks a client's signed statement (private_key_jwt, OpenID Connect Core §9). What is wrong with it is told in one
// text, so that the answer does not tell which clients exist.
func (d *Dispatcher) byAssertion(ctx context.Context, c Credentials) (*auth.Client, error) {
	switch {
	case c.AuthMethod != "" || c.ClientSecret != "":
		return nil, &auth.Error{Code: auth.InvalidRequest, Detail: "use one method of client authentication, not two"}
	case c.ClientAssertion == "":
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: "client_assertion", Detail: "client_assertion is required"}
	case c.ClientAssertionType != assertionType:
		return nil, &auth.Error{
			Code: auth.InvalidRequest, Field: "client_assertion_type", Detail: "client_assertion_type must be " + assertionType,
		}
	}
	refused := func(err error) error {
		return &auth.Error{
			Code: auth.InvalidClient, Err: err,
			Detail: "client authentication failed: an assertion must be signed by a key of the client, with iss and sub its client id, aud " +
				d.Issuer + ", exp at most 5 minutes ahead, and a jti that is used once",
		}
	}
	id, err := claims.AssertionClient(c.ClientAssertion)
	if err != nil {
		return nil, refused(err)
	}
	if c.ClientID != "" && c.ClientID != id { // RFC 7521 §4.2
		return nil, refused(nil)
	}
	client, err := d.Registry.Client(ctx, id)
	if auth.CodeOf(err) == auth.InvalidClient {
		return nil, refused(err)
	}
	if err != nil {
		return nil, err
	}
	if client.AuthMethod != auth.AuthPrivateKeyJWT {
		return nil, refused(nil)
	}
	keys, err := claims.ParseKeySet([]byte(client.KeySet))
	if err != nil {
		return nil, refused(err)
	}
	audiences := []string{d.Issuer}
	if client.EndpointAudience {
		audiences = append(audiences, d.TokenURL)
	}
	assertion, err := claims.VerifyAssertion(c.ClientAssertion, claims.ExpectedAssertion{
		ClientID: client.ID, Keys: keys, Audiences: audiences, Leeway: claims.DefaultLeeway, Now: d.Now(),
	})
	if err != nil {
		return nil, refused(err)
	}
	subject := client.ID + "\x00" + assertion.ID
	first, err := d.Once.Once(ctx, onceAssertion, subject, rand.Text(), assertion.ExpiresAt.Add(claims.MaxLeeway))
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, refused(nil)
	}
	return client, nil
}

// actor names a client that exists, and its organisation. What else stands where its id belongs may be a secret put in the wrong
// place (row P-02).
func (d *Dispatcher) actor(ctx context.Context, c Credentials) (ref, org string) {
	id := c.ClientID
	if id == "" {
		id, _ = claims.AssertionClient(c.ClientAssertion) // which the lookup settles
	}
	client, err := d.Registry.Client(ctx, id)
	if err != nil {
		return "", ""
	}
	return "client:" + client.ID, client.Org
}
